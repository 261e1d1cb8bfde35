/** The recorded sessions of DTLS 1.3 in test/fixtures/traces13, whose README explains their lines. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const FOLDER = path.join(__dirname, '..', 'fixtures', 'traces13');

export type Side = 'client' | 'server';

/** A record before it is sealed. */
export interface SealedRecord {
  readonly epoch: number;
  readonly number: number;
  readonly type: number;
  readonly content: Buffer;
}

export interface TracedDatagram {
  readonly side: Side;
  readonly data: Buffer;
  /** Of the records that are not in clear, in their order. */
  readonly sealed: readonly SealedRecord[];
}

export interface Expansion {
  readonly label: string;
  readonly secret: Buffer;
  readonly context: Buffer;
  readonly result: Buffer;
}

export interface Trace {
  readonly name: string;
  readonly suite: string;
  /** Of the key exchange. */
  readonly shared: Buffer;
  readonly expansions: readonly Expansion[];
  readonly datagrams: readonly TracedDatagram[];
}

const bytes = (field: string): Buffer => (field === '-' ? Buffer.alloc(0) : Buffer.from(field, 'hex'));

function readTrace(name: string): Trace {
  const lines = readFileSync(path.join(FOLDER, name), 'latin1').split('\n');
  let suite = '';
  let shared = bytes('-');
  const expansions: Expansion[] = [];
  const datagrams: TracedDatagram[] = [];
  const waiting: Record<Side, SealedRecord[]> = { client: [], server: [] };
  for (const line of lines) {
    const [kind, ...fields] = line.split(' ');
    const [first = '', second = ''] = fields;
    const side = first as Side;
    if (kind === 'suite') suite = first;
    if (kind === 'extract' && bytes(second).some((byte) => byte !== 0)) shared = bytes(second);
    if (kind === 'expand') {
      const [secret, context, result] = fields.splice(-3).map(bytes) as [Buffer, Buffer, Buffer];
      expansions.push({ label: fields.join(' '), secret, context, result });
    }
    if (kind === 'sealed') {
      const [, epoch, number, type, content = ''] = fields;
      waiting[side].push({ epoch: Number(epoch), number: Number(number), type: Number(type), content: bytes(content) });
    }
    if (kind === 'datagram') datagrams.push({ side, data: bytes(second), sealed: waiting[side].splice(0) });
  }
  return { name: name.replace('.txt', ''), suite, shared, expansions, datagrams };
}

export const TRACES: readonly Trace[] = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.txt'))
  .map(readTrace);
