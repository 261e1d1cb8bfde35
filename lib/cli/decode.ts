import { buffer } from 'node:stream/consumers';

import { printable } from '../errors/printable';
import { readNamed } from './arguments';
import { readCapture } from './decode/capture';
import { Decoder } from './decode/decoder';
import type { Fields } from './decode/hello';
import { readKeyLog } from './decode/secrets';
import { ExitCode, NothingFound } from './exit';
import { Output } from './output';
import { counted } from './counted';

export interface DecodeFlags {
  readonly json?: boolean;
  readonly keylog?: string;
  readonly hex?: boolean;
}

export async function runDecode(inputs: string[], flags: DecodeFlags): Promise<number> {
  const output = new Output(flags.json === true);
  const secrets = flags.keylog === undefined ? '' : readNamed('--keylog', flags.keylog).toString('latin1');
  const decoder = new Decoder(readKeyLog(secrets));
  let decoded = 0;
  let skipped = 0;
  for (const input of inputs) {
    const bytes =
      input === '-'
        ? await buffer(process.stdin) // also with --hex, which the text there needs no more than a file does
        : flags.hex === true
          ? Buffer.from(input)
          : readNamed('decode', input);
    for (const datagram of readCapture(bytes)) {
      const fields = decoder.decode(datagram);
      if (fields === undefined) {
        skipped += 1;
        continue;
      }
      decoded += 1;
      output.data(fields);
      if (!output.json) print(fields, output);
    }
  }
  if (skipped > 0) output.note(`${counted(skipped, 'datagram')} without a whole DTLS record in front (another protocol, or cut off): left out`);
  if (decoded > 0) return ExitCode.Ok;
  output.failure(new NothingFound('there is no DTLS record in the input', 'Look with tshark whether it is another protocol, or a capture that was cut.'));
  return ExitCode.Failed;
}

function print(fields: Fields, output: Output): void {
  const { frame, at, from, to, length, records, malformed } = fields;
  const { bold, red } = output.colors;
  const when = typeof at === 'number' ? ` at ${new Date(at * 1000).toISOString()}` : '';
  const who = typeof from === 'string' ? ` ${from} > ${String(to)}` : '';
  output.line(bold(`datagram ${String(frame)}${when}${who}, ${String(length)} bytes`));
  for (const record of records as Fields[]) {
    const { type, content_type, handshake, ...rest } = record;
    output.line(`  record ${bold(String(type))} (${String(content_type)})`);
    printFields(rest, 4, output);
    for (const message of (handshake ?? []) as Fields[]) {
      const { name, type: number, body, ...header } = message;
      output.line(`    ${bold(String(name))} (${String(number)})`);
      printFields(header, 6, output);
      if (body !== undefined) printFields(body as Fields, 8, output);
    }
  }
  if (malformed !== undefined) output.line(red(`  the rest is no record: ${plain(malformed)}`));
}

function printFields(fields: Fields, indent: number, output: Output): void {
  const space = ' '.repeat(indent);
  for (const [name, value] of Object.entries(fields)) {
    if (Array.isArray(value) && value.some((one) => typeof one === 'object')) {
      output.line(`${space}${name}:`);
      for (const one of value as Fields[]) {
        const { name: title, type, ...rest } = one;
        if (title === undefined) printFields(one, indent + 2, output);
        else output.line(`${space}  ${plain(title)} (${plain(type)})${describe(rest)}`);
      }
    } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      output.line(`${space}${name}:`);
      printFields(value as Fields, indent + 2, output);
    } else {
      output.line(`${space}${name}: ${printable(plain(value))}`);
    }
  }
}

const plain = (value: unknown): string => (Array.isArray(value) ? value.map(String).join(', ') : String(value));

/** The rest of an extension, on its line. */
const describe = ({ length, value }: Fields): string =>
  value === undefined ? `, ${String(length)} bytes` : `: ${printable(plain(value))}`;
