/**
 * Protects what `rejectUnauthorized` promises: nobody gets a session without a proof of who he is, whatever the
 * cipher list has.
 */
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import tls from 'node:tls';
import { ANONYMOUS, anonymousServer, OPEN_MINDED, pickyServer } from '../helpers/anonymous';
import { Link } from '../helpers/link';
import {
  clientFailure,
  closeEverything,
  dial,
  dialTo,
  failure,
  listen,
  openOn,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
} from '../helpers/pair';

const tolerant = { rejectUnauthorized: false };

/** Meanwhile a tls client trusts these, as after `tls.setDefaultCACertificates`. */
async function trusting(authorities: readonly string[], run: () => Promise<void>): Promise<void> {
  const before = Object.getOwnPropertyDescriptor(tls, 'getCACertificates');
  Object.defineProperty(tls, 'getCACertificates', { value: () => authorities, configurable: true, writable: true });
  try {
    await run();
  } finally {
    if (before === undefined) Reflect.deleteProperty(tls, 'getCACertificates');
    else Object.defineProperty(tls, 'getCACertificates', before);
  }
}

describe('a peer without a proof', () => {
  afterEach(closeEverything);

  it('is what every server is to a client in a program that trusts nobody by default', async () => {
    const server = await listen(await withCertificate());
    await trusting([], async () => {
      const client = dialTo({ host: '127.0.0.1', port: portOf(server) });
      expect((await failure(client)).category).to.equal('certificate');
    });
  });

  it('cannot be told where the authorities by default are none: nothing begins, and nothing is left open', async () => {
    const server = await listen(await withCertificate());
    await trusting(['nonsense'], async () => {
      const transport = await Link.bound();
      const client = dialTo({ host: '127.0.0.1', port: portOf(server), transport });
      expect(await failure(client)).to.include({ code: 'ERR_DTLS_INVALID_CA', category: 'usage' });
      expect([transport.started, transport.closed]).to.deep.equal([1, 1]);
    });
  });

  it('of an anonymous suite is no server for a client that rejects the unauthorized', async () => {
    const server = await anonymousServer();
    const refused = clientFailure(server);
    const client = await dial(server, { ciphers: OPEN_MINDED });
    const error = await failure(client);
    expect(error.code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
    expect(client.authorized).to.equal(false);
    expect((await refused).code).to.equal('ERR_DTLS_NO_SHARED_CIPHER');
  });

  it('of an anonymous suite is one for a client that asks for no proof, and is not authorized', async () => {
    const server = await anonymousServer();
    const { client } = await openOn(server, { ciphers: OPEN_MINDED, rejectUnauthorized: false });
    expect(client.getCipher()?.name).to.equal('AECDH-AES128-SHA');
    expect(client.authorized).to.equal(false);
  });

  it('of an anonymous suite is no client of a server that demands certificates', async () => {
    const server = await listen(
      await withCertificate({ ciphers: OPEN_MINDED, requestCert: true }),
    );
    const refused = clientFailure(server);
    const client = await dial(server, { ciphers: ANONYMOUS, rejectUnauthorized: false });
    client.on('error', () => undefined);
    const error = await refused;
    expect(error.code).to.equal('ERR_DTLS_PEER_UNAUTHENTICATED');
    expect(error.hint).to.include("'rejectUnauthorized'");
  });

  it('who picks an anonymous suite unasked is refused, with illegal_parameter', async () => {
    const server = await pickyServer();
    const refused = clientFailure(server);
    const client = await dial(server, { ciphers: OPEN_MINDED });
    const opened: unknown[] = [];
    client.on('secureConnect', () => opened.push(client));
    const error = await failure(client);
    expect(error).to.include({
      code: 'ERR_DTLS_PEER_UNAUTHENTICATED',
      category: 'certificate',
      alert: 'illegal_parameter',
    });
    expect(error.hint).to.include("'rejectUnauthorized'");
    expect((await refused).code).to.equal('ERR_DTLS_ALERT_ILLEGAL_PARAMETER');
    expect(opened).to.deep.equal([]);
  });

  it('who picks an anonymous suite unasked in place of a resumed session is refused, too', async () => {
    const keys = randomBytes(48);
    const { client } = await openOn(await listen(await withCertificate({ ticketKeys: keys })));
    const session = client.getSession();
    expect(session).to.be.an.instanceOf(Buffer);
    const server = await pickyServer({ ticketKeys: keys });
    server.on('dtlsClientError', () => undefined);
    const error = await failure(await dial(server, { ciphers: OPEN_MINDED, session }));
    expect(error).to.include({ code: 'ERR_DTLS_PEER_UNAUTHENTICATED', alert: 'illegal_parameter' });
  });

  it('is not to be had by a list that has nothing else, either', async () => {
    const server = await anonymousServer();
    const error = await failure(await dial(server, { ciphers: ANONYMOUS }));
    expect(error.code).to.equal('ERR_DTLS_PEER_UNAUTHENTICATED');
    expect(server.stats.sessions).to.equal(0);
  });

  it('has no session that a client would resume, tolerant or not', async () => {
    const server = await anonymousServer();
    const first = await openOn(server, { ciphers: OPEN_MINDED, ...tolerant });
    const session = first.client.getSession();
    expect(session).to.be.an.instanceOf(Buffer);
    server.on('dtlsClientError', () => undefined);
    const strict = await failure(await dial(server, { ciphers: OPEN_MINDED, session }));
    expect(strict.code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
    const again = await openOn(server, { ciphers: OPEN_MINDED, session, ...tolerant });
    expect([again.client.isSessionReused(), again.peer.isSessionReused()]).to.deep.equal([false, false]);
    expect([again.client.authorized, again.client.authorizationError]).to.deep.equal([
      false,
      'UNABLE_TO_GET_ISSUER_CERT',
    ]);
    // A server that has a certificate now shows it, though the client comes with the anonymous session.
    const proving = await listen(await withCertificate({ ciphers: OPEN_MINDED }));
    const { client } = await openOn(proving, { session });
    expect([client.authorized, client.isSessionReused()]).to.deep.equal([true, false]);
  });

  it('is not one who has the pre-shared key, whatever else the list has', async () => {
    const server = await listen({ ...PSK_SERVER, ciphers: OPEN_MINDED });
    const { client } = await openOn(server, { ...PSK_CLIENT, ciphers: OPEN_MINDED });
    expect(client.getCipher()?.name).to.include('PSK');
    expect(client.authorized).to.equal(true);
  });
});
