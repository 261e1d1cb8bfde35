// Protects: a handshake that fails is called by its name. What the two sides lack, what a peer sent
// that nobody could use, and what a busy event loop must not be mistaken for.
import { expect } from 'chai';
import { constants } from 'node:crypto';
import { connect, createSecureContext, createServer } from '../../lib/index';
import type { ConnectOptions, DTLSError, DTLSServer, ServerOptions } from '../../lib/index';
import {
  handshakeTypes,
  readFragment,
  readRecords,
  writeFragment,
  writeRecord,
  type WireFragment,
  type WireRecord,
} from '../fault/support';
import { Capture } from '../helpers/capture';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  next,
  openOn,
  portOf,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
} from '../helpers/pair';
import { patience } from '../helpers/patience';
import { thrown } from '../helpers/thrown';

const SERVER_HELLO = 2;
const CLIENT_KEY_EXCHANGE = 16;
const CHANGE_CIPHER_SPEC = 20;
const ALERT = 21;
const RENEGOTIATION_INFO = 0xff01;

const captures: Capture[] = [];

async function captureTo(server: DTLSServer): Promise<Capture> {
  const capture = await Capture.to(portOf(server));
  captures.push(capture);
  return capture;
}

/** How both ends of a handshake fail that cannot succeed. */
async function failing(
  serverOptions: ServerOptions,
  clientOptions: Partial<ConnectOptions>,
): Promise<{ server: DTLSError; client: DTLSError }> {
  const one = await listen(serverOptions);
  const server = clientFailure(one);
  const client = await dial(one, clientOptions);
  const [atServer, atClient] = await Promise.all([server, failure(client)]);
  return { server: atServer, client: atClient };
}

/** A datagram with other records in place of those that it has; null keeps one. */
function edited(
  datagram: Buffer,
  edit: (record: WireRecord) => readonly WireRecord[] | null,
): Buffer[] {
  const records = readRecords(datagram).flatMap((record) => edit(record) ?? [record]);
  return records.length === 0 ? [] : [Buffer.concat(records.map(writeRecord))];
}

/** A datagram whose messages of one type have become something else. */
const withMessages = (
  datagram: Buffer,
  type: number,
  edit: (fragment: WireFragment) => Buffer,
): Buffer[] =>
  edited(datagram, (record) => {
    const fragment = readFragment(record);
    return fragment?.type === type ? [{ ...record, body: edit(fragment) }] : null;
  });

/** A ServerHello as a server sends it that does not know RFC 5746. */
function withoutRenegotiationInfo(fragment: WireFragment): Buffer {
  const { body } = fragment;
  const extensionsAt = 2 + 32 + 1 + body.readUInt8(34) + 2 + 1;
  const kept: Buffer[] = [];
  for (let at = extensionsAt + 2; at < body.length; ) {
    const end = at + 4 + body.readUInt16BE(at + 2);
    if (body.readUInt16BE(at) !== RENEGOTIATION_INFO) kept.push(body.subarray(at, end));
    at = end;
  }
  const extensions = Buffer.concat(kept);
  const size = Buffer.alloc(2);
  size.writeUInt16BE(extensions.length);
  const shorter = Buffer.concat([body.subarray(0, extensionsAt), size, extensions]);
  return writeFragment({ ...fragment, messageLength: shorter.length, body: shorter });
}

const short = { handshakeTimeout: patience(300) };

/** A datagram whose fatal alert has become another one. */
const withAlert = (datagram: Buffer, description: number): Buffer[] =>
  edited(datagram, (record) =>
    record.type === ALERT ? [{ ...record, body: Buffer.from([2, description]) }] : null,
  );

