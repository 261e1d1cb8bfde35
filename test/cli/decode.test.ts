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
import { groupName, signatureName, srtpName } from '../../lib/cli/decode/names';
import { suiteName } from '../../lib/cli/decode/suites';
import type { ConnectOptions, DTLSServer, DTLSSocket, ServerOptions } from '../../lib/index';
import { seededRandom } from '../../lib/lab/index';
import { Capture, type CapturedDatagram } from '../helpers/capture';
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
import type { TemporaryFiles} from '../helpers/peers';
import { Cleanup, freePort, requirePrograms, temporaryFiles } from '../helpers/peers';
import { cli, type CliResult } from './run';

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
  /** The suite is no AEAD: its records stay closed. */
  readonly closed?: boolean;
  /** A first session, which is not captured, is taken up. */
  readonly resumes?: boolean;
  /** OpenSSL's program on one side. */
  readonly foreign?: 'server' | 'client';
  /** Datagrams arrive in another order than they left. */
  readonly reordered?: boolean;
}

const own = async (more: ServerOptions = {}, keyType?: 'rsa-2048'): Promise<ServerOptions> => {
  const { cert, key } = await certificate(keyType === undefined ? {} : { keyType });
  return { cert, key, ...more };
};
const bothCiphers = (ciphers: string): Pick<Kind, 'server' | 'client'> => ({
  server: () => Promise.resolve({ ...PSK_SERVER, ciphers }),
  client: { ...PSK_CLIENT, ciphers },
});

const OLD = { minVersion: 'DTLSv1', maxVersion: 'DTLSv1' } as const;

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
    name: 'DTLS 1.0, a client certificate',
    server: async () =>
      own({ ...OLD, ciphers: `ALL:${SECLEVEL}`, requestCert: true, ca: (await createAuthority()).certificatePem }),
    client: async () => {
      const { cert, key } = await certificate({ clientAuth: true });
      return { ...OLD, ciphers: `ALL:${SECLEVEL}`, cert, key };
    },
    closed: true,
  },
  {
    name: 'DTLS 1.0, a foreign client',
    server: () => own({ ...OLD, ciphers: `ALL:${SECLEVEL}` }, 'rsa-2048'),
    foreign: 'client',
    closed: true,
  },
  { name: 'RSA key exchange', server: () => own({ ciphers: 'AES128-GCM-SHA256' }, 'rsa-2048'), client: { ciphers: 'AES128-GCM-SHA256' } },
  { name: 'DHE', server: () => own({ ciphers: 'DHE-RSA-AES128-GCM-SHA256', dhparam: 'auto' }, 'rsa-2048'), client: { ciphers: 'DHE-RSA-AES128-GCM-SHA256' } },
  {
    name: 'CBC with encrypt-then-MAC',
    server: () => own({ ciphers: 'ECDHE-ECDSA-AES128-SHA256' }),
    client: { ciphers: 'ECDHE-ECDSA-AES128-SHA256' },
    closed: true,
  },
  { name: 'resumption by ticket', server: () => own(), resumes: true },
  { name: 'resumption by id', server: () => own(), resumes: true, foreign: 'server' },
  { name: 'fragments in another order', server: () => own({ mtu: 256 }), client: { mtu: 256 }, reordered: true },
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

/** Each datagram is overtaken by up to two. */
function shuffled(datagrams: CapturedDatagram[], seed: string): CapturedDatagram[] {
  const random = seededRandom(seed);
  return datagrams
    .map((datagram, index) => ({ datagram, place: index + random() * 2.5 }))
    .sort((left, right) => left.place - right.place)
    .map(({ datagram }) => datagram);
}

