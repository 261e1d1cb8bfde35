// Protects those who watch sessions of DTLS 1.3 from outside: every channel that docs/diagnostics.md has says of either
// role what it says there, with these fields, or has no events for the reason that stands there; and the qlog of a session
// is the same, event for event.
import { expect } from 'chai';
import diagnostics from 'node:diagnostics_channel';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { DiagnosticsChannelName, DiagnosticsEvents, DTLSSocket, Peer, SessionRole } from '../../lib/index';
import { Link } from '../../lib/lab/index';
import { CLIENT, CLIENT_PEER, HANDSHAKE, SERVER, SERVER_PEER, until } from '../fault/support';
import { createAuthority } from '../helpers/certificates';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { converse } from '../helpers/exchange';
import { certificate, closeEverything, dialTo, failure, listen, messages, next, type Pair } from '../helpers/pair';
import { patience } from '../helpers/patience';

const DOCUMENT = readFileSync(path.join(__dirname, '../../docs/diagnostics.md'), 'utf8');

/** By channel: what the document calls its event in a qlog, and its fields beside `socket`. */
const DOCUMENTED = new Map(
  [...DOCUMENT.matchAll(/^\| `(dtls:\w+)` \| `(dgram-dtls[.\w]+)` \| (.*) \|$/gm)].map(([, qlog, channel = '', fields = '']) => [
    channel,
    { qlog, fields: [...fields.matchAll(/`(\w+)`/g)].map(([, field]) => field) },
  ]),
);
const ROLES = ['client', 'server'] as const;
/** Nobody says anything again because the machine is busy. */
const SLOW = { initial: patience(5000) };
const HELLO_RETRY_REQUEST = 'cf21ad74e59a6111be1d8c021e65b891';

type Name = DiagnosticsChannelName;
type Seen = { [K in Name]: { name: K; event: DiagnosticsEvents[K]; at: number } }[Name];

interface Dialling {
  readonly version?: typeof DTLS13 | typeof UP_TO_DTLS13;
  /** That the client trusts. */
  readonly ca?: string;
  readonly heartbeat?: boolean;
  readonly ciphers?: string;
  readonly retransmission?: { readonly initial: number };
}

interface Dialled {
  readonly client: DTLSSocket;
  /** Rejects where no session comes of it. */
  readonly opened: Promise<Pair>;
}

