// Protects what can be read of a `node:dtls` session, before, while and after it is open.
import { X509Certificate } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { certificate, closeAll, connect, HOST, KEY, listen, open, PSK } from './support';

const psk = { [PSK.identity]: KEY };

describe('node-dtls: properties', () => {
  afterEach(closeAll);

  it('tell of an open session, and are undefined or false after it', async () => {
    const { cert, key, ca } = await certificate('device.example');
    const { client } = await open({ cert, key }, { ca, servername: 'device.example' });
    expect(client.protocol).to.equal('DTLSv1.2');
    expect(client.cipher).to.have.all.keys('name', 'standardName', 'version');
    expect(client.servername).to.equal('device.example');
    expect(client.remoteAddress).to.include({ address: HOST, family: 'IPv4' });
    expect(client.authorized).to.equal(true);
    expect(client.authorizationError).to.equal(undefined);
    expect(client.peerX509Certificate).to.be.instanceOf(X509Certificate);
    expect(client.peerX509Certificate).to.equal(client.peerX509Certificate);
    expect(client.peerCertificate).to.equal(client.peerX509Certificate?.toString());
    expect(client.alpnProtocol).to.equal(undefined);
    expect(client.srtpProfile).to.equal(undefined);
    await client.close();
    const gone = [
      'protocol',
      'cipher',
      'servername',
      'remoteAddress',
      'authorizationError',
      'peerCertificate',
    ] as const;
    for (const name of gone) expect(client[name], name).to.equal(undefined);
    expect(client.authorized).to.equal(false);
    expect(client.destroyed).to.equal(true);
  });

  it('authorizationError is HANDSHAKE_INCOMPLETE before the handshake', () => {
    const client = connect(listen({ psk }), { psk: PSK });
    expect(client.authorizationError).to.equal('HANDSHAKE_INCOMPLETE');
    expect(client.authorized).to.equal(false);
  });

  it('no certificate is UNABLE_TO_GET_ISSUER_CERT, a pre-shared key counts as authorized', async () => {
    const { cert, key, ca } = await certificate();
    const { server } = await open({ cert, key }, { ca });
    expect(server.authorized).to.equal(false);
    expect(server.authorizationError).to.equal('UNABLE_TO_GET_ISSUER_CERT');
    const byKey = await open();
    expect(byKey.server.authorized).to.equal(true);
    expect(byKey.client.authorized).to.equal(true);
    expect(byKey.client.peerCertificate).to.equal(undefined);
  });

  it('session.endpoint is the listener, or one of its own for a client', async () => {
    const { endpoint, client, server } = await open();
    expect(server.endpoint).to.equal(endpoint);
    expect(client.endpoint).to.not.equal(endpoint);
    await server.close();
    expect(endpoint.destroyed).to.equal(false);
  });

  it('all are undefined or false once the session is closed; stats and destroyed live on', async () => {
    const { cert, key, ca } = await certificate('device.example');
    const shared = { alpn: ['coap'], srtp: 'SRTP_AES128_CM_SHA1_80' };
    const { client } = await open({ cert, key, ...shared }, { ca, servername: 'device.example', ...shared });
    const values = [
      'protocol',
      'cipher',
      'servername',
      'remoteAddress',
      'session',
      'alpnProtocol',
      'srtpProfile',
      // Last, and not peerX509Certificate: once read, that one stays.
      'peerCertificate',
    ] as const;
    for (const name of values.slice(0, -1)) expect(client[name], name).to.not.equal(undefined);
    client.send('x');
    await client.close();
    for (const name of values) expect(client[name], name).to.equal(undefined);
    expect(client.peerX509Certificate).to.equal(undefined);
    expect(client.authorizationError).to.equal(undefined);
    expect([client.authorized, client.reused]).to.deep.equal([false, false]);
    expect(client.destroyed).to.equal(true);
    expect(client.stats.messagesSent).to.equal(1n);
  });

  it('cipher has name, standardName and version, as OpenSSL has them', async () => {
    const ciphers = 'PSK-AES128-GCM-SHA256';
    const { client, server } = await open({ psk: { [PSK.identity]: KEY }, ciphers }, { psk: PSK, ciphers });
    for (const { cipher } of [client, server]) {
      expect(cipher).to.deep.equal({
        name: 'PSK-AES128-GCM-SHA256',
        standardName: 'TLS_PSK_WITH_AES_128_GCM_SHA256',
        version: 'TLSv1.2',
      });
    }
  });

  it('servername is read on either side, remoteAddress has address, family and port', async () => {
    const { cert, key, ca } = await certificate('device.example');
    const { endpoint, client, server } = await open({ cert, key }, { ca, servername: 'device.example' });
    expect(server.servername).to.equal('device.example');
    expect(client.remoteAddress).to.deep.equal({ ...endpoint.address });
    expect(server.remoteAddress).to.deep.equal({
      address: HOST,
      family: 'IPv4',
      port: client.endpoint.address?.port,
    });
  });

  it('is neither an EventEmitter nor a stream, and has one callback for each event', async () => {
    const { endpoint, client } = await open();
    for (const object of [endpoint, client]) {
      expect(object).to.not.be.instanceOf(EventEmitter);
      for (const name of ['on', 'once', 'emit', 'write', 'pipe']) expect(object).to.not.have.property(name);
    }
    // An endpoint's working parts are not for its users.
    for (const name of ['bind', 'listen', 'connect']) expect(endpoint).to.not.have.property(name);
  });
});
