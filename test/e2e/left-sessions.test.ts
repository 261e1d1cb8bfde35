// Protects a transport that clients share from what a server leaves behind that closed in the middle of a flood: a session that
// had begun by then, and that nobody has, ends at once and takes nobody's place.
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import type { DTLSServer, ServerOptions } from '../../lib/index';
import { clientHello } from '../helpers/hello';
import { Link } from '../helpers/link';
import { closeEverything, dialTo, listen, next, portOf, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';

const MORE_THAN_FITS = 5000; // records of src-native/core/outbox that are in memory at once: 4096

describe('sessions of a server that has left', () => {
  afterEach(closeEverything);

  it('take no place of those of the server that listens after it', async () => {
    const link = await Link.bound();
    const port = link.address().port;
    const elsewhere = await listen(PSK_SERVER);
    const client = dialTo({ ...PSK_CLIENT, transport: link, port: portOf(elsewhere), host: '127.0.0.1' });
    await next(client, 'secureConnect');

    const serve = async (options: ServerOptions): Promise<DTLSServer> => listen({ ...PSK_SERVER, ...options, transport: link });
    const first = await serve({ cookieExchange: false });
    const closed = next(first, 'close');
    let begun = false;
    first.on('packet', (_, peer) => {
      if (begun) return;
      begun = true;
      for (let count = 0; count < MORE_THAN_FITS; count += 1) link.receiver.receive(Buffer.of(0), peer);
      link.receiver.receive(clientHello({ random: randomBytes(32), suite: 0xa8 }), { ...peer, port: 9 });
      first.close();
    });
    link.receiver.receive(Buffer.of(0), { address: '127.0.0.1', port: 7, family: 'IPv4' });
    await within(closed, 'the end of the first server');
    expect(first.stats.handshakesStarted).to.be.greaterThan(1);

    const second = await serve({ maxSessions: 2, maxSessionsPerHost: 2 }); // with that of the client
    const peer = dialTo({ ...PSK_CLIENT, port, host: '127.0.0.1' });
    await next(peer, 'secureConnect');
    expect(second.stats).to.include({ sessionsRefused: 0, handshakesDisplaced: 0 });
  });
});
