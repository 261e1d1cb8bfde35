/**
 * Protects: that two ends of this package shake hands with pre-shared keys, however the callbacks give them
 * and whatever bytes identity and key are made of, and that an identity with NUL is refused on either side.
 */
import vm from 'node:vm';
import { expect } from 'chai';
import { createSecureContext, DTLSError, type DTLSSocket } from '../../lib/index';
import { converse } from '../helpers/exchange';
import { Link } from '../helpers/link';
import {
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  open,
  openOn,
  openPsk,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
} from '../helpers/pair';

describe('handshake with pre-shared keys', () => {
  afterEach(closeEverything);

  it('takes keys that callbacks return', async () => {
    const pair = await openPsk();
    await converse(pair);
    expect(pair.client.pskIdentity).to.equal(PSK.identity);
    expect(pair.peer.pskIdentity).to.equal(PSK.identity);
    expect(pair.client.authorized).to.be.true;
    expect(pair.peer.authorized).to.be.true;
    expect(pair.client.getCipher()?.name).to.match(/PSK/);
  });

  it('takes psk: { identity, psk } on both sides, as createSocket does, and knows no other', async () => {
    const server = await listen({ psk: PSK });
    await converse(await openOn(server, { psk: PSK }));
    await converse(await openOn(server, { psk: () => Promise.resolve(PSK) }));
    const [atServer] = await Promise.all([
      clientFailure(server),
      failure(await dial(server, { psk: { ...PSK, identity: 'device-2' } })),
    ]);
    expect(atServer.code).to.equal('ERR_DTLS_PSK_IDENTITY_UNKNOWN');
  });

  it('a client with a key alone gets a key suite of a server that has a certificate, too', async () => {
    const server = await listen(await withCertificate({ psk: PSK }));
    for (const options of [{ psk: PSK }, { psk: PSK, secureContext: createSecureContext() }]) {
      const pair = await openOn(server, { ca: undefined, ...options });
      expect(pair.client.getCipher()?.name).to.match(/PSK/);
      await converse(pair);
    }
    // Whoever can judge a certificate is shown it.
    const { client } = await openOn(server, { psk: PSK, rejectUnauthorized: false });
    expect(client.getCipher()?.name).to.not.match(/PSK/);
  });

  it('a client with a key alone is told what to do where the server has a certificate only', async () => {
    const server = await listen(await withCertificate());
    const [, error] = await Promise.all([clientFailure(server), failure(await dial(server, { ca: undefined, psk: PSK }))]);
    expect(error.code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
    expect(error.hint).to.include("'ca'").and.include("'psk'");
  });

  it("takes psk for a name in place of the server's own keys", async () => {
    const server = await listen(PSK_SERVER);
    const other = { identity: Buffer.from([0xff, 0xfe]), psk: Buffer.alloc(32, 7) };
    server.addContext('a.example', { psk: other });
    await converse(await openOn(server, { servername: 'a.example', psk: other }));
    await converse(await openOn(server, { servername: 'b.example', psk: PSK }));
    const refused = await dial(server, { servername: 'a.example', psk: PSK });
    await Promise.all([clientFailure(server), failure(refused)]);
  });

  it('takes keys that callbacks promise', async () => {
    const pair = await openPsk(
      { pskCallback: (_, identity) => Promise.resolve(PSK_SERVER.pskCallback(_, identity)) },
      { pskCallback: () => new Promise((resolve) => setImmediate(resolve, PSK)) },
    );
    await converse(pair);
  });

  it('takes the Promise of another realm', async () => {
    const promise = vm.runInNewContext('Promise.resolve(key)', { key: PSK.psk }) as Promise<Buffer>;
    expect(promise).to.not.be.instanceOf(Promise);
    await converse(await openPsk({ pskCallback: () => promise }));
  });

  it('takes keys of 1 and of 512 bytes and identities of 1 and of 256', async () => {
    for (const [keyLength, identityLength] of [
      [1, 1],
      [512, 256],
    ] as const) {
      const psk = Buffer.alloc(keyLength, 7);
      const identity = 'i'.repeat(identityLength);
      const pair = await open(
        { pskCallback: (_, asked) => (asked === identity ? psk : null) },
        { pskCallback: () => ({ identity, psk }) },
      );
      await converse(pair);
    }
  });

  it('takes the empty identity on both sides, and resumes under it', async () => {
    const asked: (string | Buffer)[] = [];
    const server = await listen({
      pskCallback: (_, identity) => {
        asked.push(identity);
        return identity === '' ? PSK.psk : null;
      },
    });
    const client = { pskCallback: () => ({ identity: '', psk: PSK.psk }) };
    const pair = await openOn(server, client);
    await converse(pair);
    expect([pair.client.pskIdentity, pair.peer.pskIdentity]).to.deep.equal(['', '']);
    expect([pair.client.authorized, pair.peer.authorized]).to.deep.equal([true, true]);
    const session = pair.client.getSession();
    const again = await openOn(server, { ...client, session });
    expect(again.client.isSessionReused()).to.equal(true);
    expect([again.client.pskIdentity, again.peer.pskIdentity]).to.deep.equal(['', '']);
    expect(asked).to.deep.equal(['', '']);
  });

  it('hands over identities as strings, or as bytes when they are not UTF-8', async () => {
    const identities: (string | Buffer)[] = ['Gerät-é', Buffer.from([0xff, 0xfe, 0x41])];
    for (const identity of identities) {
      const asked: (string | Buffer)[] = [];
      const { peer, client } = await open(
        {
          pskCallback: (_, given) => {
            asked.push(given);
            return PSK.psk;
          },
        },
        { pskCallback: () => ({ identity, psk: PSK.psk }) },
      );
      expect(asked).to.deep.equal([identity]);
      expect(peer.pskIdentity).to.deep.equal(identity);
      expect(client.pskIdentity).to.deep.equal(identity);
    }
  });

  it('gives the server\'s hint to the client', async () => {
    const hints: (string | null)[] = [];
    const pskCallback = (hint: string | null): typeof PSK => {
      hints.push(hint);
      return PSK;
    };
    await openPsk({ pskIdentityHint: 'plant 7' }, { pskCallback });
    await openPsk({}, { pskCallback });
    expect(hints).to.deep.equal(['plant 7', null]);
  });

  it('passes the socket to the server\'s callback', async () => {
    const asking: DTLSSocket[] = [];
    const { peer } = await openPsk({
      pskCallback: (socket) => {
        asking.push(socket);
        return PSK.psk;
      },
    });
    expect(asking).to.deep.equal([peer]);
  });

  it('refuses to send an identity with NUL', async () => {
    const server = await listen(PSK_SERVER);
    const client = await dial(server, {
      pskCallback: () => ({ identity: 'a\0b', psk: PSK.psk }),
    });
    const error = await failure(client);
    expect(error.code).to.equal('ERR_DTLS_PSK_REQUIRED');
    expect(error.cause).to.be.instanceOf(DTLSError);
    expect(error.cause).to.have.property('code', 'ERR_DTLS_PSK_IDENTITY_INVALID');
  });

  it('refuses an identity with NUL that a client sends all the same', async () => {
    const asked: (string | Buffer)[] = [];
    const server = await listen({
      pskCallback: (_, identity) => {
        asked.push(identity);
        return PSK.psk;
      },
    });
    const link = await Link.bound();
    link.outgoing = (datagram) => {
      // Only the ClientKeyExchange has it, and that is in clear.
      const at = datagram.indexOf('device#1');
      if (at >= 0) datagram[at + 6] = 0;
      return [datagram];
    };
    const client = await dial(server, {
      transport: link,
      pskCallback: () => ({ identity: 'device#1', psk: PSK.psk }),
    });
    const [atServer, atClient] = await Promise.all([clientFailure(server), failure(client)]);
    expect(atServer.code).to.equal('ERR_DTLS_PSK_IDENTITY_INVALID');
    expect(atServer.hint).to.be.a('string').that.is.not.empty;
    expect(atClient.category).to.equal('alert');
    expect(asked).to.deep.equal([]);
  });

  it('serves certificates and pre-shared keys on one port', async () => {
    const server = await listen(await withCertificate(PSK_SERVER));
    const withKey = await openOn(server, { ...PSK_CLIENT, ciphers: 'PSK-AES128-GCM-SHA256' });
    const withCert = await openOn(server);
    expect(withKey.client.getCipher()?.name).to.equal('PSK-AES128-GCM-SHA256');
    expect(withCert.client.getCipher()?.name).to.equal('ECDHE-ECDSA-AES128-GCM-SHA256');
    await converse(withKey);
    await converse(withCert);
  });
});
