import type * as dgram from 'node:dgram';

import { kPeer } from '../base/internals';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import type { DTLSSocket } from '../socket/socket';

/** dgram's `rinfo`, and who it is. */
export interface PeerInfo extends dgram.RemoteInfo {
  /** The peer proved who it is: by a certificate that verified, or by a pre-shared key. */
  authorized: boolean;
  /** The identity of its pre-shared key, or null. */
  pskIdentity: string | NonSharedBuffer | null;
  /** The session: certificates, cipher, heartbeats, counters. Not enumerable. */
  readonly socket: DTLSSocket;
}

export function infoOf(message: NonSharedBuffer, session: DTLSSocket, pskIdentity: PeerInfo['pskIdentity']): PeerInfo {
  const { address, family, port } = session[kPeer];
  const info = {
    address,
    family,
    port,
    size: message.length,
    authorized: session.authorized,
    pskIdentity,
  };
  return Object.defineProperty(info, 'socket', { value: session }) as PeerInfo;
}
