/** A ClientHello that offers what is asked of it, whether this program could keep the promise or not. */
import { randomBytes } from 'node:crypto';

import { Version } from '../../base/protocol';
import type { ClientHello } from '../decode/hello';
import { ExtensionType } from '../decode/names';

/** What is offered; the rest of a hello is the same in all of them. */
export interface Offer {
  readonly version: number;
  readonly suites: readonly number[];
  readonly groups: readonly number[];
  readonly servername?: string | undefined;
  readonly alpn?: readonly string[] | undefined;
  /** RFC 6066 section 4: 1 is 512 bytes. */
  readonly maxFragmentLength?: 1;
}

/** All that a server may sign with, what has a future first. */
const SIGNATURES = [
  ...[0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b],
  ...[0x0401, 0x0501, 0x0601, 0x0402, 0x0303, 0x0301, 0x0203, 0x0201, 0x0202, 0x0101],
];
const SRTP_PROFILES = [7, 8, 1, 2];
const DEFLATE = 1;

export const bytes = (value: number, size: 1 | 2 | 3 | 4 | 6): Buffer => {
  const out = Buffer.alloc(size);
  out.writeUIntBE(value, 0, size);
  return out;
};
const vector = (size: 1 | 2 | 3, ...parts: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(parts);
  return Buffer.concat([bytes(content.length, size), content]);
};
const words = (values: readonly number[]): Buffer[] => values.map((value) => bytes(value, 2));
const extension = (type: number, ...content: readonly Buffer[]): Buffer =>
  Buffer.concat([bytes(type, 2), vector(2, ...content)]);

const X25519 = 29;

/** What a hello of DTLS 1.3 must have: RFC 8446 section 9.2. Any 32 bytes are a share of X25519; no key is made of it. */
const extensions13 = (): Buffer[] => [
  extension(ExtensionType.SupportedVersions, vector(1, bytes(Version.Dtls13, 2))),
  extension(ExtensionType.KeyShare, vector(2, bytes(X25519, 2), vector(2, randomBytes(32)))),
];

function extensions({ version, groups, servername, alpn, maxFragmentLength }: Offer): Buffer {
  const name = servername === undefined ? [] : [bytes(0, 1), vector(2, Buffer.from(servername))];
  const protocols = (alpn ?? []).map((protocol) => vector(1, Buffer.from(protocol)));
  return vector(
    2,
    ...(name.length === 0 ? [] : [extension(ExtensionType.ServerName, vector(2, ...name))]),
    ...(maxFragmentLength === undefined ? [] : [extension(ExtensionType.MaxFragmentLength, bytes(maxFragmentLength, 1))]),
    ...(groups.length === 0 ? [] : [extension(ExtensionType.SupportedGroups, vector(2, ...words(groups)))]),
    extension(ExtensionType.EcPointFormats, vector(1, bytes(0, 1))),
    ...(version === Version.Dtls13 ? extensions13() : []),
    ...(version !== Version.Dtls1 ? [extension(ExtensionType.SignatureAlgorithms, vector(2, ...words(SIGNATURES)))] : []),
    extension(ExtensionType.UseSrtp, vector(2, ...words(SRTP_PROFILES)), vector(1)),
    extension(ExtensionType.Heartbeat, bytes(1, 1)),
    ...(protocols.length === 0 ? [] : [extension(ExtensionType.Alpn, vector(2, ...protocols))]),
    extension(ExtensionType.EncryptThenMac),
    extension(ExtensionType.ExtendedMasterSecret),
    extension(ExtensionType.SessionTicket),
    extension(ExtensionType.RenegotiationInfo, vector(1)),
  );
}

/** The body of the message: RFC 6347 section 4.2.1, RFC 9147 section 5.3. */
export function clientHello(offer: Offer, random: ClientHello['random'], cookie: Buffer): Buffer {
  const is13 = offer.version === Version.Dtls13;
  return Buffer.concat([
    bytes(is13 ? Version.Dtls12 : offer.version, 2),
    random,
    vector(1), // no session to resume
    vector(1, cookie),
    vector(2, ...words(offer.suites)),
    vector(1, ...(is13 ? [] : [bytes(DEFLATE, 1)]), bytes(0, 1)),
    extensions(offer),
  ]);
}
