/**
 * Protects the choice of context and rules by the name that a client asks for (SNI): who is asked in which
 * order, what a name may have differently, and what becomes of names that nobody knows.
 */
import { expect } from 'chai';
import {
  createSecureContext,
  type DTLSSocket,
  type SecureContext,
  type SNICallback,
} from '../../lib/index';
import { createAuthority } from '../helpers/certificates';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  open,
  openOn,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
} from '../helpers/pair';

async function credentials(name: string): Promise<{ cert: string; key: string }> {
  const { cert, key } = await certificate({ commonName: name, dnsNames: [name] });
  return { cert, key };
}

const contextFor = async (name: string): Promise<SecureContext> =>
  createSecureContext(await credentials(name));

/** Whose certificate the server showed. */
const shown = (client: DTLSSocket): string | undefined =>
  client.getPeerX509Certificate()?.subject.replace(/^CN=/, '');

/** The server's own certificate is for localhost; these clients take it, whatever they asked for. */
const anyName = { checkServerIdentity: (): undefined => undefined };

describe('SNICallback', () => {
  afterEach(closeEverything);

  const ways: Record<string, (context: SecureContext) => SNICallback> = {
    'calls back': (context) => (_, callback) => {
      callback(null, context);
    },
    'calls back later, and returns something': (context) => (_, callback) =>
      setTimeout(callback, 20, null, context),
    'calls back from an async function': (context) => async (_, callback) => {
      await Promise.resolve();
      callback(undefined, context);
    },
    returns: (context) => () => context,
    'returns although it could call back': (context) => (name, callback) =>
      name === '' ? callback : context,
    resolves: (context) => async () => Promise.resolve(context),
  };
  for (const [how, make] of Object.entries(ways)) {
    it(how, async () => {
      const SNICallback = make(await contextFor('a.example.org'));
      const { client, peer } = await open(await withCertificate({ SNICallback }), {
        servername: 'a.example.org',
      });
      expect(shown(client)).to.equal('a.example.org');
      expect(peer.servername).to.equal('a.example.org');
      expect(client.servername).to.equal('a.example.org');
    });
  }

  const nothings: Record<string, SNICallback> = {
    'returns undefined': () => undefined,
    'returns null': () => null,
    'resolves to null': async () => Promise.resolve(null),
    'calls back with nothing': (_, callback) => {
      callback();
    },
    'calls back with null': (_, callback) => {
      callback(null, null);
    },
  };
  for (const [how, SNICallback] of Object.entries(nothings)) {
    it(`has the server's own context used when it ${how}`, async () => {
      const { client } = await open(await withCertificate({ SNICallback }), {
        servername: 'unknown.example.org',
        ...anyName,
      });
      expect(shown(client)).to.equal('localhost');
    });
  }

  it('is not asked by a client that names nobody', async () => {
    let asked = 0;
    const SNICallback = (): null => (asked++, null);
    const { peer } = await open(await withCertificate({ SNICallback }), { servername: '' });
    expect(asked).to.equal(0);
    expect(peer.servername).to.equal(null);
  });

  it('is called as a method of the socket, with the name', async () => {
    const seen: unknown[] = [];
    const SNICallback: SNICallback = function (name) {
      seen.push(this, name);
    };
    const { peer } = await open(await withCertificate({ SNICallback }), {
      servername: 'A.example.org',
      ...anyName,
    });
    expect(seen).to.deep.equal([peer, 'A.example.org']);
  });

  it('comes before addContext, which has what it leaves', async () => {
    const [first, second] = [await contextFor('a.example.org'), await contextFor('b.example.org')];
    const server = await listen(
      await withCertificate({ SNICallback: (name) => (name === 'a.example.org' ? first : null) }),
    );
    server.addContext('*.example.org', second);
    const a = await openOn(server, { servername: 'a.example.org' });
    const b = await openOn(server, { servername: 'b.example.org' });
    expect([shown(a.client), shown(b.client)]).to.deep.equal(['a.example.org', 'b.example.org']);
  });

  it('that fails refuses the client', async () => {
    const server = await listen(
      await withCertificate({
        SNICallback: () => {
          throw new Error('no such name here');
        },
      }),
    );
    const refused = clientFailure(server);
    const client = await dial(server, { servername: 'b.example.org' });
    expect(await failure(client)).to.include({
      code: 'ERR_DTLS_ALERT_UNRECOGNIZED_NAME',
      category: 'alert',
    });
    const error = await refused;
    expect(error).to.include({ code: 'ERR_DTLS_SNI_CALLBACK', alert: 'unrecognized_name' });
    expect(error.message).to.equal('SNICallback failed: no such name here');
    expect(error.cause).to.have.property('message', 'no such name here');
  });
});

