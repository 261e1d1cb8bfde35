import { inspect, type InspectOptions } from 'node:util';

import { native } from '../core/native';
import { hasNativeUdp, NativeDriver } from '../transport/native-udp';
import { PLAIN_UDP } from '../transport/transport';
import { offeredGroups, offeredVersions, type ProtocolVersion } from '../identity/versions';

/** What this build can do on the OpenSSL, and on the system, that it runs on. */
export interface Features {
  /** The version of the OpenSSL that does the work. */
  readonly openssl: string;
  /** It is linked into the addon (`OPENSSL_ROOT`), and is not Node's own. */
  readonly ownOpenssl: boolean;
  /** Protocol versions that can be asked for. */
  readonly versions: readonly ProtocolVersion[];
  /** What makes handshakes of DTLS 1.3 here; false where nothing does. Off as long as nobody asks for it: `maxVersion`. */
  readonly dtls13: string | false;
  /** Why there is no DTLS 1.3 here; undefined where there is. */
  readonly dtls13Missing: string | undefined;
  /** Cipher suites of DTLS 1.2 and before that can be asked for, at security level 0. */
  readonly ciphers: readonly string[];
  /** Groups for `ecdhCurve`. */
  readonly groups: readonly string[];
  /** Raw public keys (RFC 7250): OpenSSL 3.2 or later, that is, Node 22.20, 24.5 or later, and not on Windows or macOS. */
  readonly rawPublicKeys: boolean;
  /** The native UDP socket sends many datagrams as one (UDP_SEGMENT, Linux). */
  readonly gso: boolean;
  /** The native UDP socket receives many datagrams as one (UDP_GRO, Linux). */
  readonly gro: boolean;
}

let offloads: { gso: boolean; gro: boolean } | undefined;

/** Asked of a socket, when somebody wants to know. */
function probe(): { gso: boolean; gro: boolean } {
  if (offloads !== undefined) return offloads;
  offloads = { gso: false, gro: false };
  if (hasNativeUdp) {
    try {
      const socket = NativeDriver.bind({ ...PLAIN_UDP, family: 4, address: '127.0.0.1' });
      const { gso, gro } = socket.counters();
      socket.shut();
      offloads = { gso, gro };
    } catch {
      // No socket can be had (no more descriptors, a sandbox): then neither can what it could do.
    }
  }
  return offloads;
}

let ciphers: readonly string[] | undefined;
let groups: readonly string[] | undefined;

const asked: Features = {
  openssl: native.openssl,
  ownOpenssl: native.ownOpenssl,
  rawPublicKeys: native.rawPublicKeys,
  get versions(): readonly ProtocolVersion[] {
    return offeredVersions();
  },
  get dtls13(): string | false {
    return native.dtls13().engine ?? false;
  },
  get dtls13Missing(): string | undefined {
    return native.dtls13().missing;
  },
  get ciphers(): readonly string[] {
    return (ciphers ??= Object.freeze(native.offeredCiphers()));
  },
  get groups(): readonly string[] {
    return (groups ??= Object.freeze(offeredGroups()));
  },
  get gso(): boolean {
    return probe().gso;
  },
  get gro(): boolean {
    return probe().gro;
  },
};

// Who prints it wants to see values, and not that there is a getter. As it is not enumerable, copies do not have it.
Object.defineProperty(asked, inspect.custom, {
  value: (_depth: number, options: InspectOptions): string => inspect({ ...asked }, options),
});

export const features: Features = Object.freeze(asked);