describe('a handshake that fails', () => {
  afterEach(async () => {
    await closeEverything();
    await Promise.all(captures.splice(0).map((capture) => capture.close()));
  });

  for (const [credentials, server, client] of [
    ['a certificate', async () => withCertificate(), {}],
    ['a key alone', () => Promise.resolve({ psk: PSK }), { psk: PSK }],
  ] as const) {
    it(`with a server of DTLS 1.0 alone that has ${credentials} names versions among the causes`, async () => {
      const old = { minVersion: 'DTLSv1', maxVersion: 'DTLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const;
      const failed = await failing({ ...(await server()), ...old }, client);
      expect(failed.server.message).to.include('would need DTLSv1.2');
      expect(failed.client.code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
      expect(failed.client.hint).to.match(/versions/).and.match(/DTLS 1\.0/);
    });
  }

  describe('for want of a client certificate says so to the client,', () => {
    const DEMANDED = /demands a certificate of its clients and got none: pass 'cert' and 'key'/;

    for (const [alert, description] of [
      ['HANDSHAKE_FAILURE', 40],
      ['NO_CERTIFICATE', 41],
      ['BAD_CERTIFICATE', 42],
      ['CERTIFICATE_UNKNOWN', 46],
      ['UNKNOWN_CA', 48],
      ['CERTIFICATE_REQUIRED', 116],
    ] as const) {
      it(`whose alert is ${alert.toLowerCase()}`, async () => {
        const { cert, key, ca } = await certificate();
        const server = await listen({ cert, key, ca, requestCert: true });
        const capture = await captureTo(server);
        capture.forward = (data, fromClient) => (fromClient ? [data] : withAlert(data, description));
        const error = await failure(await dial(server, { port: capture.port }));
        expect(error.code).to.equal(`ERR_DTLS_ALERT_${alert}`);
        expect(error.message).to.include('the server asked for a certificate, and this side has none');
        expect(error.hint).to.match(DEMANDED);
      });
    }

    it('whose server says nothing', async () => {
      const { cert, key, ca } = await certificate();
      const server = await listen({ cert, key, ca, requestCert: true });
      const capture = await captureTo(server);
      capture.forward = (data, fromClient) => (fromClient ? [data] : edited(data, (record) => (record.type === ALERT ? [] : null)));
      const error = await failure(await dial(server, { ...short, port: capture.port }));
      expect(error.code).to.equal('ERR_DTLS_HANDSHAKE_TIMEOUT');
      expect(error.message).to.include('the server asked for a certificate, and this side has none');
      expect(error.hint).to.match(DEMANDED);
    });

    it('which has one of a kind that the server does not take', async () => {
      const { cert, key, ca } = await certificate();
      const own = await certificate({ keyType: 'rsa-2048' });
      const { client, server } = await failing(
        { cert, key, ca, requestCert: true, sigalgs: 'ECDSA+SHA256' },
        { cert: own.cert, key: own.key },
      );
      expect(server.code).to.equal('ERR_DTLS_PEER_CERTIFICATE_MISSING');
      expect(client.message).to.include('takes none of the kind that this side has');
      expect(client.hint).to.match(DEMANDED);
    });

    it('and to none that gave one, or was not asked', async () => {
      const { cert, key, ca } = await certificate();
      const asked = await listen({ cert, key, ca, requestCert: true });
      const capture = await captureTo(asked);
      const stranger = await certificate();
      capture.forward = (data, fromClient) => (fromClient ? [data] : withAlert(data, 40));
      const given = await dial(asked, { port: capture.port, cert: stranger.cert, key: stranger.key, checkServerIdentity: () => new Error('no') });
      expect((await failure(given)).hint).to.not.match(DEMANDED);
      const { client } = await failing(PSK_SERVER, {});
      expect(client.code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
      expect(client.hint).to.not.match(DEMANDED);
    });
  });

  describe('for want of a cipher suite names what is missing:', () => {
    it('certificates, where the server has only pre-shared keys', async () => {
      const { server } = await failing(PSK_SERVER, {});
      expect(server.code).to.equal('ERR_DTLS_NO_SHARED_CIPHER');
      expect(server.message)
        .to.match(/ECDHE-ECDSA-AES128-GCM-SHA256\S* would need a certificate with an ECDSA key/)
        .and.match(/ECDHE-RSA-AES128-GCM-SHA256\S* would need a certificate with an RSA key/)
        .and.include('keys of this side: none');
    });

    it('a certificate with the other type of key', async () => {
      const { cert, key } = await certificate({ keyType: 'rsa-2048' });
      const { server } = await failing(
        { cert, key, ciphers: 'ALL' },
        { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
      );
      expect(server.code).to.equal('ERR_DTLS_NO_SHARED_CIPHER');
      expect(server.message)
        .to.include('would need a certificate with an ECDSA key')
        .and.include('keys of this side: RSA');
    });

    it('pre-shared keys, where the server has a certificate', async () => {
      const { cert, key } = await certificate();
      const { server } = await failing(
        { cert, key, ciphers: 'ALL' },
        { ...PSK_CLIENT, ciphers: 'PSK-AES128-GCM-SHA256' },
      );
      expect(server.code).to.equal('ERR_DTLS_NO_SHARED_CIPHER');
      expect(server.message).to.match(/PSK\S* would need a pre-shared key/);
    });

    it('Diffie-Hellman parameters', async () => {
      const ciphers = 'DHE-RSA-AES128-GCM-SHA256';
      const { cert, key } = await certificate({ keyType: 'rsa-2048' });
      const { server } = await failing({ cert, key, ciphers }, { ciphers });
      expect(server.code).to.equal('ERR_DTLS_NO_SHARED_CIPHER');
      expect(server.message)
        .to.include(`${ciphers} would need Diffie-Hellman parameters ('dhparam')`)
        .and.not.include('sigalgs');
    });

    it('a signature algorithm', async () => {
      const ciphers = 'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256';
      const { cert, key } = await certificate({ keyType: 'rsa-2048' });
      const { server } = await failing(
        { cert, key, ciphers, dhparam: 'auto', sigalgs: 'ECDSA+SHA256:RSA+SHA512' },
        { ciphers, sigalgs: 'ECDSA+SHA256:RSA+SHA256' },
      );
      expect(server.code).to.be.oneOf(['ERR_DTLS_NO_SHARED_PARAMETERS', 'ERR_DTLS_NO_SHARED_CIPHER']);
      expect(server.message)
        .to.match(/signature algorithm/)
        .and.not.include('dhparam');
    });

    it('a lower security level', async () => {
      const { server } = await failing(
        { ...PSK_SERVER, ciphers: 'PSK-AES128-GCM-SHA256:PSK-NULL-SHA256' },
        { ...PSK_CLIENT, ciphers: 'PSK-NULL-SHA256:@SECLEVEL=0' },
      );
      expect(server.code).to.equal('ERR_DTLS_NO_SHARED_CIPHER');
      expect(server.message).to.include("PSK-NULL-SHA256 would need a lower security level ('@SECLEVEL=0' in 'ciphers')");
    });

    it('on a client, of its own list: a key, a level', async () => {
      const mixed = 'PSK-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-NULL-SHA';
      const { client } = await failing(PSK_SERVER, { ciphers: mixed });
      expect(client.message)
        .to.include('this side offers ECDHE-ECDSA-AES128-GCM-SHA256;')
        .and.include("its pre-shared key suites would need a key ('psk' or 'pskCallback')")
        .and.include("ECDHE-ECDSA-NULL-SHA would need '@SECLEVEL=0'");
    });

    it('on a client, of its own list: signature algorithms', async () => {
      const { cert, key } = await certificate({ keyType: 'rsa-2048' });
      const server = await listen({ cert, key });
      const ciphers = 'ECDHE-RSA-AES128-GCM-SHA256';
      const error = await failure(await dial(server, { ciphers, sigalgs: 'ECDSA+SHA256' }));
      expect(error.code).to.equal('ERR_DTLS_NO_SHARED_CIPHER');
      expect(error.message).to.include(`${ciphers} would need other 'sigalgs'`);
    });

    it('a group', async () => {
      const { cert, key } = await certificate();
      const { server } = await failing({ cert, key, ecdhCurve: 'P-384' }, { ecdhCurve: 'X25519' });
      expect(server.code).to.equal('ERR_DTLS_NO_SHARED_PARAMETERS');
      expect(server.message)
        .to.include('would need a group that both sides have')
        .and.include('groups of the client: X25519');
    });

    it("the curve of the certificate's key", async () => {
      const { cert, key } = await certificate();
      const { server } = await failing(
        { cert, key, ecdhCurve: 'X25519', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
        { ecdhCurve: 'X25519' },
      );
      expect(server.code).to.equal('ERR_DTLS_NO_SHARED_PARAMETERS');
      expect(server.message)
        .to.include('would need an ECDSA key on a curve that the client has')
        .and.include('keys of this side: ECDSA on P-256');
    });
  });

  describe('because DTLS 1.0 needs @SECLEVEL=0 says so:', () => {
    const old = { minVersion: 'DTLSv1', maxVersion: 'DTLSv1' } as const;

    it('a client, a server and a context that have nothing else, before any handshake', async () => {
      const { cert, key } = await certificate();
      for (const make of [
        () => connect({ port: 1, ...old }),
        () => createServer({ cert, key, ...old }),
        () => createSecureContext(old),
        () => createSecureContext({ ...old, ciphers: 'DEFAULT' }),
      ]) {
        const error = thrown(make);
        expect(error).to.include({ code: 'ERR_DTLS_INVALID_CIPHERS', category: 'usage' });
        expect(error.message).to.include("DTLSv1 needs '@SECLEVEL=0' in 'ciphers'");
        expect(error.hint).to.include("'DEFAULT:@SECLEVEL=0'");
      }
      const suites = thrown(() => createSecureContext({ ...old, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0' }));
      expect(suites.code).to.equal('ERR_DTLS_INVALID_CIPHERS');
      expect(suites.message).to.include('DTLSv1 has none of them');
      createSecureContext({ ...old, ciphers: 'DEFAULT:@SECLEVEL=0' });
    });

    it('a server', async () => {
      const { cert, key } = await certificate();
      const { server } = await failing(
        { cert, key, minVersion: 'DTLSv1' },
        { ...old, ciphers: 'DEFAULT:@SECLEVEL=0' },
      );
      expect(server.code).to.equal('ERR_DTLS_VERSION_MISMATCH');
      expect(server.message).to.include("DTLSv1 needs '@SECLEVEL=0' in 'ciphers'");
    });
  });

  it('for want of secure renegotiation names the cure', async () => {
    const server = await listen(PSK_SERVER);
    const capture = await captureTo(server);
    capture.forward = (data, fromClient) =>
      fromClient ? [data] : withMessages(data, SERVER_HELLO, withoutRenegotiationInfo);
    const error = await failure(await dial(server, { ...PSK_CLIENT, port: capture.port }));
    expect(error).to.include({ code: 'ERR_DTLS_UNSAFE_RENEGOTIATION', category: 'protocol' });
    expect(error.hint).to.include('SSL_OP_LEGACY_SERVER_CONNECT');
    // With it the client goes on, to find that somebody has changed the ServerHello.
    const secureOptions = constants.SSL_OP_LEGACY_SERVER_CONNECT;
    const goingOn = await dial(server, { ...PSK_CLIENT, ...short, secureOptions, port: capture.port });
    expect((await failure(goingOn)).code).to.not.equal('ERR_DTLS_UNSAFE_RENEGOTIATION');
  });

  describe('after an encrypted alert in place of Finished does not speak of a wrong key:', () => {
    const protectedAsAlert = (record: WireRecord): readonly WireRecord[] | null =>
      record.epoch === 0 ? null : [{ ...record, type: ALERT }];

    it('a server', async () => {
      const server = await listen({ ...PSK_SERVER, ...short });
      const capture = await captureTo(server);
      capture.forward = (data, fromClient) =>
        fromClient ? edited(data, protectedAsAlert) : [data];
      const failed = clientFailure(server);
      await dial(server, { ...PSK_CLIENT, handshakeTimeout: 0, port: capture.port });
      expect((await failed).code).to.equal('ERR_DTLS_HANDSHAKE_TIMEOUT');
    });

    it('a client', async () => {
      const server = await listen(PSK_SERVER);
      const capture = await captureTo(server);
      capture.forward = (data, fromClient) =>
        fromClient
          ? [data]
          : edited(data, (record) =>
              record.type === CHANGE_CIPHER_SPEC ? [] : protectedAsAlert(record),
            );
      const client = await dial(server, { ...PSK_CLIENT, ...short, port: capture.port });
      expect((await failure(client)).code).to.equal('ERR_DTLS_HANDSHAKE_TIMEOUT');
    });
  });

  describe('for fragments that no honest peer sends has a reason:', () => {
    const BEYOND = 'a fragment reaches past the end of its message or its record';
    const EMPTY = 'a fragment of a message has no bytes';
    const beyond = (fragment: WireFragment): Buffer => writeFragment({ ...fragment, messageLength: 5 });
    const empty = (fragment: WireFragment): Buffer =>
      writeFragment({ ...fragment, body: Buffer.alloc(0) });

    for (const [what, edit, reason] of [
      ['past the end of their message', beyond, BEYOND],
      ['without bytes', empty, EMPTY],
    ] as const) {
      it(`${what}, of a client`, async () => {
        const server = await listen(PSK_SERVER);
        const capture = await captureTo(server);
        capture.forward = (data, fromClient) =>
          fromClient ? [data] : withMessages(data, SERVER_HELLO, edit);
        const client = await dial(server, { ...PSK_CLIENT, ...short, port: capture.port });
        const error = await failure(client);
        expect(error.code).to.equal('ERR_DTLS_HANDSHAKE_TIMEOUT');
        expect(error.message).to.include(reason);
      });

      it(`${what}, of a server`, async () => {
        const server = await listen({ ...PSK_SERVER, ...short });
        const capture = await captureTo(server);
        capture.forward = (data, fromClient) =>
          fromClient ? withMessages(data, CLIENT_KEY_EXCHANGE, edit) : [data];
        const failed = clientFailure(server);
        await dial(server, { ...PSK_CLIENT, handshakeTimeout: 0, port: capture.port });
        const error = await failed;
        expect(error.code).to.equal('ERR_DTLS_HANDSHAKE_TIMEOUT');
        expect(error.message).to.include(reason);
      });
    }

    for (const [what, second, reason] of [
      ['without bytes', (): Buffer => Buffer.alloc(0), EMPTY],
      [
        'that contradict',
        (body: Buffer): Buffer => Buffer.alloc(body.length, 0x55),
        'two fragments of one message have different bytes for the same place',
      ],
    ] as const) {
      it(`${what}, of a ClientHello`, async () => {
        const server = await listen({ ...PSK_SERVER, ...short });
        const capture = await captureTo(server);
        let hellos = 0;
        capture.forward = (data, fromClient) => {
          if (!fromClient || !handshakeTypes(data).includes(1) || ++hellos === 1) return [data];
          const [record] = readRecords(data);
          const fragment = record === undefined ? undefined : readFragment(record);
          if (record === undefined || fragment === undefined) return [data];
          const front = fragment.body.subarray(0, 80);
          return [
            { ...fragment, body: front },
            { ...fragment, offset: 70, body: second(fragment.body.subarray(70, 80)) },
          ].map((part) => writeRecord({ ...record, body: writeFragment(part) }));
        };
        const failed = clientFailure(server);
        await dial(server, { ...PSK_CLIENT, handshakeTimeout: 0, port: capture.port });
        expect((await failed).message).to.include(reason);
      });
    }
  });
});

describe('a busy event loop', () => {
  afterEach(closeEverything);

  const stall = (milliseconds: number): void => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
  };

  it('past the deadline first reads what has come in time', async () => {
    const server = await listen(PSK_SERVER);
    const handshakeTimeout = patience(300);
    // The server's last flight has left when it says so, and waits in the client's socket.
    server.once('secureConnection', () => {
      stall(handshakeTimeout + 50);
    });
    const client = await dial(server, { ...PSK_CLIENT, handshakeTimeout });
    await next(client, 'secureConnect');
  });

  it('past an idle timeout first reads the message that has come in time', async () => {
    const server = await listen(PSK_SERVER);
    const idleTimeout = patience(300);
    const { client, peer } = await openOn(server, { ...PSK_CLIENT, idleTimeout });
    const arrived = next(client, 'message');
    peer.send('in time', () => {
      stall(idleTimeout + 50);
    });
    expect((await arrived)[0].toString()).to.equal('in time');
  });
});
