// Protects the known answers of DTLS 1.3 themselves (test/fixtures/traces13), which native tests hold the core against:
// from the shared secret and what was said, RFC 8446 section 7.1 and RFC 9147 sections 4 and 5 alone, here by node:crypto,
// lead to every secret that the fixtures have, and open every record to what they say. And decode shows them.
import { expect } from 'chai';
import { createCipheriv, createDecipheriv, createHash, createHmac, type CipherGCMTypes } from 'node:crypto';
import { handshakeMessageName } from '../../lib/errors/names';
import { cli } from '../cli/run';
import { temporaryFiles } from '../helpers/peers';
import { TRACES, type SealedRecord, type Side, type Trace } from '../helpers/traces13';

interface Suite {
  readonly cipher: string;
  readonly mask: string;
  readonly digest: string;
  readonly key: number;
}

const SUITES: Readonly<Record<string, Suite>> = {
  TLS_AES_128_GCM_SHA256: { cipher: 'aes-128-gcm', mask: 'aes-128-ecb', digest: 'sha256', key: 16 },
  TLS_AES_256_GCM_SHA384: { cipher: 'aes-256-gcm', mask: 'aes-256-ecb', digest: 'sha384', key: 32 },
  TLS_CHACHA20_POLY1305_SHA256: { cipher: 'chacha20-poly1305', mask: 'chacha20', digest: 'sha256', key: 32 },
};
const SIDES = ['client', 'server'] as const;
const [HANDSHAKE, ACK] = [22, 26];
const TAG = 16;
const RECORD_HEADER = 13;
const FRAGMENT_HEADER = 12;
const [SERVER_HELLO, FINISHED, MESSAGE_HASH] = [2, 20, 254];

const isUnified = (record: Buffer): boolean => (record[0] ?? 0) >> 5 === 1;

/** The records of a datagram: wolfSSL's have a number of 16 bits, and a length. */
function split(datagram: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let rest = datagram; rest.length > 0; ) {
    if (isUnified(rest)) expect((rest[0] ?? 0) & 0x1c).to.equal(0x0c);
    const [header, lengthAt] = isUnified(rest) ? [5, 3] : [RECORD_HEADER, 11];
    const size = header + rest.readUInt16BE(lengthAt);
    records.push(rest.subarray(0, size));
    rest = rest.subarray(size);
  }
  return records;
}

/** Each record of the session, and what the trace says was in it; of those in clear, what it shows. */
function* recordsOf({ datagrams }: Trace): Generator<{ side: Side; record: Buffer; inside: SealedRecord }> {
  for (const { side, data, sealed } of datagrams) {
    const left = [...sealed];
    for (const record of split(data)) {
      const clear = { epoch: 0, number: record.readUIntBE(5, 6), type: record[0] ?? 0, content: record.subarray(RECORD_HEADER) };
      const inside = isUnified(record) ? left.shift() : clear;
      if (inside === undefined) throw new Error('a record of which the trace does not tell');
      yield { side, record, inside };
    }
    expect(left).to.deep.equal([]);
  }
}

interface Message {
  readonly side: Side;
  readonly type: number;
  /** As transcripts have it: RFC 9147 section 5.2. */
  readonly bytes: Buffer;
}

/** The handshake messages, put together from their fragments, which are in order. */
function messagesOf(trace: Trace): Message[] {
  const messages: Message[] = [];
  const parts: Record<Side, Buffer[]> = { client: [], server: [] };
  for (const { side, inside } of recordsOf(trace)) {
    if (inside.type !== HANDSHAKE) continue;
    for (let rest = inside.content; rest.length > 0; ) {
      const type = rest[0] ?? 0;
      const size = rest.readUIntBE(1, 3);
      const end = FRAGMENT_HEADER + rest.readUIntBE(9, 3);
      parts[side].push(rest.subarray(FRAGMENT_HEADER, end));
      const body = Buffer.concat(parts[side]);
      if (body.length === size) {
        messages.push({ side, type, bytes: Buffer.concat([rest.subarray(0, 4), body]) });
        parts[side] = [];
      }
      rest = rest.subarray(end);
    }
  }
  return messages;
}

/** The key schedule of RFC 8446 section 7.1, by HMAC alone. */
class Schedule {
  readonly #suite: Suite;
  readonly size: number;

  constructor(suite: Suite) {
    this.#suite = suite;
    this.size = this.hash().length;
  }

