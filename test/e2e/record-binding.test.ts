// Protects what binds records and keys to their session where a suite does not do so by itself:
// encrypt-then-MAC (RFC 7366) for CBC suites, without OpenSSL ending sessions for forged records, and
// the extended master secret (RFC 7627), which can be required on both sides.
import { expect } from 'chai';
import { createServer, DTLSError, type ServerOptions } from '../../lib/index';
import { Link, peerOf } from '../../lib/lab/index';
import {
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  messages,
  next,
  openOn,
  openPsk,
  PSK_CLIENT,
  PSK_SERVER,
  type Pair,
} from '../helpers/pair';

const SSL_OP_NO_ENCRYPT_THEN_MAC = 0x80000;
const SSL_OP_NO_EXTENDED_MASTER_SECRET = 0x1;
const CBC = { ciphers: 'PSK-AES128-CBC-SHA256' };

async function converse({ client, peer }: Pair): Promise<void> {
  const received = Promise.all([messages(peer, 2), messages(client, 2)]);
  for (const text of ['one', 'two']) {
    client.send(text);
    peer.send(text);
  }
  for (const heard of await received) expect(heard.map(String)).to.have.members(['one', 'two']);
}

describe('encrypt-then-MAC', () => {
  afterEach(closeEverything);

  for (const ciphers of [
    'PSK-AES128-CBC-SHA256',
    'PSK-AES256-CBC-SHA384',
    'PSK-AES128-CBC-SHA',
    'ECDHE-PSK-AES256-CBC-SHA384',
  ]) {
    it(`is used with ${ciphers}`, async () => {
      const pair = await openPsk({ ciphers }, { ciphers });
      expect(pair.client.getCipher()?.name).to.equal(ciphers);
      expect([pair.client.encryptThenMac, pair.peer.encryptThenMac]).to.deep.equal([true, true]);
      await converse(pair);
    });
  }

  it('is used with DTLS 1.0', async () => {
    const old = { ciphers: 'PSK-AES128-CBC-SHA:@SECLEVEL=0', minVersion: 'DTLSv1', maxVersion: 'DTLSv1' } as const;
    const pair = await openPsk(old, old);
    expect(pair.client.getProtocol()).to.equal('DTLSv1');
    expect([pair.client.encryptThenMac, pair.peer.encryptThenMac]).to.deep.equal([true, true]);
    await converse(pair);
  });

  it('is not used with AEAD suites, nor when one side has switched it off', async () => {
    const aead = await openPsk();
    expect([aead.client.encryptThenMac, aead.peer.encryptThenMac]).to.deep.equal([false, false]);
    const off = await openPsk(CBC, { ...CBC, secureOptions: SSL_OP_NO_ENCRYPT_THEN_MAC });
    expect([off.client.encryptThenMac, off.peer.encryptThenMac]).to.deep.equal([false, false]);
    await converse(off);
  });

  for (const etm of [true, false]) {
    const how = etm ? 'encrypt-then-MAC' : 'MAC-then-encrypt';

    it(`forged records end nothing, from the handshake on, ${how}`, async () => {
      // A forgery arrives before each protected record, and before each datagram at all.
      const link = new Link(`forged ${how}`);
      let forged = 0;
      link.intercept = ({ datagram, from, to }) => {
        const bytes = Buffer.from(datagram);
        const nowhere = Buffer.alloc(13 + 96, 0x5a);
        nowhere.writeUIntBE(0x17fefd, 0, 3);
        nowhere.writeUIntBE(1, 3, 2);
        nowhere.writeUIntBE(forged, 5, 6);
        nowhere.writeUInt16BE(96, 11);
        link.inject(nowhere, from, to);
        for (let at = 0; at + 13 <= bytes.length; at += 13 + bytes.readUInt16BE(at + 11)) {
          if (bytes.readUInt16BE(at + 3) === 0) continue;
          const forgery = Buffer.from(bytes.subarray(at, at + 13 + bytes.readUInt16BE(at + 11)));
          forgery[forgery.length - 1] = (forgery.at(-1) ?? 0) ^ 1;
          link.inject(forgery, from, to);
          forged += 1;
        }
        return datagram;
      };
      const here = peerOf('10.0.0.1', 5684);
      const options = etm ? CBC : { ...CBC, secureOptions: SSL_OP_NO_ENCRYPT_THEN_MAC };
      const server = await listenOn(link, here.address, here.port, { ...PSK_SERVER, ...options });
      let session: Buffer | undefined;
      // A full handshake, then one that resumes its session.
      for (const resumed of [false, true]) {
        forged = 0;
        const accepted = next(server, 'secureConnection');
        const client = await dial(server, {
          ...PSK_CLIENT,
          ...options,
          host: here.address,
          port: here.port,
          ca: undefined,
          session,
          transport: link.attach(`10.0.0.${resumed ? '3' : '2'}`),
        });
        const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
        expect([client.isSessionReused(), peer.isSessionReused()]).to.deep.equal([resumed, resumed]);
        expect([client.encryptThenMac, peer.encryptThenMac]).to.deep.equal([etm, etm]);
        await converse({ server, client, peer });
        session = client.getSession();
        expect(forged).to.be.at.least(6);
        for (const socket of [client, peer]) {
          expect(socket.readyState).to.equal('open');
          expect(socket.stats.badRecords).to.be.at.least(2);
          expect(socket.stats).to.include({ alertsSent: 0, alertsReceived: 0, retransmissions: 0 });
        }
      }
    });
  }
});

