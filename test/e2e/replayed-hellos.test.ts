// Protects: that who has recorded a ClientHello with a good cookie, and ends the handshakes that begin with it by
// forged alerts, gets no more out of a server than without the alerts; and that a client whose handshake was ended so
// still gets through.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { DTLSServer } from '../../lib/index';
import { ALERT, handshakeTypes, SERVER_HELLO, writeRecord } from '../fault/support';
import { Capture } from '../helpers/capture';
import { clientHello, cookieIn } from '../helpers/hello';
import { closeEverything, dialTo, listen, next, portOf, PSK_CLIENT, PSK_SERVER, withCertificate } from '../helpers/pair';
import { patience } from '../helpers/patience';

const fatal = (sequence: number): Buffer =>
  writeRecord({ type: ALERT, epoch: 0, sequence, body: Buffer.from([2, 40]) });

describe('a ClientHello that is replayed', () => {
  const open: { close(): unknown }[] = [];

  afterEach(async () => {
    await closeEverything();
    await Promise.all(open.splice(0).map((one) => one.close()));
  });

  /** A hello with its cookie, recorded from a client of that server; and what the server says to it. */
  async function recorded(server: DTLSServer): Promise<{ hello: Buffer; socket: dgram.Socket; heard: Buffer[] }> {
    const socket = dgram.createSocket('udp4');
    open.push(socket);
    const random = Buffer.alloc(32, 5);
    socket.send(clientHello({ random }), portOf(server), '127.0.0.1');
    const [answer] = (await once(socket, 'message')) as [Buffer];
    const cookie = cookieIn(answer);
    if (cookie === undefined) throw new Error('no cookie came');
    const heard: Buffer[] = [];
    socket.on('message', (datagram) => heard.push(datagram));
    return { hello: clientHello({ random, cookie }), socket, heard };
  }

  it('with a forged alert after each gets one flight, and no answers longer than what came', async () => {
    const server = await listen(await withCertificate({ retransmission: { initial: 60_000 } }));
    const { hello, socket, heard } = await recorded(server);
    let sent = 0;
    for (let round = 0; round < 100; ++round) {
      for (const datagram of [hello, fatal(round)]) {
        sent += datagram.length;
        socket.send(datagram, portOf(server), '127.0.0.1');
      }
      await setTimeout(2);
    }
    expect(heard.flatMap((datagram) => handshakeTypes(datagram)).filter((type) => type === SERVER_HELLO)).to.have.length(1);
    const bytes = heard.reduce((sum, { length }) => sum + length, 0);
    expect(bytes).to.be.below(2000).and.below(sent);
    expect(server.stats).to.include({ handshakesStarted: 1, sessions: 0 });
    expect(server.stats.sessionsRefused).to.be.at.least(90);
  });

  it('with a forged alert after each gets a flight for each wait of the timer, twice as long each time', async () => {
    const initial = patience(40);
    const server = await listen(await withCertificate({ retransmission: { initial } }));
    const { hello, socket } = await recorded(server);
    const began = Date.now();
    for (let round = 0; Date.now() - began < 16 * initial; ++round) {
      socket.send(hello, portOf(server), '127.0.0.1');
      socket.send(fatal(round), portOf(server), '127.0.0.1');
      await setTimeout(2);
    }
    // At 0, 1, 3 and 7 waits, and at 15 perhaps.
    expect(server.stats.handshakesStarted).to.be.within(3, 5);
  });

  it('by its client, whose handshake a forged alert has ended, begins another, which completes', async () => {
    const server = await listen({ ...PSK_SERVER, retransmission: { initial: patience(50) } });
    const capture = await Capture.to(portOf(server));
    open.push(capture);
    let forgeries = 2;
    capture.forward = (data, fromClient) => {
      if (fromClient || !handshakeTypes(data).includes(SERVER_HELLO) || forgeries === 0) return [data];
      forgeries -= 1;
      capture.ask(fatal(20 + forgeries));
      return []; // and its flight is lost
    };
    const client = dialTo({
      ...PSK_CLIENT,
      host: '127.0.0.1',
      port: capture.port,
      retransmission: { initial: patience(60) },
    });
    await next(client, 'secureConnect');
    expect(server.stats.handshakesStarted).to.equal(3);
  });
});