/** A link with a server and a client on it, both of which write qlogs. */
class Watched {
  readonly link = new Link('diagnostics13');
  readonly folder = mkdtempSync(path.join(tmpdir(), 'diagnostics13-'));
  readonly transports = { server: this.link.attach(...SERVER), client: this.link.attach(...CLIENT) };
  readonly seen: Seen[] = [];
  readonly #begun = performance.now();
  readonly #listener = (event: unknown, name: string | symbol): void => {
    this.seen.push({ name, event, at: performance.now() } as Seen);
  };

  constructor() {
    for (const name of DOCUMENTED.keys()) diagnostics.subscribe(name, this.#listener);
  }

  close(): void {
    for (const name of DOCUMENTED.keys()) diagnostics.unsubscribe(name, this.#listener);
    rmSync(this.folder, { recursive: true });
  }

  all<K extends Name>(name: K): DiagnosticsEvents[K][] {
    return this.seen.filter((one) => one.name === name).map(({ event }) => event as DiagnosticsEvents[K]);
  }

  of<K extends Name>(name: K, end: DTLSSocket): DiagnosticsEvents[K][] {
    return this.all(name).filter(({ socket }) => socket === end);
  }

  /** Since this was made: nothing that is seen may have taken longer. */
  lapsed(event: object | undefined): number {
    return (this.seen.find((one) => one.event === event)?.at ?? NaN) - this.#begun;
  }

  /** The end of the one session. */
  end(role: SessionRole): DTLSSocket {
    const [start, ...others] = this.all('dgram-dtls.session.start').filter((event) => event.role === role);
    if (start === undefined || others.length > 0) throw new Error(`not one session of the ${role}`);
    return start.socket;
  }

  /** Both ends have a certificate, and verify the other's. */
  async dial({ version = DTLS13, ca, ...more }: Dialling = {}): Promise<Dialled> {
    const { cert, key, ca: authority } = await certificate({ anyUse: true });
    const common = { ...version, cert, key, qlogDir: this.folder, retransmission: SLOW, ...more };
    const server = await listen({ ...common, transport: this.transports.server, requestCert: true, ca: authority });
    const [host, port] = SERVER;
    const accepted = next(server, 'secureConnection');
    const client = dialTo({ ...common, transport: this.transports.client, host, port, servername: 'localhost', ca: ca ?? authority });
    const opened = Promise.all([accepted, next(client, 'secureConnect')]).then(([[peer]]) => ({ server, client, peer }));
    opened.catch(() => undefined); // not every handshake is to succeed
    return { client, opened };
  }

  /** Nothing of the handshake is under way any more: a ticket follows it, and its ACK. */
  async open(options?: Dialling): Promise<Pair> {
    const pair = await (await this.dial(options)).opened;
    await converse(pair);
    return pair;
  }

  /** What the qlog of that role says. */
  qlog(role: SessionRole): { name: unknown; data: unknown }[] {
    const [file = '', ...others] = readdirSync(this.folder).filter((name) => name.endsWith(`-${role}.sqlog`));
    expect(others).to.deep.equal([]);
    const texts = readFileSync(path.join(this.folder, file), 'utf8').split('\u001e').slice(1);
    return texts.slice(1).map((text) => {
      const { name, data } = JSON.parse(text) as Record<string, unknown>;
      return { name, data };
    });
  }
}

/** The event's own fields. */
function without<T extends { socket: unknown }>(event: T): Omit<T, 'socket'> {
  const fields: Partial<T> = { ...event };
  delete fields.socket;
  return fields as Omit<T, 'socket'>;
}

const addressOf = ({ address, port }: Peer): string => `${address}:${port}`;

function snakeCase(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), snakeCase(inner)]);
  return Object.fromEntries(entries);
}

/** An event as the document says that a qlog has it. */
function asInQlog({ name, event }: Seen): { name: unknown; data: unknown } {
  const data: Record<string, unknown> = without(event);
  for (const field of ['peer', 'from']) if (field in data) data[field] = addressOf(data[field] as Peer);
  if ('error' in event && event.error !== undefined) {
    const { code, category, message, hint } = event.error;
    data.error = { code, category, message, hint };
  }
  return { name: DOCUMENTED.get(name)?.qlog, data: JSON.parse(JSON.stringify(snakeCase(data))) as unknown };
}

interface Case<K extends Name> {
  readonly what: string;
  /** Brings the events about. */
  readonly happens: (watched: Watched) => Promise<void>;
  /** What they must be, of one end. */
  readonly check: (events: DiagnosticsEvents[K][], role: SessionRole, watched: Watched) => void;
  /** The sentence of the document, where there are none. */
  readonly none?: RegExp;
}

const other = (role: SessionRole): SessionRole => (role === 'client' ? 'server' : 'client');

/** A handshake that ends with an alert, since the client does not know who has signed the server's certificate. */
async function failedHandshake(watched: Watched): Promise<void> {
  const { certificatePem: ca } = await createAuthority('a stranger');
  const { client } = await watched.dial({ ca });
  await failure(client);
}

