// Protects decode: header by header it reads what Wireshark reads, over captures of all kinds of
// handshakes made here; it decrypts with a key log what Wireshark decrypts; and no input, however
// broken, makes it do anything but say so.
import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readCapture } from '../../lib/cli/decode/capture';
import { Decoder } from '../../lib/cli/decode/decoder';
import { readKeyLog } from '../../lib/cli/decode/secrets';
import { CommandLineError } from '../../lib/cli/exit';
import type { ConnectOptions, ServerOptions } from '../../lib/index';
import { seededRandom } from '../../lib/lab/index';
import { Capture } from '../helpers/capture';
import { createAuthority } from '../helpers/certificates';
import {
  certificate,
  closeEverything,
  dialTo,
  listen,
  next,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
} from '../helpers/pair';
import { requirePrograms, TemporaryFiles } from '../helpers/peers';
import { cli } from './run';

const run = promisify(execFile);
const SECLEVEL = '@SECLEVEL=0';

interface Kind {
  readonly name: string;
  readonly server: () => Promise<ServerOptions>;
  readonly client?: Partial<ConnectOptions> | (() => Promise<Partial<ConnectOptions>>);
  readonly heartbeat?: boolean;
  readonly fails?: boolean;
  /** Wireshark 4.0 decrypts no ChaCha20-Poly1305 in DTLS. */
  readonly wiresharkCannot?: boolean;
}

const own = async (more: ServerOptions = {}, keyType?: 'rsa-2048'): Promise<ServerOptions> => {
  const { cert, key } = await certificate(keyType === undefined ? {} : { keyType });
  return { cert, key, ...more };
};
const bothCiphers = (ciphers: string): Pick<Kind, 'server' | 'client'> => ({
  server: () => Promise.resolve({ ...PSK_SERVER, ciphers }),
  client: { ...PSK_CLIENT, ciphers },
});

const KINDS: readonly Kind[] = [
  { name: 'ECDSA', server: () => own() },
  { name: 'RSA, AES-256', server: () => own({ ciphers: 'ECDHE-RSA-AES256-GCM-SHA384' }, 'rsa-2048') },
  { name: 'ECDSA, CCM', server: () => own({ ciphers: 'ECDHE-ECDSA-AES128-CCM' }), client: { ciphers: 'ECDHE-ECDSA-AES128-CCM' } },
  {
    name: 'a client certificate',
    server: async () => own({ requestCert: true, ca: (await createAuthority()).certificatePem }),
    client: async () => {
      const { cert, key } = await certificate({ clientAuth: true });
      return { cert, key };
    },
  },
  { name: 'fragments', server: () => own({ mtu: 256 }), client: { mtu: 256 } },
  { name: 'PSK', ...bothCiphers('PSK-AES128-GCM-SHA256') },
  {
    name: 'PSK with a hint, CCM-8',
    server: () => Promise.resolve({ ...PSK_SERVER, pskIdentityHint: 'plant-2', ciphers: `PSK-AES128-CCM8:${SECLEVEL}` }),
    client: { ...PSK_CLIENT, ciphers: `PSK-AES128-CCM8:${SECLEVEL}` },
  },
  { name: 'ECDHE-PSK, ChaCha20', ...bothCiphers('ECDHE-PSK-CHACHA20-POLY1305'), wiresharkCannot: true },
  { name: 'heartbeats', ...bothCiphers('PSK-AES256-GCM-SHA384'), heartbeat: true },
  {
    name: 'DTLS 1.0',
    server: () => own({ minVersion: 'DTLSv1', maxVersion: 'DTLSv1', ciphers: `ALL:${SECLEVEL}` }),
    client: { minVersion: 'DTLSv1', maxVersion: 'DTLSv1', ciphers: `ALL:${SECLEVEL}` },
  },
  {
    name: 'ALPN, SRTP and a name',
    server: () => own({ ALPNProtocols: ['coap'], srtpProfiles: ['SRTP_AEAD_AES_128_GCM'] }),
    client: { ALPNProtocols: ['h2', 'coap'], srtpProfiles: ['SRTP_AEAD_AES_128_GCM'], servername: 'localhost' },
  },
  { name: 'a failure', server: () => own({ ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }), client: { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }, fails: true },
];

function firstKind(): Kind {
  const [kind] = KINDS;
  if (kind === undefined) throw new Error('no kinds');
  return kind;
}

interface Captured {
  readonly pcap: Buffer;
  readonly keylog: string;
  readonly port: number;
}

