/** Certificates whose names are any bytes at all, as no honest authority would sign them. */
import { generateKeyPairSync, sign } from 'node:crypto';
import type { Certificate } from './certificates';

export interface CraftedNames {
  readonly commonNames?: readonly string[];
  readonly dns?: readonly (string | Buffer)[];
  readonly ip?: readonly Buffer[];
  readonly uri?: readonly string[];
  readonly email?: readonly string[];
}

const der = (tag: number, ...parts: readonly (Buffer | string)[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
};
const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, ...parts);
const oid = (hex: string): Buffer => der(6, Buffer.from(hex, 'hex'));
const name = (commonNames: readonly string[]): Buffer =>
  sequence(...commonNames.map((one) => der(0x31, sequence(oid('550403'), der(0x0c, one)))));
const time = (at: number): Buffer =>
  der(0x17, `${new Date(at).toISOString().replace(/\D/g, '').slice(2, 14)}Z`);

const ECDSA_WITH_SHA256 = sequence(oid('2a8648ce3d040302'));
const SUBJECT_ALT_NAME = oid('551d11');
const DAY_MS = 86_400_000;

/** Self-signed (RFC 5280 section 4): its own authority. */
export function crafted({ commonNames = ['crafted'], dns = [], ip = [], uri = [], email = [] }: CraftedNames): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const altNames = [
    ...dns.map((one) => der(0x82, one)),
    ...ip.map((one) => der(0x87, one)),
    ...uri.map((one) => der(0x86, one)),
    ...email.map((one) => der(0x81, one)),
  ];
  const extensions = sequence(sequence(SUBJECT_ALT_NAME, der(4, sequence(...altNames))));
  const content = sequence(
    der(0xa0, der(2, Buffer.from([2]))),
    der(2, Buffer.from([1])),
    ECDSA_WITH_SHA256,
    name(commonNames),
    sequence(time(Date.now() - DAY_MS), time(Date.now() + DAY_MS)),
    name(commonNames),
    publicKey.export({ format: 'der', type: 'spki' }),
    ...(altNames.length === 0 ? [] : [der(0xa3, extensions)]),
  );
  const signature = der(3, Buffer.from([0]), sign('sha256', content, privateKey));
  const lines = sequence(content, ECDSA_WITH_SHA256, signature).toString('base64').match(/.{1,64}/g) ?? [];
  const cert = `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
  return { cert, key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), ca: cert };
}
