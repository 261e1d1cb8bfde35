// Protects sessions that end as soon as they have begun: what opens them, what they say and what ends them comes in one
// datagram, and is read in one go. Handlers that are told of an open session then know its peer, its suite and its
// keys as in any other, until `close` has been told.
import { expect } from 'chai';
import type { DTLSSocket } from '../../lib/index';
import { certificate, closeEverything, dialTo, listen, next, portOf } from '../helpers/pair';
import { Relay, type Direction } from '../helpers/relay';
import { readRecords } from '../fault/support';

const ALERT = 21;

/** From the first protected record of that direction, if `when` says so, to the first alert: in one datagram. */
function glue(relay: Relay, direction: Direction, when = (): boolean => true): void {
  const kept: Buffer[] = [];
  relay.passes = (datagram, way) => {
    if (way !== direction || !when()) return true;
    const records = readRecords(datagram);
    if (kept.length === 0 && records.every(({ epoch }) => epoch === 0)) return true;
    kept.push(datagram);
    if (records.some(({ type, epoch }) => type === ALERT && epoch === 1)) {
      relay.send(Buffer.concat(kept.splice(0)), direction);
    }
    return false;
  };
}

interface Known {
  readonly event: string;
  readonly state: string;
  readonly subject: unknown;
  readonly issuer: boolean;
  readonly cipher: boolean;
  readonly exported: number;
  readonly finished: boolean;
}

function known(event: string, socket: DTLSSocket): Known {
  const { subject } = socket.getPeerCertificate();
  return {
    event,
    state: socket.readyState,
    subject: subject.CN,
    issuer: socket.getPeerX509Certificate()?.issuerCertificate !== undefined,
    cipher: socket.getCipher() !== null,
    exported: socket.exportKeyingMaterial(8, 'EXPORTER-test').length,
    finished: socket.getPeerFinished() !== undefined,
  };
}

describe('sessions that end as soon as they have begun', () => {
  let relay: Relay | undefined;

  afterEach(async () => {
    relay?.close();
    relay = undefined;
    await closeEverything();
  });

  async function identities() {
    return { own: await certificate({ commonName: 'the server' }), other: await certificate({ commonName: 'the client', clientAuth: true }) };
  }

  it('a server knows its client while it is told of it, and of what it said', async () => {
    const { own, other } = await identities();
    const server = await listen({ cert: own.cert, key: own.key, ca: other.ca, requestCert: true });
    relay = await Relay.to(portOf(server));
    let open = false;
    glue(relay, 'toServer', () => open);
    const seen: Known[] = [];
    const ended = new Promise<DTLSSocket>((resolve) => {
      server.on('secureConnection', (socket) => {
        socket.on('message', () => seen.push(known('message', socket)));
        socket.on('alert', () => seen.push(known('alert', socket)));
        socket.on('close', () => setImmediate(resolve, socket));
      });
    });
    const client = dialTo({ port: relay.port, host: '127.0.0.1', cert: other.cert, key: other.key, ca: own.ca });
    await next(client, 'secureConnect');
    open = true;
    client.send('once');
    client.close();
    const socket = await ended;
    const all = { state: 'open', subject: 'the client', issuer: true, cipher: true, exported: 8, finished: true };
    expect(seen).to.deep.equal([
      { event: 'message', ...all },
      { event: 'alert', ...all }, // the client's
      { event: 'alert', ...all }, // the server's answer
    ]);
    expect(socket.getPeerCertificate()).to.deep.equal({});
    expect(socket.getCipher()).to.equal(null);
    expect(socket.authorized).to.equal(true);
  });

  it('a client knows its server, and has its session, while it is told of it', async () => {
    const { own } = await identities();
    const server = await listen({ cert: own.cert, key: own.key });
    relay = await Relay.to(portOf(server));
    glue(relay, 'toClient');
    server.on('secureConnection', (socket) => {
      socket.send('and good bye');
      socket.close();
    });
    const client = dialTo({ port: relay.port, host: '127.0.0.1', ca: own.ca });
    const seen: Known[] = [];
    const sessions: Buffer[] = [];
    for (const event of ['secureConnect', 'message', 'alert'] as const) {
      client.on(event, () => seen.push(known(event, client)));
    }
    client.on('session', (session) => sessions.push(session));
    await next(client, 'close');
    const all = { state: 'open', subject: 'the server', issuer: true, cipher: true, exported: 8, finished: true };
    expect(seen.slice(0, 3)).to.deep.equal([
      { event: 'secureConnect', ...all },
      { event: 'message', ...all },
      { event: 'alert', ...all },
    ]);
    expect(sessions).to.have.length(1);

    const again = await listen({ cert: own.cert, key: own.key, ticketKeys: server.getTicketKeys() });
    const resumed = dialTo({ port: portOf(again), host: '127.0.0.1', ca: own.ca, session: sessions[0] });
    await next(resumed, 'secureConnect');
    expect(resumed.isSessionReused()).to.equal(true);
  });
});