  hash(...messages: readonly Buffer[]): Buffer {
    return createHash(this.#suite.digest).update(Buffer.concat(messages)).digest();
  }

  hmac(key: Buffer, data: Buffer): Buffer {
    return createHmac(this.#suite.digest, key).update(data).digest();
  }

  /** RFC 9147 section 5.9 has the prefix. No result here is longer than one block of HKDF. */
  expand(secret: Buffer, label: string, context: Buffer, size: number): Buffer {
    const name = Buffer.from(`dtls13${label}`);
    const front = Buffer.from([0, size, name.length]);
    const info = Buffer.concat([front, name, Buffer.from([context.length]), context, Buffer.from([1])]);
    return this.hmac(secret, info).subarray(0, size);
  }

  /** Every traffic secret and the master's others, from the shared secret and what was said. */
  secrets(shared: Buffer, messages: readonly Message[]): Record<string, Buffer> {
    const zeros = Buffer.alloc(this.size);
    const derived = (secret: Buffer): Buffer => this.expand(secret, 'derived', this.hash(), this.size);
    const early = this.hmac(zeros, zeros);
    const handshake = this.hmac(derived(early), shared);
    const master = this.hmac(derived(handshake), zeros);
    const upTo = (type: number, side: Side): Buffer => this.transcript(messages, type, side, true);
    const from = (secret: Buffer, labels: readonly string[], context: Buffer): [string, Buffer][] =>
      labels.map((label) => [label, this.expand(secret, label, context, this.size)]);
    return Object.fromEntries([
      ...from(handshake, ['c hs traffic', 's hs traffic'], upTo(SERVER_HELLO, 'server')),
      ...from(master, ['c ap traffic', 's ap traffic', 'exp master'], upTo(FINISHED, 'server')),
      ...from(master, ['res master'], upTo(FINISHED, 'client')),
    ]);
  }

  /** The hash of all before the last message of that type and side, or with it; RFC 8446 section 4.4.1. */
  transcript(messages: readonly Message[], type: number, side: Side, included: boolean): Buffer {
    const at = messages.map((message) => `${message.side} ${message.type}`).lastIndexOf(`${side} ${type}`);
    const [first, ...others] = messages.slice(0, included ? at + 1 : at).map(({ bytes }) => bytes);
    if (first === undefined) throw new Error('nothing was said');
    // All of them have a HelloRetryRequest: a hash stands for the first hello.
    return this.hash(Buffer.from([MESSAGE_HASH, 0, 0, this.size]), this.hash(first), ...others);
  }
}

/** Opens a record with the keys of its epoch: RFC 9147 sections 4 and 4.2.3. */
function open({ cipher, mask, key: size }: Suite, schedule: Schedule, secret: Buffer, record: Buffer): Omit<SealedRecord, 'epoch'> {
  const key = (label: string, length: number): Buffer => schedule.expand(secret, label, Buffer.alloc(0), length);
  const sample = record.subarray(5, 5 + 16);
  // ChaCha20's counter and nonce are the sample, in which OpenSSL, too, has the counter first.
  const hidden = mask === 'chacha20'
    ? createCipheriv(mask, key('sn', size), sample).update(Buffer.alloc(2))
    : createCipheriv(mask, key('sn', size), null).update(sample);
  const header = Buffer.from(record.subarray(0, 5));
  for (const at of [0, 1]) header[1 + at] = (header[1 + at] ?? 0) ^ (hidden[at] ?? 0);
  const number = header.readUInt16BE(1);
  const nonce = key('iv', 12);
  nonce.writeUInt16BE(nonce.readUInt16BE(10) ^ number, 10);
  const decipher = createDecipheriv(cipher as CipherGCMTypes, key('key', size), nonce, { authTagLength: TAG });
  decipher.setAAD(header, { plaintextLength: record.length - 5 - TAG });
  decipher.setAuthTag(record.subarray(-TAG));
  const inner = Buffer.concat([decipher.update(record.subarray(5, -TAG)), decipher.final()]);
  let end = inner.length - 1;
  while (inner[end] === 0) end -= 1; // padding
  return { number, type: inner[end] ?? 0, content: inner.subarray(0, end) };
}

describe('traces of DTLS 1.3', function () {
  const files = temporaryFiles(this);

  for (const trace of TRACES) {
    describe(trace.name, () => {
      const suite = SUITES[trace.suite];
      if (suite === undefined) throw new Error(`a suite that is not known here: ${trace.suite}`);
      const schedule = new Schedule(suite);
      const messages = messagesOf(trace);
      const secrets = schedule.secrets(trace.shared, messages);
      const secretOf = (side: Side, epoch: number): Buffer => {
        const traffic = secrets[`${side.charAt(0)} ${epoch === 2 ? 'hs' : 'ap'} traffic`] ?? Buffer.alloc(0);
        return epoch < 4 ? traffic : schedule.expand(traffic, 'traffic upd', Buffer.alloc(0), schedule.size);
      };

      it('has what a session can have', () => {
        const names = messages.map(({ side, type }) => `${side}: ${handshakeMessageName(type)}`);
        const certificates = trace.suite === 'TLS_AES_256_GCM_SHA384';
        expect(names).to.deep.equal([
          ...['client: client_hello', 'server: server_hello', 'client: client_hello', 'server: server_hello'],
          'server: encrypted_extensions',
          ...(certificates ? ['server: certificate_request'] : []),
          ...['server: certificate', 'server: certificate_verify', 'server: finished'],
          ...(certificates ? ['client: certificate', 'client: certificate_verify'] : []),
          ...['client: finished', 'server: new_session_ticket', 'client: key_update', 'server: key_update'],
        ]);
        const fragments = [...recordsOf(trace)].filter(
          ({ inside: { type, content } }) => type === HANDSHAKE && content.readUIntBE(1, 3) !== content.readUIntBE(9, 3),
        );
        expect(fragments).to.have.length(certificates ? 4 : 0);
      });

      it('has the secrets that follow from the shared one and from what was said', () => {
        for (const [label, secret] of Object.entries(secrets)) {
          const [one, ...others] = trace.expansions.filter((expansion) => expansion.label === label);
          expect(others, label).to.deep.equal([]);
          expect(one?.result.toString('hex'), label).to.equal(secret.toString('hex'));
        }
        for (const { label, secret, context, result } of trace.expansions) {
          expect(schedule.expand(secret, label, context, result.length).toString('hex'), label).to.equal(result.toString('hex'));
        }
      });

      it('has a Finished of each side that follows from them', () => {
        for (const side of SIDES) {
          const finished = messages.find((message) => message.type === FINISHED && message.side === side);
          const key = schedule.expand(secretOf(side, 2), 'finished', Buffer.alloc(0), schedule.size);
          const expected = schedule.hmac(key, schedule.transcript(messages, FINISHED, side, false));
          expect(finished?.bytes.subarray(4).toString('hex')).to.equal(expected.toString('hex'));
        }
      });

      it('opens, every record to what it says', () => {
        let opened = 0;
        for (const { side, record, inside } of recordsOf(trace)) {
          if (!isUnified(record)) continue;
          expect((record[0] ?? 0) & 3).to.equal(inside.epoch & 3);
          const { number, type, content } = open(suite, schedule, secretOf(side, inside.epoch), record);
          expect({ number, type }).to.deep.equal({ number: inside.number, type: inside.type });
          expect(content.toString('hex')).to.equal(inside.content.toString('hex'));
          opened += 1;
        }
        expect(opened).to.be.above(15);
      });

      it('is shown by decode, message by message', async () => {
        const random = messages[0]?.bytes.subarray(6, 38).toString('hex') ?? '';
        const keylog = SIDES.flatMap((side) =>
          (['HANDSHAKE_TRAFFIC_SECRET', 'TRAFFIC_SECRET_0'] as const).map(
            (label, index) => `${side.toUpperCase()}_${label} ${random} ${secretOf(side, 2 + index).toString('hex')}\n`,
          ),
        );
        const hex = trace.datagrams.map(({ data }) => `${data.toString('hex')}\n`).join('');
        const { code, json } = await cli(['decode', '--json', files.file(hex), '--keylog', files.file(keylog.join(''))]);
        expect(code).to.equal(0);
        interface Shown {
          readonly content_type: number;
          readonly epoch: number;
          readonly sequence_number: number;
          readonly data?: string;
          readonly handshake?: readonly { readonly name: string; readonly fragment_offset: number }[];
          readonly record_numbers?: readonly unknown[];
          readonly alert?: { readonly description: string };
        }
        expect(json).to.have.length(trace.datagrams.length);
        const shown = json.flatMap(({ records }) => records as Shown[]);
        const records = [...recordsOf(trace)].map(({ inside }) => inside);
        expect(shown.map((one) => [one.epoch, one.sequence_number, one.content_type])).to.deep.equal(
          records.map(({ epoch, number, type }) => [epoch, number, type]),
        );
        expect(
          shown.flatMap(({ handshake = [] }) => handshake.filter((part) => part.fragment_offset === 0).map(({ name }) => name)),
        ).to.deep.equal(messages.map(({ type }) => handshakeMessageName(type)));
        const acks = records.filter(({ type }) => type === ACK);
        expect(shown.flatMap((one) => (one.record_numbers === undefined ? [] : [one.record_numbers.length]))).to.deep.equal(
          acks.map(({ content }) => content.readUInt16BE(0) / 16),
        );
        expect(shown.flatMap(({ data }) => (data === undefined ? [] : [Buffer.from(data, 'hex').toString()]))).to.deep.equal([
          ...['from the client', 'from the server', 'under new keys', 'so is this'],
        ]);
        expect(shown.flatMap(({ alert }) => (alert === undefined ? [] : [alert.description]))).to.deep.equal(
          ['close_notify', 'close_notify'],
        );
      });
    });
  }

  it('are of each kind of AEAD, and of each hash', () => {
    expect(TRACES.map(({ suite }) => suite).sort()).to.deep.equal(Object.keys(SUITES).sort());
  });
});
