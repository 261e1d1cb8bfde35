// Protects which identity a `node:dtls` server shows under which name, and which names it refuses.
import tls from 'node:tls';
import { expect } from 'chai';
import { createAuthority } from '../helpers/certificates';
import { within } from '../helpers/pair';
import { skip } from '../helpers/peers';
import {
  certificate,
  clientCertificate,
  closeAll,
  connect,
  dtls,
  KEY,
  listen,
  open,
  pause,
  PSK,
  rejection,
  type DefaultAuthorities,
} from './support';

const psk = { [PSK.identity]: KEY };

describe('node-dtls: server names', () => {
  afterEach(closeAll);

  it("matches exactly, with '*' as the fallback, and gives each name its certificate", async () => {
    const [a, b] = await Promise.all([certificate('a.example'), certificate('b.example')]);
    const { cert, key, ca } = await certificate();
    const endpoint = listen({
      cert,
      key,
      sni: { 'a.example': { cert: a.cert, key: a.key }, '*': { cert: b.cert, key: b.key } },
    });
    const named = async (servername: string): Promise<string | undefined> => {
      const client = connect(endpoint, { ca, servername, rejectUnauthorized: false });
      await client.opened;
      return client.peerX509Certificate?.subjectAltName;
    };
    expect(await named('a.example')).to.include('a.example');
    expect(await named('A.example'), 'case-sensitive').to.include('b.example');
    expect(await named('x.a.example')).to.include('b.example');
    expect(await named(''), 'no name at all').to.include('b.example');
  });

  it("unmatched without '*', or declined, is a fatal unrecognized_name", async () => {
    const a = await certificate('a.example');
    for (const sni of [{ 'a.example': { cert: a.cert, key: a.key } }, () => undefined, () => null]) {
      const endpoint = listen({ cert: a.cert, key: a.key, sni });
      for (const servername of ['other.example', '']) {
        const error = await rejection(connect(endpoint, { ca: a.ca, servername }).opened);
        expect(error.message).to.match(/unrecognized name/);
      }
    }
  });

  it('a function gets the name, or undefined, and may give a context', async () => {
    const a = await certificate('a.example');
    const asked: unknown[] = [];
    const endpoint = listen({
      cert: a.cert,
      key: a.key,
      sni: (servername) => {
        asked.push(servername);
        return { cert: a.cert, key: a.key };
      },
    });
    await connect(endpoint, { ca: a.ca, servername: 'a.example' }).opened;
    await connect(endpoint, { ca: a.ca, servername: '' }).opened;
    expect(asked).to.deep.equal(['a.example', undefined]);
  });

  it("an entry may be a DTLSSecureContext or options; there are no '*.x' wildcards", async () => {
    const a = await certificate('a.example');
    const secureContext = dtls.createSecureContext({ isServer: true, cert: a.cert, key: a.key });
    const endpoint = listen({
      cert: a.cert,
      key: a.key,
      sni: { 'a.example': secureContext, '*.example': secureContext },
    });
    await within(connect(endpoint, { ca: a.ca, servername: 'a.example' }).opened, 'the listed name');
    const error = await rejection(connect(endpoint, { ca: a.ca, servername: 'b.example' }).opened);
    expect(error.message).to.match(/unrecognized name/);
  });

  it('a refused name still reaches onsession, and is an error of that session', async () => {
    const a = await certificate('a.example');
    const failures: Promise<NodeJS.ErrnoException>[] = [];
    const endpoint = listen({ cert: a.cert, key: a.key, sni: { 'a.example': { cert: a.cert, key: a.key } } }, (session) => {
      failures.push(rejection(session.opened));
    });
    await rejection(connect(endpoint, { ca: a.ca, servername: 'b.example' }).opened);
    expect(failures).to.have.length(1);
    expect(await failures[0]).to.include({ code: 'ERR_INVALID_STATE' });
  });

  it('sni belongs to the context: it may be given to createSecureContext', async () => {
    const [a, b] = await Promise.all([certificate('a.example'), certificate('b.example')]);
    const secureContext = dtls.createSecureContext({
      isServer: true,
      cert: a.cert,
      key: a.key,
      sni: { 'b.example': { cert: b.cert, key: b.key } },
    });
    const client = connect(listen({ secureContext }), { ca: b.ca, servername: 'b.example' });
    await within(client.opened, 'the handshake');
    expect(client.peerX509Certificate?.subjectAltName).to.include('b.example');
  });

  describe('what follows the identity, and what does not', () => {
    it('ciphers follow the identity', async () => {
      const a = await certificate('a.example', 'b.example');
      const suite = 'ECDHE-ECDSA-AES256-GCM-SHA384';
      const endpoint = listen({
        cert: a.cert,
        key: a.key,
        ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256',
        sni: { 'a.example': { cert: a.cert, key: a.key, ciphers: suite }, '*': { cert: a.cert, key: a.key } },
      });
      const client = connect(endpoint, { ca: a.ca, servername: 'a.example' });
      await within(client.opened, 'the handshake');
      expect(client.cipher?.name).to.equal(suite);
    });

    it('the CA follows the identity: an entry with its own accepts no other', async () => {
      const a = await certificate('a.example', 'b.example');
      const authority = await createAuthority('of tenant a');
      const [own, other] = await Promise.all([
        authority.issue({ commonName: 'of a', clientAuth: true }),
        clientCertificate(),
      ]);
      const endpoint = listen({
        cert: a.cert,
        key: a.key,
        ca: a.ca,
        requestCert: true,
        sni: {
          'a.example': { cert: a.cert, key: a.key, ca: authority.certificatePem },
          'b.example': { cert: a.cert, key: a.key, ca: a.ca },
        },
      });
      const tried = (servername: string, by: { cert: string; key: string }): Promise<string> => {
        const client = connect(endpoint, { ca: a.ca, servername, cert: by.cert, key: by.key });
        return client.opened.then(() => 'open', () => 'refused');
      };
      expect(await tried('a.example', own)).to.equal('open');
      expect(await tried('a.example', other)).to.equal('refused');
      expect(await tried('b.example', other)).to.equal('open');
      expect(await tried('b.example', own)).to.equal('refused');
    });

    it("an identity without ca trusts tls's default authorities, where the endpoint asks for certificates", async function () {
      const { getCACertificates, setDefaultCACertificates } = tls as Partial<DefaultAuthorities>;
      if (getCACertificates === undefined || setDefaultCACertificates === undefined) {
        skip(this, 'from Node 24.5 and 22.19 on');
      }
      const a = await certificate('a.example', 'b.example');
      const own = await clientCertificate();
      const before = getCACertificates('default');
      setDefaultCACertificates([own.ca]);
      try {
        const prepared = dtls.createSecureContext({ isServer: true, cert: a.cert, key: a.key });
        const endpoint = listen({
          cert: a.cert,
          key: a.key,
          requestCert: true,
          sni: { 'a.example': { cert: a.cert, key: a.key }, 'b.example': prepared },
        });
        for (const servername of ['a.example', 'b.example']) {
          await within(
            connect(endpoint, { ca: a.ca, servername, cert: own.cert, key: own.key }).opened,
            `a client of ${servername}`,
          );
        }
      } finally {
        setDefaultCACertificates(before);
      }
    });

    it("requestCert and rejectUnauthorized are the endpoint's", async () => {
      const a = await certificate('a.example');
      const identity = { cert: a.cert, key: a.key, ca: a.ca, requestCert: true };
      const asksNobody = listen({ cert: a.cert, key: a.key, sni: { 'a.example': identity } });
      await within(connect(asksNobody, { ca: a.ca, servername: 'a.example' }).opened, 'nobody is asked');
      const asks = listen({
        cert: a.cert,
        key: a.key,
        ca: a.ca,
        requestCert: true,
        sni: { 'a.example': { ...identity, requestCert: false, rejectUnauthorized: false } },
      });
      await rejection(connect(asks, { ca: a.ca, servername: 'a.example' }).opened);
    });

    it("pre-shared keys are the endpoint's: a psk of an identity is never consulted", async () => {
      const a = await certificate('a.example');
      const endpoint = listen({
        cert: a.cert,
        key: a.key,
        psk,
        sni: {
          'a.example': {
            cert: a.cert,
            key: a.key,
            ciphers: 'PSK-AES128-GCM-SHA256',
            psk: () => {
              throw new Error('consulted');
            },
          },
        },
      });
      const client = connect(endpoint, { psk: PSK, servername: 'a.example' });
      await within(client.opened, "the endpoint's key");
      const own = { identity: 'of the identity', key: KEY };
      await rejection(connect(endpoint, { psk: own, servername: 'a.example' }).opened);
    });

    it("different: alpn is the endpoint's", async () => {
      const a = await certificate('a.example');
      const { client } = await open(
        { cert: a.cert, key: a.key, alpn: ['coap'], sni: { 'a.example': { cert: a.cert, key: a.key, alpn: ['x'] } } },
        { ca: a.ca, servername: 'a.example', alpn: ['x', 'coap'] },
      );
      expect(client.alpnProtocol).to.equal('coap');
    });
  });

  it('a throw fails that handshake with the thrown value', async () => {
    const a = await certificate('a.example');
    const reason = new Error('no such tenant');
    let seen: unknown;
    const endpoint = listen(
      {
        cert: a.cert,
        key: a.key,
        sni: () => {
          throw reason;
        },
      },
      (session) => {
        session.onerror = (error) => (seen = error);
      },
    );
    await rejection(connect(endpoint, { ca: a.ca, servername: 'a.example' }).opened);
    await pause();
    expect(seen).to.equal(reason);
  });
});
