/**
 * Protects: that what a socket tells of its session (keying material, Finished, states, sizes) is true, and the same on
 * both sides.
 */
import { expect } from 'chai';
import { DTLSError } from '../../lib/index';
import {
  closeEverything,
  dial,
  listen,
  next,
  open,
  openOn,
  openPsk,
  withCertificate,
} from '../helpers/pair';

describe('handshake what a session tells', () => {
  afterEach(closeEverything);

  it('keying material that is the same on both sides, for what it is asked for', async () => {
    const { client, peer } = await open(await withCertificate());
    const label = 'EXTRACTOR-dtls_srtp';
    const context = Buffer.from('context');
    const material = client.exportKeyingMaterial(60, label);
    expect(material).to.have.length(60);
    expect(peer.exportKeyingMaterial(60, label)).to.deep.equal(material);
    const other = client.exportKeyingMaterial(60, label, context);
    expect(other).to.not.deep.equal(material);
    expect(peer.exportKeyingMaterial(60, label, context)).to.deep.equal(other);
    expect(peer.exportKeyingMaterial(60, 'another')).to.not.deep.equal(material);
    client.close();
    expect(() => client.exportKeyingMaterial(60, label))
      .to.throw(DTLSError)
      .with.property('code', 'ERR_DTLS_NOT_OPEN');
  });

  it('Finished messages, the ephemeral key, signature algorithms', async () => {
    const { client, peer } = await open(await withCertificate({ ecdhCurve: 'P-384' }));
    expect(client.getFinished()).to.have.length(12);
    expect(client.getFinished()).to.deep.equal(peer.getPeerFinished());
    expect(peer.getFinished()).to.deep.equal(client.getPeerFinished());
    expect(client.getFinished()).to.not.deep.equal(peer.getFinished());
    expect(client.getEphemeralKeyInfo()).to.deep.equal({
      type: 'ECDH',
      name: 'secp384r1',
      size: 384,
    });
    expect(peer.getEphemeralKeyInfo()).to.equal(null);
    expect(peer.getSharedSigalgs()).to.include('ECDSA+SHA256');
  });

  for (const [ecdhCurve, name] of [['P-256', 'prime256v1'], ['P-384', 'secp384r1'], ['X25519', 'X25519'], ['X448', 'X448']] as const) {
    it(`the group of the key exchange, on both sides: ${name}`, async () => {
      const server = await listen(await withCertificate({ ecdhCurve }));
      const sessions: Buffer[] = [];
      const { client, peer } = await openOn(server);
      client.on('session', (session) => sessions.push(session));
      expect([client.getSharedGroup(), peer.getSharedGroup()]).to.deep.equal([name, name]);
      const session = client.getSession();
      client.close();
      await next(peer, 'close');
      expect([client.getSharedGroup(), peer.getSharedGroup()]).to.deep.equal([null, null]);
      // An earlier session's keys have been exchanged by nobody.
      const again = await openOn(server, { session });
      expect(again.client.isSessionReused()).to.equal(true);
      expect([again.client.getSharedGroup(), again.peer.getSharedGroup()]).to.deep.equal([null, null]);
    });
  }

  it('no group where a pre-shared key alone has made the keys', async () => {
    const { client, peer } = await openPsk({ ciphers: 'PSK-AES128-GCM-SHA256' }, { ciphers: 'PSK-AES128-GCM-SHA256' });
    expect([client.getSharedGroup(), peer.getSharedGroup()]).to.deep.equal([null, null]);
    const withGroup = await openPsk({ ciphers: 'ECDHE-PSK-CHACHA20-POLY1305' }, { ciphers: 'ECDHE-PSK-CHACHA20-POLY1305' });
    expect(withGroup.client.getSharedGroup()).to.equal(withGroup.peer.getSharedGroup()).and.not.equal(null);
  });

  it('states in order', async () => {
    const server = await listen(await withCertificate());
    const client = await dial(server);
    expect(client.readyState).to.equal('opening');
    expect(client.connecting).to.be.true;
    expect(client.authorized).to.be.false;
    expect(client.getProtocol()).to.equal(null);
    expect(client.getCipher()).to.equal(null);
    expect(client.maxMessageSize).to.equal(0);
    const [peer] = await next(server, 'connection');
    expect(peer.readyState).to.equal('opening');
    await Promise.all([next(client, 'secureConnect'), next(server, 'secureConnection')]);
    for (const socket of [client, peer]) {
      expect(socket.readyState).to.equal('open');
      expect(socket.connecting).to.be.false;
      expect(socket.maxMessageSize).to.be.within(1100, 1199);
    }
    const closed = next(client, 'close');
    client.close();
    expect(client.readyState).to.be.oneOf(['closing', 'closed']);
    await closed;
    expect(client.readyState).to.equal('closed');
    expect(client.destroyed).to.be.true;
    expect(client.getCipher()).to.equal(null);
    expect(client.getPeerCertificate()).to.deep.equal({});
    expect(client.authorized).to.be.true;
  });

  it('its MTU', async () => {
    const { client } = await openPsk();
    const before = client.maxMessageSize;
    client.setMtu(600);
    expect(client.maxMessageSize).to.equal(before - 600);
    client.destroy();
    expect(() => client.setMtu(600)).to.throw().with.property('code', 'ERR_DTLS_NOT_OPEN');
  });
});