async function capture(kind: Kind): Promise<Captured> {
  const heartbeat = kind.heartbeat === true;
  const server = await listen({ ...(await kind.server()), heartbeat });
  const forwarder = await Capture.to(portOf(server));
  try {
    const client = typeof kind.client === 'function' ? await kind.client() : kind.client;
    const { certificatePem: ca } = await createAuthority();
    const socket = dialTo({ host: '127.0.0.1', port: forwarder.port, ca, heartbeat, ...client });
    let keylog = '';
    socket.on('keylog', (line) => (keylog += line.toString()));
    socket.on('error', () => undefined);
    if (kind.fails === true) {
      server.on('dtlsClientError', () => undefined);
      await next(socket, 'close');
    } else {
      await next(socket, 'secureConnect');
      const [peer] = server.sessions;
      socket.send('from the client');
      peer?.send('from the server');
      await next(socket, 'message');
      if (heartbeat) await socket.heartbeat();
      const closed = peer === undefined ? undefined : next(peer, 'close');
      socket.close();
      await closed;
      await new Promise((done) => setTimeout(done, 20)); // the last alert passes the forwarder
    }
    return { pcap: forwarder.pcap(), keylog, port: portOf(server) };
  } finally {
    await forwarder.close();
  }
}

const FIELDS = [
  'frame.number',
  'dtls.record.content_type',
  'dtls.record.version',
  'dtls.record.epoch',
  'dtls.record.sequence_number',
  'dtls.record.length',
  'dtls.handshake.type',
  'dtls.handshake.length',
  'dtls.handshake.message_seq',
  'dtls.handshake.fragment_offset',
  'dtls.handshake.fragment_length',
] as const;

const VERSION_NUMBERS: Record<string, number> = { 'DTLS 1.0': 0xfeff, 'DTLS 1.2': 0xfefd };

type Decoded = Record<string, unknown> & { records: DecodedRecord[] };
type DecodedRecord = Record<string, unknown> & { handshake?: Record<string, unknown>[] };

/** Our output as rows of the same fields. */
function rows(decoded: readonly Decoded[]): string[][] {
  return decoded.map(({ frame, records }) => {
    const messages = records.flatMap(({ handshake }) => handshake ?? []);
    const column = (of: readonly Record<string, unknown>[], name: string): string =>
      of.map((one) => String(one[name])).join(',');
    return [
      String(frame),
      column(records, 'content_type'),
      records.map(({ version }) => `0x${(VERSION_NUMBERS[String(version)] ?? 0).toString(16)}`).join(','),
      ...['epoch', 'sequence_number', 'length'].map((name) => column(records, name)),
      ...['type', 'length', 'message_seq', 'fragment_offset', 'fragment_length'].map((name) => column(messages, name)),
    ];
  });
}