async function capture(kind: Kind, cleanup: Cleanup, files: TemporaryFiles): Promise<Captured> {
  const { certificatePem: ca } = await createAuthority();
  const heartbeat = kind.heartbeat === true;
  const options = { ...(await kind.server()), heartbeat };
  const port = kind.foreign === 'server' ? await opensslServer(options, cleanup, files) : undefined;
  const server = port === undefined ? await listen(options) : undefined;
  const serverPort = port ?? (server === undefined ? 0 : portOf(server));
  const client = typeof kind.client === 'function' ? await kind.client() : kind.client;
  const dialled = (port: number, session?: Buffer): DTLSSocket =>
    dialTo({ host: '127.0.0.1', port, ca, heartbeat, ...client, ...(session === undefined ? {} : { session }) });
  let session: Buffer | undefined;
  if (kind.resumes === true) {
    const first = dialled(serverPort);
    await next(first, 'secureConnect');
    session = first.getSession();
    first.close();
    await next(first, 'close');
  }
  const forwarder = await Capture.to(serverPort);
  let keylog = '';
  const log = (line: Buffer): void => {
    keylog += line.toString();
  };
  try {
    if (kind.foreign === 'client') {
      server?.on('keylog', log);
      const peer = cleanup.start('openssl', ['s_client', '-dtls1', '-cipher', `ALL:${SECLEVEL}`, '-connect', `127.0.0.1:${forwarder.port}`]);
      await peer.sees(/Cipher is/);
      peer.write('Q\n');
      await peer.ends();
    } else {
      const socket = dialled(forwarder.port, session);
      socket.on('keylog', log);
      socket.on('error', () => undefined);
      server?.on('dtlsClientError', () => undefined);
      if (kind.fails === true) {
        await next(socket, 'close');
      } else {
        await next(socket, 'secureConnect');
        expect(socket.isSessionReused()).to.equal(kind.resumes === true);
        await talk(socket, server);
        if (heartbeat) await socket.heartbeat();
        socket.close();
        await next(socket, 'close');
      }
    }
    await forwarder.quiet();
    return { pcap: forwarder.pcap(kind.reordered === true ? (all) => shuffled(all, 'decode') : undefined), keylog, port: serverPort };
  } finally {
    await forwarder.close();
  }
}

async function talk(socket: DTLSSocket, server: DTLSServer | undefined): Promise<void> {
  socket.send('from the client');
  if (server === undefined) return;
  const [peer] = [...server.sessions].slice(-1);
  peer?.send('from the server');
  await next(socket, 'message');
}

