// Protects decode at DTLS 1.3: with a key log every record of a session opens, under each suite, over KeyUpdates and
// with fragments; without one it shows what is in clear; and nothing that is damaged makes it do anything but say so.
import { expect } from 'chai';
import { readCapture } from '../../lib/cli/decode/capture';
import { Decoder } from '../../lib/cli/decode/decoder';
import { readKeyLog } from '../../lib/cli/decode/secrets';
import { CommandLineError } from '../../lib/cli/exit';
import type { ConnectOptions, ServerOptions } from '../../lib/index';
import { seededRandom } from '../../lib/lab/index';
import { Capture } from '../helpers/capture';
import { createAuthority } from '../helpers/certificates';
import { describe13, DTLS13 } from '../helpers/dtls13';
import { certificate, closeEverything, dialTo, listen, next, portOf } from '../helpers/pair';
import { temporaryFiles } from '../helpers/peers';
import { cli } from './run';

interface Kind {
  readonly name: string;
  readonly server?: ServerOptions;
  readonly client?: Partial<ConnectOptions>;
  readonly updates?: number;
}

const suite = (ciphers: string): Kind => ({ name: ciphers, server: { ciphers }, client: { ciphers } });
const KINDS: readonly Kind[] = [
  suite('TLS_AES_128_GCM_SHA256'),
  suite('TLS_AES_256_GCM_SHA384'),
  suite('TLS_CHACHA20_POLY1305_SHA256'),
  suite('TLS_AES_128_CCM_SHA256'),
  { name: 'fragments', server: { mtu: 256 }, client: { mtu: 256 } },
  { name: 'KeyUpdates', updates: 3 },
];

type Fields = Record<string, unknown> & { handshake?: Record<string, unknown>[] };

async function capture({ server: more, client, updates = 0 }: Kind): Promise<{ pcap: Buffer; keylog: string }> {
  const { certificatePem: ca } = await createAuthority();
  const { cert, key } = await certificate({});
  const server = await listen({ cert, key, ...DTLS13, ...more });
  const forwarder = await Capture.to(portOf(server));
  let keylog = '';
  try {
    const socket = dialTo({ host: '127.0.0.1', port: forwarder.port, ca, ...DTLS13, ...client });
    socket.on('keylog', (line) => (keylog += line.toString()));
    await next(socket, 'secureConnect');
    const [peer] = server.sessions;
    const talk = async (): Promise<void> => {
      socket.send('from the client');
      if (peer !== undefined) await next(peer, 'message');
      peer?.send('from the server');
      await next(socket, 'message');
    };
    await talk();
    for (let update = 0; update < updates; ++update) {
      socket.updateKeys({ peer: true });
      await talk();
    }
    socket.close();
    await next(socket, 'close');
    await forwarder.quiet();
    return { pcap: forwarder.pcap(), keylog };
  } finally {
    await forwarder.close();
  }
}

