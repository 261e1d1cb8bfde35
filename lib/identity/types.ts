/** Options of secure contexts, as users give them; secure-context.ts checks them. */
import type { ProtocolVersion } from './versions';

/** A string is taken as UTF-8. */
export type Bytes = string | NodeJS.ArrayBufferView;

/** A private key in PEM with its own passphrase. */
export interface PemObject {
  pem: Bytes;
  passphrase?: string | undefined;
}

/** A PKCS #12 file with its own passphrase. */
export interface PfxObject {
  buf: NodeJS.ArrayBufferView;
  passphrase?: string | undefined;
}

/** Options of {@link createSecureContext}; names and meaning as in `tls.createSecureContext`. */
export interface SecureContextOptions {
  /** PEM certificate chain, own certificate first; an array for several key types. */
  cert?: Bytes | readonly Bytes[] | undefined;
  /** PEM private key; an array for several, in any order. */
  key?: Bytes | PemObject | readonly (Bytes | PemObject)[] | undefined;
  /**
   * PKCS #12: a private key, its certificate, and others: these are sent as its chain and, as in tls,
   * trusted. An array for several key types. Beside `cert` and `key`, or in their place.
   */
  pfx?: NodeJS.ArrayBufferView | PfxObject | readonly (NodeJS.ArrayBufferView | PfxObject)[] | undefined;
  /** The passphrase of each encrypted `key` and `pfx` that has none of its own. At most 1024 bytes. */
  passphrase?: string | undefined;
  /**
   * Show the public key alone (RFC 7250) to peers that ask for that; others get the certificate. `key` needs no
   * `cert` then. Needs OpenSSL 3.2, that is, Node 22.20 or 24.5: `features.rawPublicKeys`. Default false.
   */
  rawPublicKey?: boolean | undefined;
  /** PEM certificates of the authorities to trust. A client's default: Node's own list. */
  ca?: Bytes | readonly Bytes[] | undefined;
  /** PEM revocation lists. With any, every certificate of a chain is checked against one. */
  crl?: Bytes | readonly Bytes[] | undefined;
  /**
   * A chain may end at any certificate in `ca`, an intermediate or the peer's own, and not at a root only.
   * Default false.
   */
  allowPartialTrustChain?: boolean | undefined;
  /** OpenSSL cipher list, which may name suites of DTLS 1.3, too. Default: {@link DEFAULT_CIPHERS}, and three of 1.3. */
  ciphers?: string | undefined;
  /** Colon-separated signature algorithms. Default: OpenSSL's. */
  sigalgs?: string | undefined;
  /** Colon-separated groups, or `'auto'` (default): OpenSSL's. */
  ecdhCurve?: string | undefined;
  /** PEM Diffie-Hellman parameters or `'auto'`, for DHE suites. Default: none, so no DHE. */
  dhparam?: Bytes | undefined;
  /** Default `'DTLSv1.2'`. What can be asked for here: `features.versions`. */
  minVersion?: ProtocolVersion | undefined;
  /**
   * Default `'DTLSv1.2'`, or `'DTLSv1.3'` where `minVersion` is. 1.3 needs OpenSSL 3.5, which Node has from 22.20 and
   * 24.5 on: `features.dtls13`.
   */
  maxVersion?: ProtocolVersion | undefined;
  /** The server's order of suites counts, not the client's. Default true. */
  honorCipherOrder?: boolean | undefined;
  /** At most 32 bytes. */
  sessionIdContext?: string | undefined;
  /** Seconds for which a session can be resumed, 1 to 604800. Default 300. */
  sessionTimeout?: number | undefined;
  /**
   * 48 bytes that a server's session tickets are sealed with: a fleet shares them. Default: keys of each
   * server's own, which it replaces every hour, or after each `sessionTimeout` where that is longer.
   */
  ticketKeys?: NodeJS.ArrayBufferView | undefined;
  /** `crypto.constants.SSL_OP_…` to add. */
  secureOptions?: number | undefined;
}
