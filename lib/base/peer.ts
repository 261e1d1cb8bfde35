/** Where a datagram comes from or goes to. */
export interface Peer {
  /** An IP address, or whatever names a peer on a transport of your own (at most 61 bytes). */
  readonly address: string;
  readonly port: number;
  /** Of a name: that of the address that the transport itself has. */
  readonly family: 'IPv4' | 'IPv6';
}