describe13('dgram-dtls decode, DTLS 1.3', function () {
  this.timeout(60_000);
  const files = temporaryFiles(this);

  afterEach(closeEverything);

  const recordsOf = async (pcap: Buffer, ...more: string[]): Promise<Fields[]> => {
    const { code, json } = await cli(['decode', files.file(pcap), '--json', ...more]);
    expect(code).to.equal(0);
    expect(json.filter(({ malformed }) => malformed !== undefined)).to.deep.equal([]);
    return json.flatMap(({ records }) => records as Fields[]);
  };

  for (const kind of KINDS) {
    it(`opens every record of: ${kind.name}`, async () => {
      const { pcap, keylog } = await capture(kind);
      const records = await recordsOf(pcap, '--keylog', files.file(keylog));
      expect(records.filter(({ encrypted }) => encrypted === true)).to.deep.equal([]);
      const rounds = 1 + (kind.updates ?? 0);
      const data = records.flatMap(({ data }) => (data === undefined ? [] : [Buffer.from(data as string, 'hex').toString()]));
      expect(data).to.deep.equal(Array.from({ length: rounds }, () => ['from the client', 'from the server']).flat());
      const messages = records.flatMap(({ handshake }) => handshake ?? []);
      expect(JSON.stringify(messages)).not.to.include('malformed');
      const names = new Set(messages.map(({ name }) => name));
      expect([...names]).to.include.members(['client_hello', 'server_hello', 'encrypted_extensions', 'certificate', 'certificate_verify', 'finished', 'new_session_ticket']);
      const bodies = (wanted: string): Record<string, unknown>[] =>
        messages.flatMap(({ name, body }) => (name === wanted && body !== undefined ? [body as Record<string, unknown>] : []));
      expect(bodies('certificate')[0]?.certificates).to.have.nested.property('[0].subject', 'CN=localhost');
      expect(bodies('certificate_verify')[0]?.signature_algorithm).to.equal('ecdsa_secp256r1_sha256');
      expect(bodies('server_hello').map(({ hello_retry_request }) => hello_retry_request)).to.include.members([true, undefined]);
      expect(records.some(({ type, record_numbers }) => type === 'ACK' && Array.isArray(record_numbers))).to.be.true;
      expect(records.at(-1)?.alert ?? records.at(-2)?.alert).to.have.property('description', 'close_notify');
      expect(Math.max(...records.map(({ epoch }) => epoch as number))).to.equal(3 + (kind.updates ?? 0));
      if (kind.updates !== undefined) expect(bodies('key_update')).to.have.length.above(1);
    });
  }

  it('shows without a key log what is in clear, and that the rest is not', async () => {
    const { pcap } = await capture({ name: 'a session' });
    const records = await recordsOf(pcap);
    const closed = records.filter(({ encrypted }) => encrypted === true);
    expect(closed.length).to.be.above(3);
    for (const record of closed) {
      expect(record).to.include({ type: 'ciphertext', version: 'DTLS 1.3' }).and.to.have.property('epoch_bits').within(0, 3);
    }
    expect(records.filter(({ encrypted }) => encrypted !== true).every(({ epoch }) => epoch === 0)).to.be.true;
  });

  it('survives 2,000 damaged captures (seed decode13)', async () => {
    const { pcap, keylog } = await capture({ name: 'a session' });
    const secrets = readKeyLog(keylog);
    const random = seededRandom('decode13');
    let decoded = 0;
    for (let round = 0; round < 2000; ++round) {
      let damaged = Buffer.from(pcap);
      for (let flip = 1 + Math.floor(random() * 8); flip > 0; --flip) {
        damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256);
      }
      if (random() < 0.3) damaged = damaged.subarray(0, Math.floor(random() * damaged.length));
      try {
        const decoder = new Decoder(secrets);
        for (const datagram of readCapture(damaged)) if (decoder.decode(datagram) !== undefined) decoded += 1;
      } catch (error) {
        if (!(error instanceof CommandLineError)) throw error;
      }
    }
    expect(decoded).to.be.above(1000);
  });
});

describe('records of DTLS 1.3 by hand', () => {
  it('are ciphertext', async () => {
    const { code, json } = await cli(['decode', '--json', '--hex', `2d00010010${'aa'.repeat(16)}`]);
    expect(code).to.equal(0);
    expect(json[0]?.records).to.deep.equal([
      { content_type: 0x2d, type: 'ciphertext', version: 'DTLS 1.3', epoch_bits: 1, length: 16, encrypted: true },
    ]);
  });

  it('are datagrams of their own on lines of their own, and one where a line ends before its record does', async () => {
    const record = (number: string, body: string): string => `2d${number}0010${body.repeat(16)}`;
    const [one, two] = [record('0001', 'aa'), record('ffff', '00')];
    const short = '25010010' + 'bb'.repeat(16); // a number of eight bits
    const unbounded = `29${'7f'.repeat(40)}`; // it goes on to the end of its datagram
    const framesOf = async (input: string): Promise<unknown[]> => {
      const { code, json } = await cli(['decode', '--json', '-'], { input });
      expect(code).to.equal(0);
      return json.map(({ frame, length }) => [frame, length]);
    };
    expect(await framesOf(`# a comment\n${[one, two, short, unbounded].join('\n')}\n`)).to.deep.equal(
      [one, two, short, unbounded].map((hex, index) => [index + 1, hex.length / 2]),
    );
    const wrapped = [one + two, short].map((hex) => hex.replace(/.{30}/g, '$&\n'));
    expect(await framesOf(`${wrapped.join('\n\n')}\n`)).to.deep.equal([
      [1, (one + two).length / 2],
      [2, short.length / 2],
    ]);
  });

  it('with connection IDs say that their length is not known', async () => {
    const { json } = await cli(['decode', '--json', '--hex', `15fefd00000000000000010002022832${'aa'.repeat(32)}`]);
    expect(json[0]?.malformed).to.equal('a DTLS 1.3 record with a connection ID');
  });
});