describe('addContext', () => {
  afterEach(closeEverything);

  it('serves names and wildcards, whatever their case', async () => {
    const server = await listen(await withCertificate());
    server.addContext('a.example.org', await credentials('a.example.org'));
    server.addContext('*.EXAMPLE.net', await contextFor('any.example.net'));
    const cases = {
      'a.example.org': 'a.example.org',
      'A.Example.Org': 'a.example.org',
      'x.example.net': 'any.example.net',
      'x.y.example.net': 'localhost',
      'b.example.org': 'localhost',
      'a-example.org': 'localhost',
    };
    for (const [servername, expected] of Object.entries(cases)) {
      const { client } = await openOn(server, { servername, ...anyName });
      expect(shown(client), servername).to.equal(expected);
    }
  });

  it('lets the entry that was added last count', async () => {
    const server = await listen(await withCertificate());
    const ask = async (): Promise<string | undefined> =>
      shown((await openOn(server, { servername: 'a.example.org', ...anyName })).client);
    server.addContext('a.example.org', await contextFor('first'));
    expect(await ask()).to.equal('first');
    server.addContext('*.example.org', await contextFor('second'));
    expect(await ask()).to.equal('second');
    server.addContext('a.example.org', await contextFor('third'));
    expect(await ask()).to.equal('third');
    server.addContext('*.example.org', await contextFor('fourth'));
    expect(await ask()).to.equal('fourth');
  });

  it('counts before listen and after it, but not for handshakes before', async () => {
    const server = await listen(await withCertificate());
    const before = await openOn(server, { servername: 'a.example.org', ...anyName });
    server.addContext('a.example.org', await contextFor('a.example.org'));
    const after = await openOn(server, { servername: 'a.example.org', ...anyName });
    expect([shown(before.client), shown(after.client)]).to.deep.equal([
      'localhost',
      'a.example.org',
    ]);
  });

  it('can ask for client certificates under one name only', async () => {
    const { certificatePem: ca } = await createAuthority();
    const server = await listen(await withCertificate());
    server.addContext('staff.example.org', {
      ...(await credentials('staff.example.org')),
      ca,
      requestCert: true,
    });
    const anybody = await openOn(server);
    expect(anybody.peer.authorized).to.equal(false);
    expect(anybody.peer.authorizationError).to.equal(null);
    const refused = clientFailure(server);
    const nobody = await dial(server, { servername: 'staff.example.org' });
    expect((await failure(nobody)).category).to.equal('alert');
    expect((await refused).code).to.equal('ERR_DTLS_PEER_CERTIFICATE_MISSING');
    const { cert, key } = await certificate({ commonName: 'somebody', clientAuth: true });
    const person = { cert, key };
    const staff = await openOn(server, {
      servername: 'staff.example.org',
      ...person,
    });
    expect(staff.peer.authorized).to.equal(true);
    expect(staff.peer.getPeerX509Certificate()?.subject).to.equal('CN=somebody');
  });

  it('can leave unverified clients in under one name only', async () => {
    const { certificatePem: ca } = await createAuthority();
    const server = await listen(await withCertificate({ requestCert: true, ca }));
    server.addContext('open.example.org', {
      ...(await credentials('open.example.org')),
      rejectUnauthorized: false,
    });
    const { peer } = await openOn(server, { servername: 'open.example.org' });
    expect(peer.authorized).to.equal(false);
    expect(peer.authorizationError).to.equal('UNABLE_TO_GET_ISSUER_CERT');
  });

  it('can have other pre-shared keys', async () => {
    const server = await listen({ ...PSK_SERVER });
    const psk = Buffer.from('another key, for another name');
    server.addContext('b.example.org', {
      pskCallback: (_, identity) => (identity === 'b-device' ? psk : null),
      pskIdentityHint: 'b',
    });
    const a = await openOn(server, { ...PSK_CLIENT, servername: 'a.example.org' });
    expect(a.peer.pskIdentity).to.equal(PSK.identity);
    let hint: string | null = null;
    const b = await openOn(server, {
      servername: 'b.example.org',
      pskCallback: (given) => {
        hint = given;
        return { identity: 'b-device', psk };
      },
    });
    expect(b.peer.pskIdentity).to.equal('b-device');
    expect(hint).to.equal('b');
  });

  it('can have suites and versions of its own', async () => {
    const server = await listen(await withCertificate());
    server.addContext('old.example.org', {
      ...(await credentials('old.example.org')),
      ciphers: 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0',
      minVersion: 'DTLSv1',
      maxVersion: 'DTLSv1',
    });
    const { client } = await openOn(server, {
      servername: 'old.example.org',
      ciphers: 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0',
      minVersion: 'DTLSv1',
    });
    expect(client.getProtocol()).to.equal('DTLSv1');
    const { client: other } = await openOn(server, { minVersion: 'DTLSv1' });
    expect(other.getProtocol()).to.equal('DTLSv1.2');
  });

  it('negotiates heartbeats and logs keys under each name', async () => {
    const server = await listen(await withCertificate({ heartbeat: true }));
    server.addContext('a.example.org', await contextFor('a.example.org'));
    const lines: string[] = [];
    server.on('keylog', (line) => lines.push(line.toString()));
    const { client, peer } = await openOn(server, { servername: 'a.example.org', heartbeat: true });
    expect((await client.heartbeat('are you there?')).payload.toString()).to.equal('are you there?');
    expect((await peer.heartbeat()).rtt).to.be.above(0);
    expect(lines.join('')).to.match(/^CLIENT_RANDOM /);
  });

  it('works without cookie exchange', async () => {
    const server = await listen(await withCertificate({ cookieExchange: false }));
    server.addContext('a.example.org', await contextFor('a.example.org'));
    const { client } = await openOn(server, { servername: 'a.example.org' });
    expect(shown(client)).to.equal('a.example.org');
  });

  it('refuses what it cannot use', async () => {
    const server = await listen(await withCertificate());
    const add = server.addContext.bind(server) as (name: unknown, context: unknown) => void;
    const good = await credentials('a.example.org');
    for (const [hostname, context, code] of [
      [undefined, good, 'ERR_INVALID_ARG_TYPE'],
      ['', good, 'ERR_INVALID_ARG_VALUE'],
      ...['https://a.b', 'a.b:5684', '10.0.0.1', '::1', '[::1]', 'a b', 'a/b'].map((name) => [name, good, 'ERR_INVALID_ARG_VALUE'] as const),
      ['a', undefined, 'ERR_INVALID_ARG_TYPE'],
      ['a', {}, 'ERR_DTLS_NO_CREDENTIALS'],
      ['a', { ...good, mtu: 500 }, 'ERR_DTLS_UNKNOWN_OPTION'],
      ['a', { ...good, key: 'no key' }, 'ERR_DTLS_INVALID_KEY'],
      ['a', { ...good, secureContext: createSecureContext(good) }, 'ERR_DTLS_CONFLICTING_OPTIONS'],
      ['a', { ...good, ALPNProtocols: ['a'], ALPNCallback: () => 'a' }, 'ERR_DTLS_CONFLICTING_OPTIONS'],
    ] as const) {
      expect(() => {
        add(hostname, context);
      }, `${String(hostname)} ${code}`).to.throw().with.property('code', code);
    }
  });
});
