// Protects what can be read of a `node:dtls` session, before, while and after it is open.
import { X509Certificate } from 'node:crypto';
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
});
