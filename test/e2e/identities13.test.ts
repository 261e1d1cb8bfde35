// Protects what DTLS 1.3 says of a peer's identity: that a pre-shared key is told of only where it has been used, and
// that the context chosen by a server name has its own suites and groups.
import { expect } from 'chai';
import { createSecureContext, createServer, createSocket, type DTLSSocket } from '../../lib/index';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { thrown } from '../helpers/thrown';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  dialTo,
  failure,
  listen,
  next,
  open,
  openOn,
  portOf,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
} from '../helpers/pair';

describe13('Who a peer of DTLS 1.3 is', () => {
  afterEach(closeEverything);

  it('is not said by a key that the server does not know, where its certificate stands in', async () => {
    const pair = await open(await withCertificate({ ...DTLS13, ...PSK_SERVER }), {
      ...DTLS13,
      psk: { identity: 'somebody', psk: PSK.psk },
    });
    for (const socket of [pair.client, pair.peer]) expect(socket.pskIdentity).to.equal(null);
    expect(pair.client.getPeerX509Certificate()?.subject).to.equal('CN=localhost');
    expect(pair.peer.authorized).to.equal(false);
  });

  it('is said again by a session that was made under a key, on both sides', async () => {
    const asked: unknown[] = [];
    const pskCallback = (_: DTLSSocket, identity: string | Buffer): Buffer => {
      asked.push(identity);
      return PSK.psk;
    };
    const server = await listen({ ...DTLS13, pskCallback });
    const first = await dial(server, { ...DTLS13, ...PSK_CLIENT });
    const [session] = await next(first, 'session');
    const { client, peer } = await openOn(server, { ...DTLS13, ...PSK_CLIENT, session });
    expect(asked).to.deep.equal([PSK.identity, PSK.identity]);
    for (const socket of [client, peer]) {
      expect(socket).to.include({ authorized: true, pskIdentity: PSK.identity });
      expect(socket.isSessionReused()).to.equal(true);
    }
  });

  it('is shown by the key where the server has lost the session', async () => {
    const first = await dial(await listen({ ...DTLS13, ...PSK_SERVER }), { ...DTLS13, ...PSK_CLIENT });
    const [session] = await next(first, 'session');
    const other = await listen({ ...DTLS13, ...PSK_SERVER });
    const { client, peer } = await openOn(other, { ...DTLS13, ...PSK_CLIENT, session });
    for (const socket of [client, peer]) {
      expect(socket).to.include({ authorized: true, pskIdentity: PSK.identity });
      expect(socket.isSessionReused()).to.equal(false);
    }
  });

  it('is asked for by a server that has nothing but keys, in words of its own', async () => {
    const server = await listen({ ...DTLS13, ...PSK_SERVER });
    const refused = clientFailure(server);
    await failure(await dial(server, { ...DTLS13, pskCallback: () => null }));
    const { code, message } = await refused;
    expect(code).to.equal('ERR_DTLS_NO_SHARED_CIPHER');
    expect(message).to.include('the client offers no pre-shared key');
  });

  it('is nobody where the keys cannot be asked for, whatever certificates there are', async () => {
    const down = (): never => {
      throw new Error('the database is down');
    };
    for (const pskCallback of [down, () => Promise.reject(new Error('the database is down'))]) {
      const server = await listen(await withCertificate({ ...DTLS13, pskCallback }));
      const refused = clientFailure(server);
      await failure(await dial(server, { ...DTLS13, ...PSK_CLIENT }));
      expect(await refused).to.include({ code: 'ERR_DTLS_PSK_IDENTITY_UNKNOWN' });
      expect(((await refused).cause as Error).message).to.equal('the database is down');
      const client = await dial(await listen(await withCertificate(DTLS13)), { ...DTLS13, pskCallback });
      const error = await failure(client);
      expect(error).to.include({ code: 'ERR_DTLS_PSK_REQUIRED' });
      expect((error.cause as Error).message).to.equal('the database is down');
    }
  });

  describe('the errors name an identity', () => {
    const other = { psk: { identity: 'gadget', psk: PSK.psk } };

    it('whose key the server did not take, where it showed a certificate instead', async () => {
      for (const keys of [{}, PSK_SERVER]) {
        const server = await listen(await withCertificate({ ...DTLS13, ...keys }));
        const refused = clientFailure(server);
        const error = await failure(await dial(server, { ...DTLS13, ...other, ca: undefined }));
        expect(error).to.include({ code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', category: 'certificate' });
        expect(error.hint).to.match(/^The server did not take the pre-shared key of the identity 'gadget'/).and.include("'ca'");
        const { code, hint } = await refused;
        expect(code).to.equal('ERR_DTLS_ALERT_UNKNOWN_CA');
        if (keys === PSK_SERVER) expect(hint).to.match(/^The client offered a pre-shared key of the identity 'gadget', for which there is none here/);
        else expect(hint).to.not.include('pre-shared');
      }
    });

    it('also where the certificate has another name', async () => {
      const server = await listen(await withCertificate(DTLS13));
      const error = await failure(await dial(server, { ...DTLS13, ...other, servername: 'elsewhere.example' }));
      expect(error.code).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
      expect(error.hint).to.match(/^The server did not take the pre-shared key of the identity 'gadget'.*other names/);
      expect(error.cause).to.be.instanceOf(Error);
    });

    it('for which a server that has keys alone has none', async () => {
      const server = await listen({ ...DTLS13, ...PSK_SERVER });
      const error = await failure(await dial(server, { ...DTLS13, ...other }));
      expect(error.code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
      expect(error.hint).to.include("did not take that of the identity 'gadget', so check its spelling");
    });

    it('and none where no key was offered', async () => {
      const server = await listen(await withCertificate({ ...DTLS13, ...PSK_SERVER }));
      const error = await failure(await dial(server, { ...DTLS13, pskCallback: () => null, ca: undefined }));
      expect(error.hint).to.match(/^No trusted authority issued this certificate/);
    });
  });

  it('is not told before it is proved', async () => {
    const server = await listen({ ...DTLS13, pskCallback: () => Buffer.alloc(16, 9) });
    const told: unknown[] = [];
    server.on('connection', (socket) => {
      told.push(socket.pskIdentity);
      socket.on('close', () => told.push(socket.pskIdentity));
    });
    const refused = clientFailure(server);
    const client = await dial(server, { ...DTLS13, ...PSK_CLIENT });
    await failure(client);
    expect((await refused).code).to.equal('ERR_DTLS_PSK_MISMATCH');
    expect(told).to.deep.equal([null, null]);
  });

  it('is not an empty identity, which DTLS 1.2 has', async () => {
    const nobody = { psk: { identity: '', psk: PSK.psk } };
    const only = await listen({ ...DTLS13, pskCallback: () => PSK.psk });
    const refused = await failure(await dial(only, { ...DTLS13, pskCallback: () => nobody.psk }));
    expect(refused.code).to.equal('ERR_DTLS_PSK_IDENTITY_INVALID');
    expect(refused.message).to.include('DTLS 1.3 has no empty identity');
    expect(refused.hint).to.include('an empty one');
    for (const make of [
      () => createServer({ ...DTLS13, ...nobody }),
      () => dialTo({ port: portOf(only), ...DTLS13, ...nobody }),
      () => createSocket({ type: 'udp4', dtls: { ...DTLS13, ...nobody } }),
    ]) {
      const error = thrown(make);
      expect(error).to.include({ code: 'ERR_DTLS_PSK_IDENTITY_INVALID', category: 'usage' });
      expect(error.hint).to.include("minVersion: 'DTLSv1.2'");
    }
    // With 1.2 in the range it is not known before the server has chosen whether it will do.
    for (const how of [nobody, { pskCallback: () => nobody.psk }]) {
      const alone = await failure(await dial(only, { ...UP_TO_DTLS13, ...how }));
      expect(alone).to.include({ code: 'ERR_DTLS_PSK_IDENTITY_INVALID', alert: 'handshake_failure' });
      expect(alone.message).to.include('DTLS 1.3 has no empty identity');
    }
    const missing = await failure(await dial(only, { ...UP_TO_DTLS13, pskCallback: () => undefined }));
    expect(missing.code).to.equal('ERR_DTLS_PSK_REQUIRED');
    const older = await listen({ pskCallback: () => PSK.psk });
    const { client, peer } = await openOn(older, { ...UP_TO_DTLS13, ...nobody });
    for (const socket of [client, peer]) expect(socket).to.include({ authorized: true, pskIdentity: '' });
  });

  for (const cookies of [true, false]) {
    describe(cookies ? 'with cookies' : 'without cookies', () => {
      const strict = async () =>
        createSecureContext({
          ...(await certificate()),
          ...DTLS13,
          ciphers: 'TLS_AES_256_GCM_SHA384',
          ecdhCurve: 'P-384',
        });
      const options = async () =>
        withCertificate({ ...DTLS13, cookieExchange: cookies, SNICallback: strict });

      it('the context of a server name keeps to its own suites and groups', async () => {
        const server = await listen(await options());
        const refused = clientFailure(server);
        const client = await dial(server, { ...DTLS13, servername: 'localhost', ciphers: 'TLS_AES_128_GCM_SHA256' });
        await failure(client);
        expect((await refused).code).to.equal('ERR_DTLS_NO_SHARED_CIPHER');
      });
    });
  }
});
