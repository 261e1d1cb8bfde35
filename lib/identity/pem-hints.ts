/** What was probably given in place of PEM: hints for what OpenSSL calls "no start line". */
import { extname } from 'node:path';

import { bytesOf } from '../base/memory';

/** What a block of PEM is called, by the option that takes it. */
const BLOCKS = { cert: 'CERTIFICATE', ca: 'CERTIFICATE', crl: 'X509 CRL', key: 'PRIVATE KEY' } as const;
export type PemOption = keyof typeof BLOCKS;

/** A name of a file is short and in one line. */
const LONGEST_PATH = 4096;
const EXTENSIONS = ['.pem', '.crt', '.cer', '.cert', '.key', '.crl', '.der', '.p12', '.pfx'];

function looksLikePath(text: string): boolean {
  return text.length <= LONGEST_PATH && !/[\r\n\0]/.test(text) && (/[\\/]/.test(text) || EXTENSIONS.includes(extname(text).toLowerCase()));
}

/** An ASN.1 SEQUENCE with a length of several bytes, which is what certificates, keys and lists are. */
const DER = /^\x30[\x81-\x84]/;
/** The same in base64. */
const BASE64_DER = /^\s*MI[A-Za-z0-9+/=\s]{60,}$/;

/** Where the lines of PEM do not end, as in a variable of the environment that a tool has written. */
const ESCAPED_LINES = /-----BEGIN [A-Z0-9 ]+-----\s*\\n/;

/** How to come from DER to PEM. */
const FROM_DER = {
  cert: 'openssl x509 -inform DER -in FILE',
  ca: 'openssl x509 -inform DER -in FILE',
  crl: 'openssl crl -inform DER -in FILE',
  key: 'openssl pkey -inform DER -in FILE',
} as const satisfies Record<PemOption, string>;

/** What to say of a text in place of a PKCS #12 file, which is none. */
export const pfxHint = (text: string): string =>
  looksLikePath(text)
    ? "'pfx' is the content of a file, and this looks like its name: pass fs.readFileSync(name)."
    : "A PKCS #12 file is no text: pass fs.readFileSync(name) without an encoding, or Buffer.from(text, 'base64').";

function withoutBlock(option: PemOption, text: string): string | undefined {
  if (DER.test(text)) {
    const pfx = option === 'crl' ? '' : " A PKCS #12 file is no PEM either, and goes to 'pfx'.";
    return `'${option}' is PEM, and this looks like DER: '${FROM_DER[option]}' makes PEM of it.${pfx}`;
  }
  if (BASE64_DER.test(text)) {
    return `'${option}' is PEM, and this is base64 alone: the lines '-----BEGIN ${BLOCKS[option]}-----' and '-----END ${BLOCKS[option]}-----' are missing.`;
  }
  if (!looksLikePath(text)) return undefined;
  return `'${option}' is the content of a file, and this looks like its name: pass fs.readFileSync(name).`;
}

/** Undefined: it is PEM of the right kind, or anything. What was given is not repeated: it may be a key. */
export function pemHint(option: PemOption, given: unknown): string | undefined {
  const isBytes = ArrayBuffer.isView(given);
  if (typeof given !== 'string' && !isBytes) return undefined;
  const text = isBytes ? bytesOf(given).toString('latin1') : given;
  const holds = (block: string): boolean => new RegExp(`-----BEGIN [A-Z0-9 ]*${block}-----`).test(text);
  if (!text.includes('-----BEGIN')) return withoutBlock(option, text);
  if (ESCAPED_LINES.test(text)) {
    return `The lines of '${option}' end with a backslash and an n in place of a line break, as of a variable of the environment: pass text.replaceAll('\\\\n', '\\n').`;
  }
  if (holds(BLOCKS[option])) return undefined;
  if (option === 'key' && holds('CERTIFICATE')) return "'key' holds a certificate and no private key: are 'cert' and 'key' swapped?";
  if (option === 'cert' && holds('PRIVATE KEY')) return "'cert' holds a private key and no certificate: are 'cert' and 'key' swapped?";
  if (option === 'key' && holds('PUBLIC KEY')) return "'key' is the private key, and this is a public one.";
  if (holds('CERTIFICATE REQUEST')) {
    return `'${option}' holds a certificate request (CSR), and no certificate: pass the certificate that an authority makes of it.`;
  }
  const [, other] = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(text) ?? [];
  return other === undefined ? undefined : `'${option}' takes '${BLOCKS[option]}', and this is PEM of '${other}'.`;
}
