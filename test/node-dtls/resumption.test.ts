// Protects resumption in the shape of `node:dtls`: what `session.session` gives, to whom it can be given back, what
// is refused and how, and `session.reused`.
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { DTLSConnectOptions, DTLSEndpoint, DTLSListenOptions, DTLSSession } from '../../lib/node-dtls/index';
import { createAuthority } from '../helpers/certificates';
import { within } from '../helpers/pair';
import { certificate, closeAll, connect, HOST, KEY, listen, message, open, PSK, rejection, thrown } from './support';

const psk = { [PSK.identity]: KEY };
const NAMES = ['device.example', 'other.example'] as const;

interface Accepting {
  readonly endpoint: DTLSEndpoint;
  /** The server's end of the session that was opened last. */
  readonly last: () => DTLSSession | undefined;
}

function accepting(options: Partial<DTLSListenOptions>): Accepting {
  const sessions: DTLSSession[] = [];
  const endpoint = listen(options, (session) => sessions.push(session));
  return { endpoint, last: () => sessions.at(-1) };
}

async function opened(endpoint: DTLSEndpoint, options: DTLSConnectOptions): Promise<DTLSSession> {
  const client = connect(endpoint, options);
  await within(client.opened, 'the handshake');
  return client;
}

/** What a first connection leaves to be kept. */
async function kept(endpoint: DTLSEndpoint, options: DTLSConnectOptions): Promise<Buffer> {
  const client = await opened(endpoint, options);
  const { session } = client;
  await client.close();
  if (session === undefined) throw new Error('there is no session to keep');
  return session;
}