const CASES: { readonly [K in Name]: Case<K> } = {
  'dgram-dtls.session.start': {
    what: 'comes first, to a server behind the cookie',
    happens: async (watched) => {
      let hellos = 0;
      watched.link.intercept = ({ datagram, from }) => {
        const isHello = from.address === CLIENT_PEER.address && datagram[0] === HANDSHAKE;
        if (isHello && ++hellos <= 2) {
          expect(watched.all('dgram-dtls.session.start').map(({ role }) => role)).to.deep.equal(['client']);
        }
        return datagram;
      };
      await watched.open();
      expect(hellos).to.equal(2);
    },
    check: (events, role, watched) => {
      expect(events.map(without)).to.deep.equal([{ role, peer: role === 'client' ? SERVER_PEER : CLIENT_PEER }]);
      expect(watched.seen.find(({ event }) => event.socket === watched.end(role))?.event).to.equal(events[0]);
    },
  },

  'dgram-dtls.session.move': {
    what: 'says from where to where',
    happens: async (watched) => {
      const pair = await watched.open();
      const server = watched.link.rebind(watched.transports.server, { port: 1 });
      const client = watched.link.rebind(watched.transports.client, { port: 2 });
      pair.client.setPeer(server.address, server.port);
      pair.peer.setPeer(client.address, client.port);
      await converse(pair);
    },
    check: (events, role) => {
      const from = role === 'client' ? SERVER_PEER : CLIENT_PEER;
      expect(events.map(without)).to.deep.equal([{ from, peer: { ...from, port: role === 'client' ? 1 : 2 } }]);
    },
  },

  'dgram-dtls.handshake.message': {
    what: 'has every message, of one side as of the other',
    happens: async (watched) => {
      const pair = await watched.open();
      for (const end of [pair.client, pair.peer]) {
        await until(() => end.updateKeys(), 'an update');
        await converse(pair);
      }
    },
    check: (events, role, watched) => {
      const names = (direction: 'in' | 'out'): string[] =>
        events
          .filter((event) => event.direction === direction && !event.retransmit)
          .map(({ message }) => message.replace('compressed_', '')); // where this OpenSSL compresses them: RFC 8879
      const client = ['client_hello', 'client_hello', 'certificate', 'certificate_verify', 'finished', 'key_update'];
      const server = ['server_hello', 'server_hello', 'encrypted_extensions', 'certificate_request', 'certificate', 'certificate_verify', 'finished'];
      server.push('new_session_ticket', 'key_update');
      // What a server says and hears before the cookie is nobody's yet.
      const own = role === 'client' ? client : server.slice(1);
      const heard = role === 'client' ? server : client.slice(1);
      expect(names('out')).to.deep.equal(own);
      expect(names('in')).to.deep.equal(heard);
      // The other side has counted the same bytes.
      const lengths = (end: DTLSSocket, direction: 'in' | 'out'): number[] =>
        watched.of('dgram-dtls.handshake.message', end).filter((event) => event.direction === direction && !event.retransmit).map(({ length }) => length);
      const [out, arrived] = [lengths(watched.end(role), 'out'), lengths(watched.end(other(role)), 'in')];
      const common = Math.min(out.length, arrived.length);
      expect(out.slice(-common)).to.deep.equal(arrived.slice(-common));
    },
  },

  'dgram-dtls.handshake.done': {
    what: 'says what was agreed',
    happens: (watched) => watched.open({ ciphers: 'TLS_AES_256_GCM_SHA384' }).then(() => undefined),
    check: ([event, ...others], _role, watched) => {
      expect(others).to.deep.equal([]);
      expect(event).to.include({ protocol: 'DTLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', authorized: true });
      expect(event?.duration).to.be.within(0, watched.lapsed(event));
    },
  },

  'dgram-dtls.handshake.failed': {
    what: 'says why, and so does the close',
    happens: failedHandshake,
    check: ([event, ...others], role, watched) => {
      expect(others).to.deep.equal([]);
      expect(event?.error.code).to.equal(role === 'client' ? 'SELF_SIGNED_CERT_IN_CHAIN' : 'ERR_DTLS_ALERT_UNKNOWN_CA');
      expect(event?.duration).to.be.within(0, watched.lapsed(event));
      expect(watched.of('dgram-dtls.session.close', watched.end(role)).map(({ error }) => error)).to.deep.equal([event?.error]);
      expect(watched.all('dgram-dtls.handshake.done')).to.deep.equal([]);
    },
  },

  'dgram-dtls.retransmission': {
    what: 'has the messages that were said again',
    happens: async (watched) => {
      const lost = new Set<string>();
      watched.link.intercept = ({ datagram, from }) => {
        // The first hello, and the first ServerHello behind its cookie.
        const { address } = from;
        const isRetry = Buffer.from(datagram).toString('hex').includes(HELLO_RETRY_REQUEST);
        if (lost.has(address) || datagram[0] !== HANDSHAKE || isRetry) return datagram;
        lost.add(address);
        return null;
      };
      await watched.open({ retransmission: { initial: 30 } });
    },
    check: (events, role, watched) => {
      const again = watched
        .of('dgram-dtls.handshake.message', watched.end(role))
        .filter(({ direction, retransmit }) => direction === 'out' && retransmit);
      expect(events.map(without)).to.deep.equal(again.map(({ message, length }) => ({ message, length })));
      expect(events[0]).to.include({ message: role === 'client' ? 'client_hello' : 'server_hello' });
    },
  },

  'dgram-dtls.alert': {
    what: 'has the alert that ends a handshake',
    happens: failedHandshake,
    check: (events, role) => {
      const direction = role === 'client' ? 'out' : 'in';
      expect(events.map(without)).to.deep.equal([{ direction, level: 'fatal', description: 'unknown_ca', code: 48 }]);
    },
  },

  'dgram-dtls.heartbeat': {
    what: 'has no events',
    none: /Sessions of DTLS 1\.3 have no events of two channels: .*`dgram-dtls\.heartbeat`, since they have no heartbeats/,
    happens: async (watched) => {
      const pair = await watched.open({ version: UP_TO_DTLS13, heartbeat: true });
      for (const end of [pair.client, pair.peer]) {
        const code = await end.heartbeat().then(() => 'answered', (error: unknown) => (error as NodeJS.ErrnoException).code);
        expect(code).to.equal('ERR_DTLS_HEARTBEAT_NOT_NEGOTIATED');
      }
    },
    check: (events, role, watched) => {
      expect(events).to.deep.equal([]);
      expect(watched.end(role).getProtocol()).to.equal('DTLSv1.3');
    },
  },

  // That none comes when a limit does: test/native/late_handshake13_test.cc, where nobody sends as much.
  'dgram-dtls.key.limit': {
    what: 'has no events, and keys change',
    none: /`dgram-dtls\.key\.limit`, since they change their keys before a limit \(`key_update`\)/,
    happens: async (watched) => {
      const pair = await watched.open();
      for (let round = 0; round < 4; ++round) {
        await until(() => pair.client.updateKeys({ peer: true }), 'an update');
        await converse(pair);
      }
    },
    check: (events, role, watched) => {
      expect(events).to.deep.equal([]);
      const updates = watched.of('dgram-dtls.handshake.message', watched.end(role)).filter(({ message }) => message === 'key_update');
      expect(updates.filter(({ retransmit }) => !retransmit)).to.have.length(8);
    },
  },

  'dgram-dtls.dropped': {
    what: 'says of which session, from where, how long, and why',
    happens: async (watched) => {
      const pair = await watched.open();
      await converse(pair); // a ticket's ACK has come, too
      const { client, peer } = pair;
      const { link } = watched;
      const drops = (): number => watched.all('dgram-dtls.dropped').length;
      const forged = Buffer.concat([Buffer.from('2f12340020', 'hex'), Buffer.alloc(32, 1)]);
      const cut = Buffer.from('2f12340020', 'hex');
      const inClear = Buffer.from('17fefd00000000000000090001ff', 'hex');
      for (const [from, to, end, sender] of [
        [SERVER_PEER, CLIENT_PEER, client, peer],
        [CLIENT_PEER, SERVER_PEER, peer, client],
      ] as const) {
        const before = drops();
        link.conditions = { duplicate: 1 };
        const received = messages(end, 1);
        sender.send('twice');
        await received;
        await until(() => drops() === before + 1, 'the second one');
        link.conditions = {};
        for (const [index, datagram] of [forged, cut, inClear].entries()) {
          link.inject(datagram, from, to);
          await until(() => drops() === before + 2 + index, 'what was injected');
        }
      }
      const strangers = { ...CLIENT_PEER, address: '10.9.9.9' };
      const before = drops();
      link.inject(forged, strangers, SERVER_PEER);
      await until(() => drops() === before + 1, "a stranger's");
      expect(watched.all('dgram-dtls.dropped').at(-1)).to.deep.equal({
        socket: undefined,
        peer: strangers,
        length: forged.length,
        reasons: { unknownPeerDatagrams: 1 },
      });
    },
    check: (events, role) => {
      const peer = role === 'client' ? SERVER_PEER : CLIENT_PEER;
      const sealed = 5 + 'twice'.length + 1 + 16;
      expect(events.map(without)).to.deep.equal([
        { peer, length: sealed, reasons: { replays: 1 } },
        { peer, length: 37, reasons: { badRecords: 1 } },
        { peer, length: 5, reasons: { discardedRecords: 1 } },
        { peer, length: 14, reasons: { discardedRecords: 1 } },
      ]);
    },
  },

  'dgram-dtls.session.close': {
    what: 'comes last, behind close_notify, with all that was counted',
    happens: (watched) => watched.open().then(() => undefined),
    check: ([event, ...others], role, watched) => {
      const end = watched.end(role);
      expect(others).to.deep.equal([]);
      expect(watched.seen.filter(({ event: { socket } }) => socket === end).at(-1)?.event).to.equal(event);
      expect(event).to.include({ error: undefined });
      expect(event?.duration).to.be.within(watched.of('dgram-dtls.handshake.done', end)[0]?.duration ?? NaN, watched.lapsed(event));
      expect(event?.stats).to.deep.equal(end.stats);
      expect(event?.stats).to.include({ messagesSent: 1, messagesReceived: 1 });
      const alerts = watched.of('dgram-dtls.alert', end).map(({ direction, description }) => `${direction} ${description}`);
      expect(alerts).to.deep.equal(role === 'client' ? ['out close_notify'] : ['in close_notify', 'out close_notify']);
    },
  },
};