/** s_server for two clients, one after the other, that keeps sessions by their id. */
async function opensslServer(options: ServerOptions, cleanup: Cleanup, files: TemporaryFiles): Promise<number> {
  const port = await freePort();
  const { cert, key } = options as { cert: string; key: string };
  const peer = cleanup.start('openssl', [
    ...['s_server', '-dtls1_2', '-no_ticket', '-accept', `127.0.0.1:${port}`],
    ...['-cert', files.file(cert), '-key', files.file(key)],
  ]);
  await peer.sees(/^ACCEPT/m);
  return port;
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

/** Texts, where they are names. */
type Body = Record<string, unknown> & { version?: string };

/** Of messages: tshark's field, and where the same number or bytes are in a message's body here. */
const BODY_FIELDS: Readonly<Record<string, (body: Body, type: number) => unknown>> = {
  'dtls.handshake.version': ({ version }) => (version === undefined ? undefined : VERSION_NUMBERS[version]),
  'dtls.handshake.random': ({ random }) => random,
  'dtls.handshake.session_id': ({ session_id }) => session_id,
  'dtls.handshake.cookie': ({ cookie }) => cookie,
  'dtls.handshake.ciphersuite': ({ cipher_suites, cipher_suite = cipher_suites }) => numbersOf(cipher_suite, suiteName),
  'dtls.handshake.comp_method': ({ compression_methods, compression_method = compression_methods }) => compression_method,
  'dtls.handshake.extensions_supported_group': ({ extensions }) => valueOf(extensions, 'supported_groups', groupName),
  'dtls.use_srtp.protection_profile': ({ extensions }) => valueOf(extensions, 'use_srtp', srtpName),
  'dtls.handshake.extensions_server_name': ({ extensions }) => valueOf(extensions, 'server_name'),
  'dtls.handshake.extensions_alpn_str': ({ extensions }) => valueOf(extensions, 'application_layer_protocol_negotiation'),
  'dtls.handshake.certificate_length': ({ certificates }) => (certificates as { length: number }[] | undefined)?.map(({ length }) => length),
  'dtls.handshake.server_named_curve': ({ curve }) => numbersOf(curve, groupName),
  'dtls.handshake.server_point_len': ({ curve, public_length }, type) => (type === 12 && curve !== undefined ? public_length : undefined),
  'dtls.handshake.ys_len': ({ prime_length, public_length }) => (prime_length === undefined ? undefined : public_length),
  'dtls.handshake.p_len': ({ prime_length }) => prime_length,
  'dtls.handshake.hint': ({ psk_identity_hint }) => hexOf(psk_identity_hint),
  'dtls.handshake.identity': ({ psk_identity }) => hexOf(psk_identity),
  'dtls.handshake.epms_len': ({ encrypted_secret_length }) => encrypted_secret_length,
  'dtls.handshake.cert_type': ({ certificate_types }) => certificate_types,
  'dtls.handshake.session_ticket_lifetime_hint': ({ lifetime_hint }) => lifetime_hint,
  'dtls.handshake.session_ticket_length': ({ ticket_length }) => ticket_length,
  'dtls.handshake.sig_hash_alg': ({ extensions, signature_algorithms, signature_algorithm = signature_algorithms }) =>
    numbersOf(signature_algorithm, signatureName) ?? valueOf(extensions, 'signature_algorithms', signatureName),
};

const hexOf = (text: unknown): string | undefined =>
  typeof text === 'string' && text !== '' ? Buffer.from(text).toString('hex') : undefined;

/** The numbers that have these names. */
function numbersOf(names: unknown, nameOf: (number: number) => string): number[] | undefined {
  if (names === undefined) return undefined;
  const numbers = new Map(Array.from({ length: 0x10000 }, (_, number) => [nameOf(number), number]));
  return [names as string | string[]].flat().map((name) => numbers.get(name) ?? NaN);
}

function valueOf(extensions: unknown, wanted: string, nameOf?: (number: number) => string): unknown {
  const found = (extensions as { name: string; value?: unknown }[] | undefined)?.find(({ name }) => name === wanted);
  if (found?.value === undefined) return undefined;
  return nameOf === undefined ? found.value : numbersOf(found.value, nameOf);
}

/** As tshark prints it: numbers in decimal, bytes in hexadecimal, nothing for what is empty. */
const printed = (value: unknown): string[] =>
  value === undefined ? [] : [value].flat().map(String).filter(Boolean);

/** tshark prints some numbers in hexadecimal. */
const inDecimal = (text: string): string => (/^0x[0-9a-f]+$/.test(text) ? String(Number(text)) : text);

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
  const files = temporaryFiles(this);

  const cleanup = new Cleanup();
  const made = new Map<Kind, Captured>();
  const printedOf = new Map<Kind, CliResult>();

  afterEach(async function () {
    await closeEverything();
    await cleanup.run();
    const printed = cleanup.forget();
    if (this.currentTest?.state === 'failed') console.error(printed);
  });

  /** What the command prints of it, with its file. */
  async function decoded(kind: Kind): Promise<{ path: string; port: number; json: Decoded[] }> {
    const { pcap, port } = await captured(kind);
    const path = files.file(pcap);
    let printed = printedOf.get(kind);
    if (printed === undefined) {
      printed = await cli(['decode', path, '--json']);
      printedOf.set(kind, printed);
      expect(printed.code).to.equal(0);
    }
    return { path, port, json: printed.json as Decoded[] };
  }

  /** One capture of each kind for all tests. */
  async function captured(kind: Kind): Promise<Captured> {
    const known = made.get(kind) ?? (await capture(kind, cleanup, files));
    made.set(kind, known);
    return known;
  }

  async function tshark(path: string, port: number, keylog: string | undefined, ...more: string[]): Promise<string[][]> {
    const { stdout } = await run('tshark', [
      ...['-r', path, '-d', `udp.port==${port},dtls`],
      ...(keylog === undefined ? [] : ['-o', `tls.keylog_file:${files.file(keylog)}`]),
      ...['-Y', 'dtls', '-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=,', ...more],
    ]);
    return stdout.replace(/\n$/, '').split('\n').map((line) => line.split('\t'));
  }

  describe('against tshark', () => {
    before(function () {
      requirePrograms(this, 'tshark', 'openssl');
    });

    for (const kind of KINDS) {
      it(`reads every header of: ${kind.name}`, async () => {
        const { path, port, json } = await decoded(kind);
        const theirs = await tshark(path, port, undefined, ...FIELDS.flatMap((field) => ['-e', field]));
        expect(json.length).to.be.above(3);
        expect(rows(json)).to.deep.equal(theirs.map((row) => FIELDS.map((_, i) => row[i] ?? '')));
      });

      it(`names the extensions of: ${kind.name}`, async () => {
        const { path, port, json } = await decoded(kind);
        const theirs = await tshark(path, port, undefined, '-e', 'dtls.handshake.extension.type');
        const types = json.flatMap(({ records }) =>
          records.flatMap(({ handshake }) =>
            (handshake ?? []).flatMap(({ body }) => {
              const { extensions = [] } = (body ?? {}) as { extensions?: { type: number; name: string }[] };
              for (const { name } of extensions) expect(name).not.to.match(/^0x/);
              return extensions.map(({ type }) => String(type));
            }),
          ),
        );
        expect(types).to.deep.equal(theirs.flatMap(([list]) => (list ?? '').split(',').filter(Boolean)));
        if (kind.fails !== true && kind.closed !== true) expect(types).to.include('23');
      });

      it(`reads the messages of: ${kind.name}`, async () => {
        const { path, port, json } = await decoded(kind);
        const names = Object.keys(BODY_FIELDS);
        const theirs = await tshark(path, port, undefined, ...names.flatMap((name) => ['-e', name]));
        const ours = json.map(({ records }) => {
          const messages = records.flatMap(({ handshake }) => handshake ?? []);
          return Object.values(BODY_FIELDS).map((read) =>
            messages
              .flatMap(({ body, type }) => printed(body === undefined ? undefined : read(body as Body, type as number)))
              .join(','),
          );
        });
        const rows = theirs.map((row) => names.map((_, at) => (row[at] ?? '').split(',').map(inDecimal).join(',')));
        // Nor does it know how to read the key exchange of such a suite.
        const unreadable = kind.wiresharkCannot === true ? ['dtls.handshake.server_named_curve', 'dtls.handshake.server_point_len', 'dtls.handshake.identity'] : [];
        const compared = (table: string[][]): string[][] =>
          table.map((row) => row.filter((_, at) => !unreadable.includes(names[at] ?? '')));
        expect(compared(ours)).to.deep.equal(compared(rows));
      });

      if (kind.fails === true || kind.closed === true || kind.foreign !== undefined) continue;
      it(`decrypts with a key log: ${kind.name}`, async () => {
        const { pcap, keylog, port } = await captured(kind);
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

    for (const format of ['pcapng', 'nsecpcap']) {
      it(`reads ${format}, as editcap writes it, to the microsecond`, async () => {
        const { pcap, port } = await captured(firstKind());
        const path = files.file(pcap);
        const other = `${path}.${format}`;
        // Times of which a double's nearest neighbour is in another microsecond.
        await run('editcap', ['-F', format, '-t', '0.000001', path, other]);
        const [first, second] = [await cli(['decode', path, '--json']), await cli(['decode', other, '--json'])];
        const withoutTime = (json: unknown[]): unknown[] => (json as Decoded[]).map((one) => ({ ...one, at: 0 }));
        expect(withoutTime(second.json)).to.deep.equal(withoutTime(first.json));
        const theirs = await tshark(other, port, undefined, '-e', 'frame.time_epoch');
        expect(second.json.map(({ at }) => (at as number).toFixed(6))).to.deep.equal(
          theirs.map(([time]) => (time ?? '').slice(0, -3)),
        );
      });
    }
  });

  it('shows people the same, from standard input', async () => {
    const { pcap } = await captured(firstKind());
    const { code, stdout } = await cli(['decode'], { input: pcap });
    expect(code).to.equal(0);
    expect(stdout).to.match(/^datagram 1 at .*Z 127\.0\.0\.1:40000 > 127\.0\.0\.1:\d+, \d+ bytes$/m);
    expect(stdout).to.match(/^ {2}record handshake \(22\)$/m);
    expect(stdout).to.match(/^ {4}client_hello \(1\)$/m);
    expect(stdout).to.match(/supported_groups \(10\): x25519/);
    expect(stdout).to.match(/subject: CN=localhost/);
  });

  it('reads hexadecimal text of standard input, with --hex and without', async () => {
    const input = '15fefd00000000000000010002 0228\n';
    for (const args of [['decode', '--json', '--hex'], ['decode', '--json', '--hex', '-'], ['decode', '--json']]) {
      const { code, json } = await cli(args, { input });
      expect(code, args.join(' ')).to.equal(0);
      expect(json, args.join(' ')).to.have.lengthOf(1);
    }
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
    const cut = await cli(['decode', '--hex', '16fefd0000000000000000004001']);
    expect(cut.stderr).to.match(/1 datagram without a whole DTLS record in front \(another protocol, or cut off\)/);
    expect((await cli(['decode'], { input: 'no capture' })).code).to.equal(2);
    expect((await cli(['decode', '/nowhere'])).code).to.equal(2);
  });

  for (const kind of [KINDS[3], KINDS[4], KINDS[8]] as Kind[]) {
    it(`survives 3,000 damaged captures of: ${kind.name} (seed decode)`, async () => {
      const { pcap, keylog } = await captured(kind);
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
