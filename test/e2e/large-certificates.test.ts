/**
 * Protects: that a certificate chain up to the documented bound makes a handshake, whichever side shows it and however
 * small the datagrams are, since a long flight leaves in bursts that the peer's socket holds, at either version; and that
 * beyond the bound there is an error that names it, before the handshake where it is one's own certificate.
 */
import { constants } from 'node:crypto';
import { expect } from 'chai';
import { createSecureContext, type ConnectOptions, type ServerOptions } from '../../lib/index';
import { createAuthority, crossCertified, selfSigned, type Certificate } from '../helpers/certificates';
import { describeVersions } from '../helpers/dtls13';
import { converse } from '../helpers/exchange';
import { clientFailure, closeEverything, dial, failure, listen, open } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { thrown } from '../helpers/thrown';

/** Of a Certificate message, and of a client's own certificate where the server gives tickets. */
const MOST = 102_400;
const MOST_IN_TICKET = 64_000;
/** About what a test certificate has beside its padding, and its authority. */
const REST = 1200;

const NO_TICKET = { secureOptions: constants.SSL_OP_NO_TICKET };
/** Nothing is repeated while a test waits: what opens has lost nothing. */
const NOTHING_LOST = { retransmission: { initial: 20_000 } };

type Side = 'server' | 'client';

/** Options of both sides, of which these show a certificate of so many bytes and a bit. */
async function withLarge(
  sides: readonly Side[],
  extraBytes: number,
  more: ServerOptions & Partial<ConnectOptions> = {},
): Promise<{ server: ServerOptions; client: Partial<ConnectOptions> }> {
  const authority = await createAuthority();
  const issue = (side: Side): Promise<Certificate> =>
    authority.issue({
      commonName: side,
      ipAddresses: ['127.0.0.1'],
      clientAuth: side === 'client',
      ...(sides.includes(side) ? { extraBytes } : {}),
    });
  const [server, client] = [await issue('server'), await issue('client')];
  return {
    server: { cert: server.cert, key: server.key, ca: client.ca, requestCert: true, ...more },
    client: { cert: client.cert, key: client.key, ca: server.ca, ...more },
  };
}

describeVersions('large certificates', function (only, is13) {
  this.timeout(patience(20_000));

  afterEach(closeEverything);

  for (const mtu of [256, 600, 1200, 9000, 16384]) {
    for (const sides of [['server'], ['client'], ['server', 'client']] as const) {
      it(`up to the bound make a handshake at once, of the ${sides.join(' and the ')}, mtu ${String(mtu)}`, async () => {
        const { server, client } = await withLarge(sides, MOST - REST, { ...only, mtu, ...NO_TICKET, ...NOTHING_LOST });
        const pair = await open(server, client);
        await converse(pair);
        expect(pair.client.getProtocol()).to.equal(only.maxVersion);
        expect(pair.client.getPeerCertificate().raw.length).to.be.above((sides as readonly Side[]).includes('server') ? 100_000 : 100);
        expect(pair.peer.getPeerCertificate().raw.length).to.be.above((sides as readonly Side[]).includes('client') ? 100_000 : 100);
      });
    }
  }

  it('of a client make a handshake with tickets up to their bound', async () => {
    const { server, client } = await withLarge(['client'], MOST_IN_TICKET - REST, { ...only, mtu: 256, ...NOTHING_LOST });
    await converse(await open(server, client));
  });

  // At 1.2 the ticket has been promised by then, and at 1.3 it can still be left out.
  if (is13) {
    it('of a client that a ticket has no room for are taken, and there is no ticket', async () => {
      const { server, client } = await withLarge(['client'], MOST - REST, { ...only, ...NOTHING_LOST });
      const pair = await open(server, client);
      await converse(pair);
      expect(pair.peer.authorized).to.equal(true);
      expect(pair.client.getSession()).to.equal(undefined);
    });
  } else {
    it('of a client that a ticket has no room for are refused, and the error names the bound and the cure', async () => {
      for (const extraBytes of [MOST_IN_TICKET, MOST - REST]) {
        for (const rejectUnauthorized of [true, false]) {
          const { server, client } = await withLarge(['client'], extraBytes, only);
          const listening = await listen({ ...server, rejectUnauthorized });
          const atServer = clientFailure(listening);
          const atClient = await failure(await dial(listening, client));
          const { code, category, message, hint } = await atServer;
          expect({ code, category }).to.deep.equal({
            code: 'ERR_DTLS_PEER_CERTIFICATE_TOO_BIG',
            category: 'certificate',
          });
          expect(message).to.contain('64000 bytes');
          expect(hint).to.contain('SSL_OP_NO_TICKET');
          expect(atClient.code).to.equal('ERR_DTLS_ALERT_BAD_CERTIFICATE');
        }
      }
    });
  }

  // What a client has to say for itself must fit into a ClientHello, with the ticket in it.
  const [fits, doesNot] = is13 ? [4000, 6000] : [12_000, 14_500];
  for (const [extraBytes, reused] of [
    [fits, true],
    [doesNot, false],
    [20_000, false],
    [60_000, false],
  ] as const) {
    it(`of a client leave it able to come back: ${String(extraBytes)} bytes, ${reused ? 'by its ticket' : 'without a ticket'}`, async () => {
      const { server, client } = await withLarge(['client'], extraBytes, only);
      const first = await open(server, client);
      await converse(first);
      const session = first.client.getSession();
      expect(session === undefined).to.equal(!reused);
      const ticketKeys = first.server.getTicketKeys();
      const pair = await open({ ...server, ticketKeys }, { ...client, session });
      expect(pair.client.isSessionReused()).to.equal(reused);
      await converse(pair);
    });
  }

  it("of one's own beyond the bound are refused before the handshake, chain and authorities counted", async () => {
    const alone = await selfSigned({ commonName: 'alone', extraBytes: MOST - 100 });
    const half = await selfSigned({ commonName: 'half', extraBytes: MOST / 2 });
    const authority = await createAuthority();
    const leaf = await authority.issue({ commonName: 'leaf', extraBytes: MOST - 500 });
    for (const options of [
      { cert: alone.cert, key: alone.key },
      { cert: half.cert + half.cert, key: half.key },
      // OpenSSL adds the authority by itself where no chain is given.
      { cert: leaf.cert, key: leaf.key, ca: leaf.ca },
    ]) {
      const error = thrown(() => createSecureContext(options));
      expect(error).to.include({ code: 'ERR_DTLS_CERTIFICATE_TOO_BIG', category: 'usage' });
      expect(error.message).to.contain(`${String(MOST)} is the most`);
    }
    createSecureContext({ cert: half.cert, key: half.key });
  });

  it('of two authorities that have certified each other count once each', async () => {
    const { cert, key, ca } = await crossCertified();
    createSecureContext({ cert, key, ca });
    const { client } = await open({ cert, key, ca }, { ca, allowPartialTrustChain: true, checkServerIdentity: () => undefined });
    expect(client.getPeerCertificate(true).issuerCertificate.subject.CN).to.equal('cross one');
  });
});