describe13('diagnostics of DTLS 1.3', function () {
  this.timeout(patience(10_000));
  let watched: Watched;

  beforeEach(() => {
    watched = new Watched();
  });
  afterEach(async () => {
    await closeEverything();
    watched.close();
  });

  function test<K extends Name>(name: K, { what, happens, check, none }: Case<K>): void {
    it(`${name} ${what}`, async () => {
      await happens(watched);
      const ends = ROLES.map((role) => watched.end(role));
      ends[0]?.close();
      await until(() => watched.all('dgram-dtls.session.close').length === 2, 'the end of both');
      if (none !== undefined) expect(DOCUMENT).to.match(none);
      for (const role of ROLES) {
        const events = watched.of(name, watched.end(role));
        check(events, role, watched);
        for (const event of events) {
          expect(Object.keys(without(event)), role).to.have.members(DOCUMENTED.get(name)?.fields ?? []);
        }
        const all = watched.seen.filter(({ event }) => event.socket === watched.end(role));
        expect(watched.qlog(role)).to.deep.equal(all.map(asInQlog));
      }
    });
  }

  for (const name of Object.keys(CASES) as Name[]) test(name, CASES[name] as Case<typeof name>);

  it('are of all channels that the document has', () => {
    const channels = [...DOCUMENT.matchAll(/^\| `(dgram-dtls[.\w]+)` \|/gm)].map(([, name]) => name);
    expect(channels).to.have.members(Object.keys(CASES));
    expect([...DOCUMENTED.keys()]).to.have.members(Object.keys(CASES));
  });
});