describe('node-dtls: session resumption', () => {
  let ca: string;
  before(async () => {
    ca = (await createAuthority()).certificatePem;
  });
  afterEach(closeAll);

  it('a client reads session.session once the session is open and passes it to a later connect', async () => {
    const { cert, key } = await certificate(...NAMES);
    const { endpoint, last } = accepting({ cert, key });
    const options = { ca, servername: NAMES[0] };
    const first = await opened(endpoint, options);
    expect(first.reused).to.equal(false);
    const session = first.session;
    expect(session).to.be.an.instanceOf(Buffer);
    await first.close();

    const second = await opened(endpoint, { ...options, session });
    expect(second.reused).to.equal(true);
    expect(second.authorized).to.equal(true);
    expect(second.peerX509Certificate?.subject).to.equal('CN=server');
    const server = last();
    if (server === undefined) throw new Error('onsession was not called');
    await within(server.opened, "the server's end");
    expect(server.reused).to.equal(true);
    const arrived = message(server);
    second.send('resumed');
    expect(await arrived).to.equal('resumed');
  });

  it('session is undefined on a server session, before the handshake completes, and after the end', async () => {
    const endpoint = listen({ psk });
    const early = connect(endpoint, { psk: PSK });
    expect(early.session).to.equal(undefined);
    const { client, server } = await open();
    expect(server.session).to.equal(undefined);
    expect(client.session).to.be.an.instanceOf(Buffer);
    await client.close();
    expect(client.session).to.equal(undefined);
  });

  it('reused reads false before the handshake and once the session is closed', async () => {
    const { endpoint } = accepting({ psk });
    const session = await kept(endpoint, { psk: PSK });
    const client = connect(endpoint, { psk: PSK, session });
    expect(client.reused).to.equal(false);
    await within(client.opened, 'the handshake');
    expect(client.reused).to.equal(true);
    await client.close();
    expect(client.reused).to.equal(false);
  });

  it('the blob is the prefix, the length of the identity, the identity, and DER', async () => {
    const { cert, key } = await certificate(...NAMES);
    const session = await kept(listen({ cert, key }), { ca, servername: NAMES[0] });
    const prefix = Buffer.from('\0nodejs:dtls:session:1\0');
    expect(session.subarray(0, prefix.length)).to.deep.equal(prefix);
    expect(session.readUInt16BE(prefix.length)).to.equal(NAMES[0].length);
    const identity = session.subarray(prefix.length + 2);
    expect(identity.toString('latin1', 0, NAMES[0].length)).to.equal(NAMES[0]);
    expect(identity.readUInt8(NAMES[0].length)).to.equal(0x30); // a SEQUENCE
  });

  it('a session the server will not accept is not an error: the handshake proceeds in full', async () => {
    const one = accepting({ psk });
    const other = accepting({ psk });
    const session = await kept(one.endpoint, { psk: PSK });
    const client = await opened(other.endpoint, { psk: PSK, session });
    expect(client.reused).to.equal(false);
  });

  it('with the same ticketKeys tickets are resumed by every endpoint', async () => {
    const ticketKeys = randomBytes(80);
    const one = accepting({ psk, ticketKeys });
    const other = accepting({ psk, ticketKeys });
    const session = await kept(one.endpoint, { psk: PSK });
    expect((await opened(other.endpoint, { psk: PSK, session })).reused).to.equal(true);
  });

  it('a session that is used for another identity throws, and says so', async () => {
    const { cert, key } = await certificate(...NAMES);
    const { endpoint } = accepting({ cert, key });
    const session = await kept(endpoint, { ca, servername: NAMES[0] });
    const byName = thrown(() => connect(endpoint, { ca, servername: NAMES[1], session }));
    expect(byName.code).to.equal('ERR_INVALID_ARG_VALUE');
    expect(byName.message).to.include(
      `was authenticated for '${NAMES[0]}' and cannot be reused for '${NAMES[1]}'`,
    );
    // Without a servername the identity is the host.
    const byHost = thrown(() => connect(endpoint, { ca, session }));
    expect(byHost.message).to.include(`cannot be reused for '${HOST}'`);
  });

  it("with servername '' the identity is the host", async () => {
    const { cert, key } = await certificate(...NAMES);
    const { endpoint } = accepting({ cert, key });
    const session = await kept(endpoint, { ca, servername: '' });
    expect((await opened(endpoint, { ca, servername: '', session })).reused).to.equal(true);
    expect((await opened(endpoint, { ca, session })).reused).to.equal(true);
  });

  it('resumption inherits no trust: what would not verify now is verified again', async () => {
    const { cert, key } = await certificate(...NAMES);
    const { endpoint } = accepting({ cert, key });
    const session = await kept(endpoint, { ca, servername: NAMES[0] });
    const { certificatePem: stranger } = await createAuthority('another authority');
    const client = connect(endpoint, { ca: stranger, servername: NAMES[0], session });
    expect((await rejection(client.opened)).message).to.include(
      'Peer certificate verification failed: UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    );
  });

  it('a session earned without verification cannot be spent with it', async () => {
    const { cert, key } = await certificate();
    const { endpoint } = accepting({ cert, key });
    const session = await kept(endpoint, { rejectUnauthorized: false });
    const lax = await opened(endpoint, { rejectUnauthorized: false, session });
    expect(lax.reused).to.equal(true);
    expect(lax.authorized).to.equal(false);
    expect(lax.authorizationError).to.equal('UNABLE_TO_GET_ISSUER_CERT_LOCALLY');
    const strict = connect(endpoint, { session });
    const error = await rejection(strict.opened);
    expect(error.code).to.equal('ERR_INVALID_STATE');
    expect(error.message).to.include('Peer certificate verification failed: UNABLE_TO_GET_ISSUER_CERT_LOCALLY');
    await within(strict.endpoint.closed, "the session's endpoint");
  });

  it('a session of another type is ERR_INVALID_ARG_TYPE, a TypedArray too', () => {
    for (const session of ['session', 1, null, {}, new Uint8Array(100)]) {
      const error = thrown(() => connect(5684, { psk: PSK, session: session as Buffer }));
      expect(error.code, typeof session).to.equal('ERR_INVALID_ARG_TYPE');
    }
  });

  it('what session.session never gave is ERR_INVALID_ARG_VALUE, however it was cut', async () => {
    const session = await kept(listen({ psk }), { psk: PSK });
    const others = [Buffer.alloc(0), randomBytes(300), session.subarray(1), Buffer.concat([session, Buffer.alloc(1)])];
    for (let length = 0; length < session.length; length += 5) others.push(session.subarray(0, length));
    for (const other of others) {
      const error = thrown(() => connect(5684, { psk: PSK, session: other }));
      expect(error.code, `${other.length} bytes`).to.equal('ERR_INVALID_ARG_VALUE');
    }
  });
});
