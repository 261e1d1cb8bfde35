// Protects whom a `node:dtls` session trusts: whose certificate is asked for, as what it is verified, and what is told
// of one that is not.
import tls from 'node:tls';
import { expect } from 'chai';
import type { DTLSError } from '../../lib/index';
import { createAuthority, selfSigned } from '../helpers/certificates';
import { ANONYMOUS, anonymousServer, OPEN_MINDED, pickyServer } from '../helpers/anonymous';
import { closeEverything, dialTo as dial, next, portOf as addressOf, within } from '../helpers/pair';
import { skip } from '../helpers/peers';
import {
  certificate,
  clientCertificate,
  closeAll,
  connect,
  HOST,
  listen,
  open,
  pause,
  portOf,
  rejection,
  type DefaultAuthorities,
} from './support';

describe('node-dtls: certificates', () => {
  afterEach(closeAll);
  afterEach(closeEverything);

  it('the identity is servername, by default the host; a mismatch is an error', async () => {
    const { cert, key, ca } = await certificate('device.example');
    const endpoint = listen({ cert, key });
    await connect(endpoint, { ca }).opened;
    await connect(endpoint, { ca, servername: 'device.example' }).opened;
    const error = await rejection(connect(endpoint, { ca, servername: 'other.example' }).opened);
    expect(error.code).to.equal('ERR_INVALID_STATE');
    expect(error.message).to.include('error:0A000086:SSL routines::certificate verify failed');
    expect(error.cause).to.include({ code: 'HOSTNAME_MISMATCH' });
    const { hint } = error.cause as DTLSError;
    expect(hint).to.include('valid, but for other names').and.not.include('checkServerIdentity');
  });

  it('a peer of an anonymous suite has no session, whatever the list has', async () => {
    const { cert, key, ca } = await certificate();
    for (const [server, code] of [
      [await anonymousServer(), 'ERR_DTLS_ALERT_HANDSHAKE_FAILURE'],
      [await pickyServer(), 'ERR_DTLS_PEER_UNAUTHENTICATED'],
    ] as const) {
      server.on('dtlsClientError', () => undefined);
      const error = await rejection(connect(addressOf(server), { ca, ciphers: OPEN_MINDED }).opened);
      expect(error.cause).to.include({ code });
      expect(server.stats.handshakesCompleted).to.equal(0);
    }
    const refused: Promise<Error>[] = [];
    const endpoint = listen(
      { cert, key, ca, ciphers: OPEN_MINDED, requestCert: true, rejectUnauthorized: true },
      (session) => refused.push(rejection(session.opened)),
    );
    const stranger = connect(endpoint, { ciphers: ANONYMOUS, rejectUnauthorized: false });
    expect((await rejection(stranger.opened)).cause).to.include({ code: 'ERR_DTLS_ALERT_HANDSHAKE_FAILURE' });
    expect((await refused[0])?.cause).to.include({ code: 'ERR_DTLS_PEER_UNAUTHENTICATED' });
  });

  it('the same X509Certificate is returned on every access, and leads to its issuer', async () => {
    const authority = await createAuthority();
    const { cert, key, ca } = await authority.issue({
      commonName: 'server',
      ipAddresses: [HOST],
      intermediate: true,
    });
    const { client } = await open({ cert, key }, { ca });
    const leaf = client.peerX509Certificate;
    expect(leaf?.subject).to.include('server');
    expect(leaf?.issuerCertificate?.subject).to.include('intermediate');
    await client.close();
    expect(client.peerX509Certificate).to.equal(leaf);
    expect(client.peerCertificate).to.equal(undefined);
  });

  it('a client without ca trusts the default authorities of tls, as they are set now', async function () {
    const { getCACertificates, setDefaultCACertificates } = tls as Partial<DefaultAuthorities>;
    if (getCACertificates === undefined || setDefaultCACertificates === undefined) {
      skip(this, 'from Node 24.5 and 22.19 on');
    }
    const { cert, key, ca } = await certificate();
    const endpoint = listen({ cert, key });
    await rejection(connect(endpoint).opened);
    const before = getCACertificates('default');
    setDefaultCACertificates([ca]);
    try {
      await within(connect(endpoint).opened, 'a session with the new authority');
    } finally {
      setDefaultCACertificates(before);
    }
    await rejection(connect(endpoint).opened);
  });

  it('ca replaces the default authorities', async function () {
    const { getCACertificates, setDefaultCACertificates } = tls as Partial<DefaultAuthorities>;
    if (getCACertificates === undefined || setDefaultCACertificates === undefined) {
      skip(this, 'from Node 24.5 and 22.19 on');
    }
    const { cert, key, ca } = await certificate();
    const { certificatePem: other } = await createAuthority('another authority');
    const endpoint = listen({ cert, key });
    const before = getCACertificates('default');
    setDefaultCACertificates([ca]);
    try {
      await rejection(connect(endpoint, { ca: other }).opened);
    } finally {
      setDefaultCACertificates(before);
    }
  });

  it('a server without ca trusts the default authorities, and does not name them all to its clients', async () => {
    const { cert, key, ca } = await certificate();
    const endpoint = listen({ cert, key, requestCert: true, rejectUnauthorized: false });
    const client = dial({ port: portOf(endpoint), host: HOST, ca });
    let length: number | undefined;
    client.on('handshake', (event) => {
      if (event.message === 'certificate_request') length = event.length;
    });
    await next(client, 'secureConnect');
    // Types and signature algorithms; each name would be some eighty bytes.
    expect(length).to.be.within(8, 120);
    client.destroy();
  });

  it('a wildcard stands for one label as a whole, never for a part of it', async () => {
    const { cert, key, ca } = await certificate('*.example.com', 'w*.example.net');
    const endpoint = listen({ cert, key });
    await within(connect(endpoint, { ca, servername: 'a.example.com' }).opened, 'the whole label');
    for (const servername of ['a.b.example.com', 'www.example.net']) {
      const error = await rejection(connect(endpoint, { ca, servername }).opened);
      expect(error.cause, servername).to.include({ code: 'HOSTNAME_MISMATCH' });
    }
  });

  it('an IP address is compared with the addresses of the certificate', async () => {
    const { cert, key, ca } = await certificate('device.example');
    const endpoint = listen({ cert, key });
    const error = await rejection(connect(endpoint, { ca, servername: '192.0.2.1' }).opened);
    expect(error.cause).to.include({ code: 'IP_ADDRESS_MISMATCH' });
  });

  it("servername '' sends no SNI and checks the host; an IP literal is not sent", async () => {
    const { cert, key, ca } = await certificate('device.example');
    const names: (string | undefined)[] = [];
    const endpoint = listen({ cert, key }, (session) => {
      session.onhandshake = () => names.push(session.servername);
    });
    await connect(endpoint, { ca, servername: '' }).opened;
    await connect(endpoint, { ca, servername: HOST }).opened;
    await connect(endpoint, { ca, servername: 'device.example' }).opened;
    await pause();
    expect(names).to.deep.equal([undefined, undefined, 'device.example']);
  });

  it('rejectUnauthorized false completes, and tells what is wrong', async () => {
    const { cert, key, ca } = await certificate('device.example');
    const endpoint = listen({ cert, key });
    const untrusted = connect(endpoint, { rejectUnauthorized: false });
    await untrusted.opened;
    expect(untrusted.authorized).to.equal(false);
    expect(untrusted.authorizationError).to.match(/^[A-Z_]+$/);
    const misnamed = connect(endpoint, { ca, servername: 'other.example', rejectUnauthorized: false });
    await misnamed.opened;
    expect(misnamed.authorizationError).to.equal('HOSTNAME_MISMATCH');
  });

  it('requestCert is false by default: a client that has a certificate shows none', async () => {
    const { cert, key, ca } = await certificate();
    const own = await clientCertificate();
    for (const rejectUnauthorized of [true, false]) {
      const { server } = await open({ cert, key, ca, rejectUnauthorized }, { ca, cert: own.cert, key: own.key });
      expect(server.peerCertificate).to.equal(undefined);
    }
  });

  it('a refused client gets an alert', async () => {
    const { cert, key, ca } = await certificate();
    const strict = listen({ cert, key, ca, requestCert: true });
    const stranger = await selfSigned({ commonName: 'a stranger', clientAuth: true });
    for (const own of [{}, { cert: stranger.cert, key: stranger.key }]) {
      expect((await rejection(connect(strict, { ca, ...own }).opened)).message).to.match(/ alert /);
    }
    const mild = await open(
      { cert, key, ca, requestCert: true, rejectUnauthorized: false },
      { ca, cert: stranger.cert, key: stranger.key },
    );
    expect(mild.server.authorized).to.equal(false);
    expect(mild.server.authorizationError).to.match(/SELF_SIGNED/);
    expect(mild.server.peerX509Certificate?.subject).to.include('stranger');
  });

  it('a server with requestCert refuses a client without one; with rejectUnauthorized false it only tells', async () => {
    const { cert, key, ca } = await certificate();
    const strict = listen({ cert, key, ca, requestCert: true });
    await rejection(connect(strict, { ca }).opened);
    const mild = await open({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, { ca });
    expect(mild.server.authorizationError).to.equal('UNABLE_TO_GET_ISSUER_CERT');
    const own = await clientCertificate();
    const mutual = await open(
      { cert, key, ca, requestCert: true },
      { ca, cert: own.cert, key: own.key },
    );
    expect(mutual.server.authorized).to.equal(true);
    expect(mutual.server.peerX509Certificate?.subject).to.include('client');
  });
});