describe('dgram-dtls decode', function () {
  this.timeout(60_000);
  let files: TemporaryFiles;

  before(() => {
    files = new TemporaryFiles();
  });
  after(() => {
    files.remove();
  });
  afterEach(closeEverything);

  async function tshark(path: string, port: number, keylog: string | undefined, ...more: string[]): Promise<string[][]> {
    const { stdout } = await run('tshark', [
      ...['-r', path, '-d', `udp.port==${port},dtls`],
      ...(keylog === undefined ? [] : ['-o', `tls.keylog_file:${files.file(keylog)}`]),
      ...['-Y', 'dtls', '-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=,', ...more],
    ]);
    return stdout.trimEnd().split('\n').map((line) => line.split('\t'));
  }

  describe('against tshark', () => {
    before(function () {
      requirePrograms(this, 'tshark');
    });

    for (const kind of KINDS) {
      it(`reads every header of: ${kind.name}`, async () => {
        const { pcap, port } = await capture(kind);
        const path = files.file(pcap);
        const theirs = await tshark(path, port, undefined, ...FIELDS.flatMap((field) => ['-e', field]));
        const { code, json } = await cli(['decode', path, '--json']);
        expect(code).to.equal(0);
        expect(json.length).to.be.above(3);
        expect(rows(json as Decoded[])).to.deep.equal(theirs.map((row) => FIELDS.map((_, i) => row[i] ?? '')));
      });

      it(`names the extensions of: ${kind.name}`, async () => {
        const { pcap, port } = await capture(kind);
        const path = files.file(pcap);
        const theirs = await tshark(path, port, undefined, '-e', 'dtls.handshake.extension.type');
        const { json } = await cli(['decode', path, '--json']);
        const types = (json as Decoded[]).flatMap(({ records }) =>
          records.flatMap(({ handshake }) =>
            (handshake ?? []).flatMap(({ body }) => {
              const { extensions = [] } = (body ?? {}) as { extensions?: { type: number; name: string }[] };
              for (const { name } of extensions) expect(name).not.to.match(/^0x/);
              return extensions.map(({ type }) => String(type));
            }),
          ),
        );
        expect(types).to.deep.equal(theirs.flatMap(([list]) => (list ?? '').split(',').filter(Boolean)));
        if (kind.fails !== true) expect(types).to.include('23');
      });

      if (kind.fails === true || kind.name === 'DTLS 1.0') continue;
      it(`decrypts with a key log: ${kind.name}`, async () => {
        const { pcap, keylog, port } = await capture(kind);
        const path = files.file(pcap);
        const { json, code } = await cli(['decode', path, '--json', '--keylog', files.file(keylog)]);
        expect(code).to.equal(0);
        const records = (json as Decoded[]).flatMap((one) => one.records);
        expect(records.filter(({ encrypted }) => encrypted === true)).to.deep.equal([]);
        const data = records.flatMap(({ data }) => (data === undefined ? [] : [Buffer.from(data as string, 'hex').toString()]));
        expect(data).to.have.members(['from the client', 'from the server']);
        expect(records.some(({ alert }) => (alert as { description?: string } | undefined)?.description === 'close_notify')).to.be.true;
        const finished = records.flatMap(({ handshake }) => handshake ?? []).filter(({ name }) => name === 'finished');
        expect(finished).to.have.length(2);
        if (kind.heartbeat === true) {
          expect(records.filter(({ heartbeat }) => heartbeat !== undefined)).to.have.length(2);
        }
        if (kind.wiresharkCannot !== true) {
          const theirs = await tshark(path, port, keylog, '-e', 'data.data');
          const said = theirs.flatMap(([hex]) => (hex === undefined || hex === '' ? [] : [Buffer.from(hex, 'hex').toString()]));
          expect(data.filter((one) => said.includes(one))).to.deep.equal(data);
        }
      });
    }

    it('reads pcapng, as editcap writes it', async () => {
      const { pcap } = await capture(firstKind());
      const path = files.file(pcap);
      const ng = `${path}.pcapng`;
      await run('editcap', ['-F', 'pcapng', path, ng]);
      const [first, second] = [await cli(['decode', path, '--json']), await cli(['decode', ng, '--json'])];
      expect(second.json).to.deep.equal(first.json);
    });
  });

  it('shows people the same, from standard input', async () => {
    const { pcap } = await capture(firstKind());
    const { code, stdout } = await cli(['decode'], { input: pcap });
    expect(code).to.equal(0);
    expect(stdout).to.match(/^datagram 1 at .*Z 127\.0\.0\.1:40000 > 127\.0\.0\.1:\d+, \d+ bytes$/m);
    expect(stdout).to.match(/^ {2}record handshake \(22\)$/m);
    expect(stdout).to.match(/^ {4}client_hello \(1\)$/m);
    expect(stdout).to.match(/supported_groups \(10\): x25519/);
    expect(stdout).to.match(/subject: CN=localhost/);
  });

  it('reads hexadecimal text', async () => {
    const { code, json } = await cli(['decode', '--json', '--hex', '15fefd00000000000000010002 0228']);
    expect(code).to.equal(0);
    expect(json[0]).to.deep.include({
      records: [
        {
          content_type: 21,
          type: 'alert',
          version: 'DTLS 1.2',
          epoch: 0,
          sequence_number: 1,
          length: 2,
          alert: { level: 'fatal', description: 'handshake_failure', code: 40 },
        },
      ],
    });
  });

  it('points at the shape of Heartbleed', async () => {
    const { stdout } = await cli(['decode', '--hex', '18fefd00000000000000010003014000']);
    expect(stdout).to.match(/payload_length: 16384/).and.match(/malformed: payload_length beyond the message/);
  });

  it('exits with 1 when there is nothing to decode, with 2 when the input is nothing', async () => {
    expect((await cli(['decode', '--hex', '00010203'])).code).to.equal(1);
    expect((await cli(['decode'], { input: 'no capture' })).code).to.equal(2);
    expect((await cli(['decode', '/nowhere'])).code).to.equal(2);
  });

  for (const kind of [KINDS[3], KINDS[4], KINDS[8]] as Kind[]) {
    it(`survives 3,000 damaged captures of: ${kind.name} (seed decode)`, async () => {
      const { pcap, keylog } = await capture(kind);
      const secrets = readKeyLog(keylog);
      const random = seededRandom(`decode ${kind.name}`);
      let decoded = 0;
      for (let round = 0; round < 3000; ++round) {
        let damaged = Buffer.from(pcap);
        const flips = 1 + Math.floor(random() * 8);
        for (let flip = 0; flip < flips; ++flip) {
          damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256);
        }
        if (random() < 0.3) damaged = damaged.subarray(0, Math.floor(random() * damaged.length));
        try {
          const decoder = new Decoder(secrets);
          for (const datagram of readCapture(damaged)) {
            if (decoder.decode(datagram) !== undefined) decoded += 1;
          }
        } catch (error) {
          if (!(error instanceof CommandLineError)) throw error;
        }
      }
      expect(decoded).to.be.above(1000);
    });
  }
});
