// Protects raw public keys (RFC 7250): where OpenSSL has them, two sides know each other by keys
// alone, and nothing else gets in; where it does not, a typed error says so at once.
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { expect } from 'chai';
import {
  connect,
  createSecureContext,
  createServer,
  features,
  type DTLSError,
  type PublicKey,
} from '../../lib/index';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  messages,
  next,
  open,
  openOn,
  openPsk,
} from '../helpers/pair';

afterEach(closeEverything);

interface Keys {
  readonly key: string;
  readonly publicKey: KeyObject;
}

function make(type: 'ec' | 'rsa' | 'ed25519'): Keys {
  const pair =
    type === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : type === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ed25519');
  const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return { key, publicKey: pair.publicKey };
}

const refusal = (call: () => unknown): DTLSError => {
  try {
    call();
  } catch (error) {
    return error as DTLSError;
  }
  throw new Error('it was accepted');
};

describe('raw public keys', () => {
  const server = make('ec');
  const client = make('ec');
  const stranger = make('ec');

  if (!features.rawPublicKeys) {
    it('are refused with a typed error by an OpenSSL before 3.2', () => {
      expect(features.openssl).to.match(/^3\.[01]\./);
      for (const call of [
        () => createSecureContext({ key: server.key, rawPublicKey: true }),
        () => createServer({ key: server.key, rawPublicKey: true }),
        () => connect({ port: 1, peerPublicKeys: server.publicKey }),
      ]) {
        const error = refusal(call);
        expect(error).to.include({ code: 'ERR_DTLS_UNSUPPORTED', category: 'usage' });
        expect(error.hint).to.include('3.2');
      }
    });
    return;
  }

  it('are there from OpenSSL 3.2 on', () => {
    expect(features.openssl).to.match(/^(3\.([2-9]|\d\d)|[4-9])\./);
  });

  for (const type of ['ec', 'rsa'] as const) {
    it(`let two sides know each other, without any certificate: ${type}`, async () => {
      const [theirs, mine] = [make(type), make(type)];
      const pair = await open(
        { key: theirs.key, rawPublicKey: true, peerPublicKeys: mine.publicKey },
        { key: mine.key, rawPublicKey: true, peerPublicKeys: theirs.publicKey, ca: undefined },
      );
      for (const [socket, other] of [
        [pair.client, theirs],
        [pair.peer, mine],
      ] as const) {
        expect(socket.authorized).to.equal(true);
        expect(socket.authorizationError).to.equal(null);
        expect(socket.getPeerPublicKey()?.equals(other.publicKey)).to.equal(true);
        expect(socket.getPeerCertificate()).to.deep.equal({});
        expect(socket.getPeerX509Certificate()).to.equal(undefined);
      }
      const arrived = messages(pair.peer, 1);
      pair.client.send('by key alone');
      expect((await arrived).join()).to.equal('by key alone');
    });
  }

  it('may be of a client only, or of a server only', async () => {
    const { cert, key } = await certificate();
    const byClient = await open(
      { cert, key, peerPublicKeys: client.publicKey },
      { key: client.key, rawPublicKey: true },
    );
    expect([byClient.client.authorized, byClient.peer.authorized]).to.deep.equal([true, true]);
    const byServer = await open(
      { key: server.key, rawPublicKey: true },
      { peerPublicKeys: server.publicKey, ca: undefined },
    );
    expect([byServer.client.authorized, byServer.peer.authorized]).to.deep.equal([true, false]);
  });

  it('of a server stand beside its certificate, for whoever asks for either', async () => {
    const { cert, key } = await certificate();
    const to = await listen({ cert, key, rawPublicKey: true });
    const publicKey = createPublicKey(key);
    const byCertificate = await openOn(to);
    expect(byCertificate.client.getPeerX509Certificate()).not.to.equal(undefined);
    expect(byCertificate.client.getPeerPublicKey()?.equals(publicKey)).to.equal(true);
    const byKey = await openOn(to, { ca: undefined, peerPublicKeys: publicKey });
    expect(byKey.client.getPeerX509Certificate()).to.equal(undefined);
    expect(byKey.client.authorized).to.equal(true);
  });

  it('are taken as PEM, as bytes, as KeyObject, and one of several', async () => {
    const to = await listen({ key: server.key, rawPublicKey: true });
    const pem = server.publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const forms: (PublicKey | PublicKey[])[] = [
      pem,
      Buffer.from(pem),
      [stranger.publicKey, server.publicKey],
    ];
    for (const peerPublicKeys of forms) {
      const { client: socket } = await openOn(to, { ca: undefined, peerPublicKeys });
      expect(socket.authorized).to.equal(true);
    }
  });

  it('of somebody else are refused by a client', async () => {
    const to = await listen({ key: server.key, rawPublicKey: true });
    const atServer = clientFailure(to);
    const peerPublicKeys = stranger.publicKey;
    const error = await failure(await dial(to, { ca: undefined, peerPublicKeys }));
    expect(error).to.include({ code: 'ERR_DTLS_PUBLIC_KEY', category: 'certificate' });
    expect(error.hint).to.include('peerPublicKeys');
    const { category, hint } = await atServer;
    expect(category).to.equal('alert');
    expect(hint).to.include("another one, or a certificate").and.include("'peerPublicKeys'").and.not.include("'cert'");
  });

  it('of somebody else are refused by a server, and so is nothing at all', async () => {
    const { cert, key } = await certificate();
    const to = await listen({ cert, key, peerPublicKeys: client.publicKey });
    const wrong = clientFailure(to);
    const refused = failure(await dial(to, { key: stranger.key, rawPublicKey: true }));
    expect((await wrong).code).to.equal('ERR_DTLS_PUBLIC_KEY');
    expect((await refused).hint).to.include("another one, or a certificate");
    const nothing = clientFailure(to);
    (await dial(to)).on('error', () => undefined);
    expect((await nothing).category).to.be.oneOf(['certificate', 'protocol']);
  });

  it('are not replaced by a certificate, whoever signed it', async () => {
    const own = await certificate();
    const to = await listen({ cert: own.cert, key: own.key });
    // Even of the same key: it was asked for alone.
    const peerPublicKeys = createPublicKey(own.key);
    const error = await failure(await dial(to, { peerPublicKeys }));
    expect(error.category).to.be.oneOf(['certificate', 'protocol', 'alert']);
    const mine = await certificate({ clientAuth: true });
    const strict = await listen({
      cert: own.cert,
      key: own.key,
      ca: own.ca,
      peerPublicKeys: createPublicKey(mine.key),
    });
    const refused = clientFailure(strict);
    (await dial(strict, { cert: mine.cert, key: mine.key })).on('error', () => undefined);
    expect((await refused).category).to.be.oneOf(['certificate', 'protocol']);
  });

  it('show in authorizationError when rejectUnauthorized is false, on both sides', async () => {
    const tolerant = { peerPublicKeys: stranger.publicKey, rejectUnauthorized: false, rawPublicKey: true };
    const pair = await open({ key: server.key, ...tolerant }, { key: client.key, ca: undefined, ...tolerant });
    for (const [socket, other] of [
      [pair.client, server],
      [pair.peer, client],
    ] as const) {
      expect(socket.authorized).to.equal(false);
      expect(socket.authorizationError).to.equal('CERT_REJECTED');
      expect(socket.getPeerPublicKey()?.equals(other.publicKey)).to.equal(true);
    }
  });

  it('that a client does not have show in authorizationError of a server that lets it in', async () => {
    const { cert, key } = await certificate();
    const to = await listen({ cert, key, peerPublicKeys: client.publicKey, rejectUnauthorized: false });
    const nobody = await openOn(to);
    expect(nobody.peer.authorized).to.equal(false);
    expect(nobody.peer.authorizationError).to.equal('UNABLE_TO_GET_ISSUER_CERT');
    expect(nobody.peer.getPeerPublicKey()).to.equal(undefined);
    expect(nobody.client.authorized).to.equal(true);
  });

  it('are not what a certificate was kept for: another handshake is made', async () => {
    const own = await certificate();
    const to = await listen({ cert: own.cert, key: own.key, rawPublicKey: true });
    const [session] = await next(await dial(to), 'session');
    const peerPublicKeys = createPublicKey(own.key);
    const again = await openOn(to, { session, ca: undefined, peerPublicKeys });
    expect(again.client.isSessionReused()).to.equal(false);
    expect(again.client.authorized).to.equal(true);
    const kept = again.client.getSession();
    const third = await openOn(to, { session: kept, ca: undefined, peerPublicKeys });
    expect(third.client.isSessionReused()).to.equal(false);
    const strict = await dial(to, { session: kept, ca: undefined, peerPublicKeys: stranger.publicKey });
    expect((await failure(strict)).code).to.equal('ERR_DTLS_PUBLIC_KEY');
    const byChain = await openOn(to, { session: kept });
    expect(byChain.client.isSessionReused()).to.equal(false);
  });

  it('do not concern pre-shared keys', async () => {
    const expected = { peerPublicKeys: stranger.publicKey };
    const pair = await openPsk(expected, expected);
    expect([pair.client.authorized, pair.peer.authorized]).to.deep.equal([true, true]);
    expect(pair.client.getPeerPublicKey()).to.equal(undefined);
  });

  it('are refused as options that make no sense', () => {
    const pem = server.publicKey.export({ type: 'spki', format: 'pem' }) as string;
    for (const [peerPublicKeys, code] of [
      [[], 'ERR_INVALID_ARG_VALUE'],
      ['', 'ERR_INVALID_ARG_VALUE'],
      [server.key, 'ERR_INVALID_ARG_VALUE'],
      [pem.slice(0, pem.length / 2), 'ERR_INVALID_ARG_VALUE'],
      [7, 'ERR_INVALID_ARG_TYPE'],
      [null, 'ERR_INVALID_ARG_TYPE'],
    ] as const) {
      const options = { port: 1, peerPublicKeys: peerPublicKeys as PublicKey };
      expect(refusal(() => connect(options)).code).to.equal(code);
    }
    expect(refusal(() => createServer({ rawPublicKey: true })).code).to.equal(
      'ERR_DTLS_NO_CREDENTIALS',
    );
    expect(refusal(() => createServer({ key: server.key })).code).to.equal('ERR_DTLS_NO_CREDENTIALS');
    expect(
      refusal(() => connect({ port: 1, peerPublicKeys: pem, peerFingerprints: `${'00:'.repeat(31)}00` }))
        .code,
    ).to.equal('ERR_DTLS_CONFLICTING_OPTIONS');
    expect(
      refusal(() =>
        createServer({ key: server.key, rawPublicKey: true, requestCert: false, peerPublicKeys: pem }),
      ).code,
    ).to.equal('ERR_DTLS_CONFLICTING_OPTIONS');
  });
});
