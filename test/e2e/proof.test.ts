/**
 * Protects what `rejectUnauthorized` promises: nobody gets a session without a proof of who he is, whatever the
 * cipher list has; and an address is proved by an iPAddress of the certificate, never by a name that looks like one.
 */
import { expect } from 'chai';
import { isIP } from 'node:net';
import tls from 'node:tls';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  next,
  openOn,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
} from '../helpers/pair';

const ANONYMOUS = 'AECDH-AES128-SHA:@SECLEVEL=0';
const OPEN_MINDED = 'ALL:@SECLEVEL=0';
const anyName = { checkServerIdentity: (): undefined => undefined };

describe('a peer without a proof', () => {
  afterEach(closeEverything);

  it('of an anonymous suite is no server for a client that rejects the unauthorized', async () => {
    const own = await withCertificate({ ciphers: ANONYMOUS });
    const server = await listen(own);
    const refused = clientFailure(server);
    const client = await dial(server, { ciphers: OPEN_MINDED });
    const error = await failure(client);
    expect(error.code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
    expect(client.authorized).to.equal(false);
    expect((await refused).code).to.equal('ERR_DTLS_NO_SHARED_CIPHER');
  });

  it('of an anonymous suite is one for a client that asks for no proof, and is not authorized', async () => {
    const server = await listen(await withCertificate({ ciphers: ANONYMOUS }));
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

  it('is not one who has the pre-shared key, whatever else the list has', async () => {
    const server = await listen({ ...PSK_SERVER, ciphers: OPEN_MINDED });
    const { client } = await openOn(server, { ...PSK_CLIENT, ciphers: OPEN_MINDED });
    expect(client.getCipher()?.name).to.include('PSK');
    expect(client.authorized).to.equal(true);
  });
});

describe('the name in a certificate', () => {
  afterEach(closeEverything);

  // What tls.checkServerIdentity says of the same certificate and host is what holds here.
  const cases: [names: { dnsNames?: string[]; ipAddresses?: string[] }, host: string, good: boolean][] = [
    [{ dnsNames: ['127.0.0.1'] }, '127.0.0.1', false],
    [{ dnsNames: ['*.0.0.1'] }, '127.0.0.1', false],
    [{ ipAddresses: ['127.0.0.1'] }, '127.0.0.1', true],
    [{ ipAddresses: ['127.0.0.2'] }, '127.0.0.1', false],
    [{ dnsNames: ['::1'] }, '::1', false],
    [{ ipAddresses: ['::1'] }, '::1', true],
    [{ ipAddresses: ['::1'] }, '0:0:0:0:0:0:0:1', true],
    [{ ipAddresses: ['127.0.0.1'], dnsNames: ['a.example'] }, 'a.example', true],
    [{ dnsNames: ['a.example'] }, 'A.Example', true],
    [{ dnsNames: ['a.example'] }, 'b.example', false],
    [{ dnsNames: ['*.example.org'] }, 'a.example.org', true],
    [{ dnsNames: ['*.example.org'] }, 'a.b.example.org', false],
    [{ dnsNames: ['*.example.org'] }, 'example.org', false],
    [{ dnsNames: ['xn--bcher-kva.example'] }, 'xn--bcher-kva.example', true],
  ];
  for (const [names, host, good] of cases) {
    it(`${JSON.stringify(names)} ${good ? 'is' : 'is not'} ${host}, as node:tls has it`, async () => {
      const none = { dnsNames: [], ipAddresses: [] };
      const { cert, key, ca } = await certificate({ commonName: 'x', ...none, ...names });
      const address = isIP(host) === 6 ? '::1' : '127.0.0.1';
      const server = await listen({ cert, key }, address);
      server.on('dtlsClientError', () => undefined);
      const probe = await dial(server, { ca, host: address, ...anyName });
      await next(probe, 'secureConnect');
      const verdict = tls.checkServerIdentity(host, probe.getPeerCertificate() as tls.PeerCertificate);
      expect(verdict === undefined, 'node:tls').to.equal(good);
      const judged = await dial(server, {
        ca,
        ...(isIP(host) === 0 ? { servername: host } : { host }),
      });
      if (good) {
        await next(judged, 'secureConnect');
        expect(judged.authorized).to.equal(true);
      } else {
        expect((await failure(judged)).code).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
      }
    });
  }
});
