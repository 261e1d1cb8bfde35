/** What was probably given in place of PEM: hints for what OpenSSL calls "no start line". */
import { extname } from 'node:path';

/** What a block of PEM is called, by the option that takes it. */
const BLOCKS = { cert: 'CERTIFICATE', ca: 'CERTIFICATE', crl: 'X509 CRL', key: 'PRIVATE KEY' } as const;
export type PemOption = keyof typeof BLOCKS;

/** A name of a file is short and in one line. */
const LONGEST_PATH = 4096;
const EXTENSIONS = ['.pem', '.crt', '.cer', '.cert', '.key', '.crl', '.der', '.p12', '.pfx'];

function looksLikePath(text: string): boolean {
  return text.length <= LONGEST_PATH && !/[\r\n\0]/.test(text) && (/[\\/]/.test(text) || EXTENSIONS.includes(extname(text).toLowerCase()));
}

/** Undefined: it is PEM of the right kind, or anything. What was given is not repeated: it may be a key. */
export function pemHint(option: PemOption, given: unknown): string | undefined {
  const isBytes = ArrayBuffer.isView(given);
  if (typeof given !== 'string' && !isBytes) return undefined;
  const text = isBytes ? Buffer.from(given.buffer, given.byteOffset, given.byteLength).toString('latin1') : given;
  const holds = (block: string): boolean => new RegExp(`-----BEGIN [A-Z0-9 ]*${block}-----`).test(text);
  if (!text.includes('-----BEGIN')) {
    return looksLikePath(text)
      ? `'${option}' is the content of a file, and this looks like its name: pass fs.readFileSync(name).`
      : undefined;
  }
  if (holds(BLOCKS[option])) return undefined;
  if (option === 'key' && holds('CERTIFICATE')) return "'key' holds a certificate and no private key: are 'cert' and 'key' swapped?";
  if (option === 'cert' && holds('PRIVATE KEY')) return "'cert' holds a private key and no certificate: are 'cert' and 'key' swapped?";
  return undefined;
}