async function listenOn(
  link: Link,
  address: string,
  port: number,
  options: ServerOptions,
): ReturnType<typeof listen> {
  return listen({ ...options, transport: link.attach(address, port) });
}

describe('extended master secret', () => {
  afterEach(closeEverything);

  const without = { secureOptions: SSL_OP_NO_EXTENDED_MASTER_SECRET };
  const required = { requireExtendedMasterSecret: true };

  it('is used, and can be required', async () => {
    for (const options of [{}, required]) {
      const { client, peer } = await openPsk(options, options);
      expect(client.extendedMasterSecret).to.equal(true);
      expect(peer.extendedMasterSecret).to.equal(true);
    }
  });

  it('is not there when one side does not have it', async () => {
    for (const [server, client] of [
      [without, {}],
      [{}, without],
    ]) {
      const pair = await openPsk(server, client);
      expect(pair.client.extendedMasterSecret).to.equal(false);
      expect(pair.peer.extendedMasterSecret).to.equal(false);
    }
  });

  it('a server that requires it refuses a client without', async () => {
    const server = await listen({ ...PSK_SERVER, ...required });
    const refused = clientFailure(server);
    const client = await dial(server, { ...PSK_CLIENT, ...without });
    const error = await failure(client);
    expect(error.code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
    expect(await refused).to.include({
      code: 'ERR_DTLS_EXTENDED_MASTER_SECRET',
      category: 'protocol',
      alert: 'handshake_failure',
    });
    expect(server.stats.failures).to.deep.equal({ ERR_DTLS_EXTENDED_MASTER_SECRET: 1 });
  });

  it('a server that requires it, and has it switched off itself, refuses everybody', async () => {
    const server = await listen({ ...PSK_SERVER, ...required, ...without });
    const refused = clientFailure(server);
    const client = await dial(server, PSK_CLIENT);
    expect((await failure(client)).code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
    expect((await refused).code).to.equal('ERR_DTLS_EXTENDED_MASTER_SECRET');
  });

  it('a server that has it switched off itself gives no ticket', async () => {
    const { client } = await openPsk(without);
    expect(client.getTLSTicket()).to.equal(undefined);
    expect(client.getSession()).to.equal(undefined);
  });

  it('a client that requires it refuses a server without', async () => {
    const server = await listen({ ...PSK_SERVER, ...without });
    const refused = clientFailure(server);
    const client = await dial(server, { ...PSK_CLIENT, ...required });
    expect(await failure(client)).to.include({
      code: 'ERR_DTLS_EXTENDED_MASTER_SECRET',
      category: 'protocol',
      alert: 'handshake_failure',
    });
    expect((await refused).code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
  });

  // Section 5.3 has a server end such a handshake: a client that offered it would be refused each time.
  it('a session that had it is not offered without (RFC 7627 section 5.3)', async () => {
    const { server, client } = await openPsk();
    const session = client.getSession();
    expect(session).to.be.instanceOf(Buffer);
    const again = await openOn(server, { ...PSK_CLIENT, ...required, session });
    expect(again.client.isSessionReused()).to.equal(true);
    expect(again.client.extendedMasterSecret).to.equal(true);
    const lacking = await openOn(server, { ...PSK_CLIENT, ...without, session });
    expect(lacking.client.isSessionReused()).to.equal(false);
    expect(lacking.client.extendedMasterSecret).to.equal(false);
  });

  it('requireExtendedMasterSecret is a boolean', () => {
    const wrong = { ...PSK_SERVER, requireExtendedMasterSecret: 1 } as never;
    expect(() => createServer(wrong))
      .to.throw(DTLSError)
      .with.property('code', 'ERR_INVALID_ARG_TYPE');
  });
});
