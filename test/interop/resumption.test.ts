// Protects resumption with OpenSSL's and GnuTLS's programs, in both roles, by ticket and by session id: both
// sides call the same handshakes resumed, messages go through them, and a session that is not known makes a
// full handshake.
import { expect } from 'chai';
import { constants, randomBytes } from 'node:crypto';
import type { DTLSServer, ServerOptions } from '../../lib/index';
import { createAuthority } from '../helpers/certificates';
import { cleanupAfterEach, requirePrograms, temporaryFiles, type PeerProcess } from '../helpers/peers';
import { FOREIGN, serverCertificate } from './foreign';
import { keepSessions, ourClient, ourServer } from './ours';

/** What a program prints of a handshake that resumed a session. */
const RESUMED: Record<string, RegExp> = {
  OpenSSL: /^Reused, TLSv1\.2, Cipher is /m,
  GnuTLS: /\*\*\* This is a resumed session/,
};

const NO_TICKET: Record<string, string> = { OpenSSL: '-no_ticket', GnuTLS: '--noticket' };

for (const foreign of FOREIGN) {
  const resumed = RESUMED[foreign.name] ?? /^$/;

  describe(`resumption with ${foreign.name}`, function () {
    const cleanup = cleanupAfterEach(this);
    const files = temporaryFiles(this);
    before(function () {
      requirePrograms(this, ...foreign.programs);
    });

    /** One program after the other, or one that connects twice: each end of ours, and what it printed. */
    function* clients(port: number, extra: readonly string[]): Generator<PeerProcess> {
      if (foreign.name === 'GnuTLS') {
        // Connects, leaves, and comes back with its session.
        const peer = foreign.client(cleanup, files, port, { extra: [...extra, '--resume'] });
        yield peer;
        yield peer;
        return;
      }
      const session = files.file('');
      yield foreign.client(cleanup, files, port, { extra: [...extra, '-sess_out', session] });
      yield foreign.client(cleanup, files, port, { extra: [...extra, '-sess_in', session] });
    }

    /** `between`: while the first session is open, and its client has yet to come back. */
    async function servedTwice(
      options: ServerOptions,
      extra: readonly string[],
      between?: (server: DTLSServer) => void,
    ): Promise<{ reused: boolean[]; tickets: boolean[]; stored: number; peer: PeerProcess }> {
      const { cert, key } = await serverCertificate();
      const { server, watched, port } = await ourServer(cleanup, { cert, key, ...options });
      const sessions = keepSessions(server);
      server.once('secureConnection', () => between?.(server));
      const reused: boolean[] = [];
      const tickets: boolean[] = [];
      let peer: PeerProcess | undefined;
      for (peer of clients(port, extra)) {
        const ours = await watched.connection(reused.length);
        await ours.secure();
        reused.push(ours.socket.isSessionReused());
        tickets.push(ours.handshake.some(({ message }) => message === 'new_session_ticket'));
        if (reused.length === 2 || foreign.name === 'OpenSSL') {
          peer.write('there\n');
          expect((await ours.message()).toString()).to.equal('there\n');
          ours.socket.send(`back ${reused.length}\n`);
          await peer.sees(new RegExp(`back ${reused.length}`));
        }
        if (foreign.name === 'OpenSSL') peer.end();
      }
      if (peer === undefined) throw new Error('there was no client');
      return { reused, tickets, stored: sessions.size, peer };
    }

    for (const way of ['by ticket', 'by session id']) {
      const byTicket = way === 'by ticket';
      const extra = byTicket ? [] : [NO_TICKET[foreign.name] ?? ''];
      // gnutls-cli takes tickets all the same.
      const secureOptions = byTicket ? 0 : constants.SSL_OP_NO_TICKET;

      it(`${foreign.clientName} comes back to our server, ${way}`, async () => {
        const { reused, tickets, stored, peer } = await servedTwice({ secureOptions }, extra);
        expect(reused).to.deep.equal([false, true]);
        expect(tickets).to.deep.equal([byTicket, false]);
        await peer.sees(resumed);
        expect(stored).to.equal(byTicket ? 0 : 1);
      });

      it(`our client comes back to ${foreign.serverName}, ${way}`, async () => {
        const certificate = await serverCertificate();
        const { certificatePem: ca } = await createAuthority();
        const twice = foreign.name === 'OpenSSL' ? ['-naccept', '2'] : [];
        const { port, peer } = await foreign.server(cleanup, files, {
          certificate,
          extra: [...extra, ...twice],
        });
        let session: Buffer | undefined;
        for (const expected of [false, true]) {
          const { client } = ourClient(cleanup, { port, ca, session });
          await client.secure();
          expect(client.socket.isSessionReused()).to.equal(expected);
          expect(client.socket.authorized).to.equal(true);
          expect(client.socket.getTLSTicket() !== undefined).to.equal(byTicket);
          client.socket.send('echo\n');
          if (foreign.serverEchoes) expect((await client.message()).toString()).to.equal('echo\n');
          else await peer.sees(/echo/);
          session = client.socket.getSession();
          expect(session).to.be.an.instanceOf(Buffer);
          client.socket.close();
        }
      });
    }

    it(`${foreign.clientName} with a ticket of keys that are gone makes a full handshake`, async () => {
      const { reused } = await servedTwice({ ticketKeys: randomBytes(48) }, [], (server) => {
        for (let generation = 0; generation < 3; ++generation) server.setTicketKeys(randomBytes(48));
      });
      expect(reused).to.deep.equal([false, false]);
    });

    it(`${foreign.clientName} with a ticket of the keys before these is resumed, and gets a new one`, async () => {
      const { reused, tickets, peer } = await servedTwice({ ticketKeys: randomBytes(48) }, [], (server) => {
        server.setTicketKeys(randomBytes(48));
      });
      expect(reused).to.deep.equal([false, true]);
      expect(tickets).to.deep.equal([true, true]);
      await peer.sees(resumed);
    });
  });
}
