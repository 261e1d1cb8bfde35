/**
 * Protects: that a handshake is told as it happens: each message and alert in order on both sides, key log lines for
 * those who listen, connection and secureConnection for those who proved their address, packet for what is not DTLS.
 */
import { X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import type { AlertEvent, DTLSSocket, HandshakeEvent } from '../../lib/index';
import { boundSocket, converse } from '../helpers/exchange';
import { Link } from '../helpers/link';
import {
  certificate,
  closeEverything,
  dial,
  listen,
  next,
  openOn,
  openPsk,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
  within,
} from '../helpers/pair';

describe('handshake events', () => {
  afterEach(closeEverything);

  const nameOf = ({ direction, message }: HandshakeEvent): string => `${direction} ${message}`;

  function reversed(names: readonly string[]): string[] {
    return names.map((name) =>
      name.startsWith('in ') ? name.replace('in ', 'out ') : name.replace('out ', 'in '),
    );
  }

  it('each handshake message in order on both sides, then the session', async () => {
    const { cert, key, ca } = await certificate({ clientAuth: true });
    const server = await listen(await withCertificate({ requestCert: true, ca }));
    const atServer: string[] = [];
    const atClient: string[] = [];
    const retransmissions: HandshakeEvent[] = [];
    server.on('connection', (socket) => {
      atServer.push('connection');
      socket.on('handshake', (event) => atServer.push(nameOf(event)));
      socket.on('secureConnect', () => atServer.push('secureConnect'));
    });
    server.on('secureConnection', () => atServer.push('secureConnection'));
    const client = await dial(server, { cert, key });
    client.on('handshake', (event) => {
      atClient.push(nameOf(event));
      if (event.retransmit) retransmissions.push(event);
    });
    client.on('secureConnect', () => atClient.push('secureConnect'));
    await Promise.all([next(client, 'secureConnect'), next(server, 'secureConnection')]);
    const afterCookie = [
      'out client_hello',
      'in server_hello',
      'in certificate',
      'in server_key_exchange',
      'in certificate_request',
      'in server_hello_done',
      'out certificate',
      'out client_key_exchange',
      'out certificate_verify',
      'out change_cipher_spec',
      'out finished',
      'in new_session_ticket',
      'in change_cipher_spec',
      'in finished',
    ];
    const withoutTicket = (names: string[]): string[] =>
      names.filter((name) => !name.endsWith('new_session_ticket'));
    expect(withoutTicket(atClient)).to.deep.equal([
      'out client_hello',
      'in hello_verify_request',
      ...withoutTicket(afterCookie),
      'secureConnect',
    ]);
    expect(withoutTicket(atServer)).to.deep.equal([
      'connection',
      ...reversed(withoutTicket(afterCookie)),
      'secureConnect',
      'secureConnection',
    ]);
    expect(retransmissions).to.deep.equal([]);
  });

  it('the length of handshake messages', async () => {
    const { cert, key } = await certificate({ extraBytes: 5000 });
    const server = await listen({ cert, key });
    const client = await dial(server);
    const lengths: number[] = [];
    client.on('handshake', ({ message, length }) => {
      if (message === 'certificate') lengths.push(length);
    });
    await next(client, 'secureConnect');
    expect(lengths).to.have.length(1);
    expect(lengths[0]).to.equal(new X509Certificate(cert).raw.length + 6);
  });

  it('alerts in both directions', async () => {
    const { client, peer } = await openPsk();
    const seen = new Map<string, AlertEvent[]>([
      ['client', []],
      ['peer', []],
    ]);
    client.on('alert', (alert) => seen.get('client')?.push(alert));
    peer.on('alert', (alert) => seen.get('peer')?.push(alert));
    const closed = Promise.all([next(client, 'close'), next(peer, 'close')]);
    client.close();
    await closed;
    const notify = { level: 'warning', description: 'close_notify', code: 0 } as const;
    expect(seen.get('client')).to.deep.equal([{ direction: 'out', ...notify }]);
    expect(seen.get('peer')).to.deep.equal([
      { direction: 'in', ...notify },
      { direction: 'out', ...notify },
    ]);
  });

  it('keylog lines that agree, for those who listen', async () => {
    const server = await listen(PSK_SERVER);
    const atServer: string[] = [];
    const onKeylog = (line: Buffer): void => void atServer.push(line.toString());
    server.on('keylog', onKeylog);
    const client = await dial(server, PSK_CLIENT);
    const atClient: string[] = [];
    client.on('keylog', (line) => atClient.push(line.toString()));
    await Promise.all([next(client, 'secureConnect'), next(server, 'secureConnection')]);
    expect(atClient).to.have.length(1);
    expect(atClient[0]).to.match(/^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n$/);
    expect(atServer).to.deep.equal(atClient);
  });

  it('no keylog line for those who began to listen too late', async () => {
    const { client, server } = await openPsk();
    const lines: Buffer[] = [];
    client.on('keylog', (line) => lines.push(line));
    server.on('keylog', (line) => lines.push(line));
    await converse(await openOn(server, PSK_CLIENT));
    // The server's listener is there for the second session, the client's came after the first.
    expect(lines).to.have.length(1);
  });

  it('connection for a verified cookie, secureConnection with the same socket', async () => {
    const server = await listen(PSK_SERVER);
    const connection = next(server, 'connection');
    const { peer } = await openOn(server, PSK_CLIENT);
    expect((await connection)[0]).to.equal(peer);
    expect([...server.sessions]).to.deep.equal([peer]);
  });

  it('nothing for datagrams without a valid cookie', async () => {
    const server = await listen(PSK_SERVER);
    const connections: DTLSSocket[] = [];
    server.on('connection', (socket) => connections.push(socket));
    // A client whose every hello is lost but the first never shows its cookie.
    const link = await Link.bound();
    let sent = 0;
    link.outgoing = (datagram) => (sent++ === 0 ? [datagram] : []);
    const client = await dial(server, { ...PSK_CLIENT, transport: link });
    const [event] = await within(
      new Promise<HandshakeEvent[]>((resolve) => {
        client.on('handshake', (handshake) => {
          if (handshake.direction === 'in') resolve([handshake]);
        });
      }),
      'the answer to the first hello',
    );
    expect(event?.message).to.equal('hello_verify_request');
    expect(connections).to.deep.equal([]);
    expect(server.stats).to.include({ cookiesSent: 1, cookiesAccepted: 0, handshakesStarted: 0 });
    expect([...server.sessions]).to.deep.equal([]);
  });

  it('packet for what is not DTLS', async () => {
    const server = await listen(PSK_SERVER);
    const stun = Buffer.from('000100002112a442000000000000000000000000', 'hex');
    const socket = await boundSocket();
    const packet = next(server, 'packet');
    socket.send(stun, portOf(server), '127.0.0.1');
    const [datagram, info] = await packet;
    expect(datagram).to.deep.equal(stun);
    expect(info).to.include({ address: '127.0.0.1', port: socket.address().port });
    socket.close();
    expect(server.stats.nonDtlsDatagrams).to.equal(1);
  });
});
