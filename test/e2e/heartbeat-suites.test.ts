// Protects heartbeats in every AEAD suite that OpenSSL has, in full handshakes and in sessions that were
// resumed by ticket and by id: the record keys that are derived beside OpenSSL are the right ones each
// time, and messages go on around them.
import { expect } from 'chai';
import { constants } from 'node:crypto';
import type { ConnectOptions, DTLSServer, DTLSSocket, ServerOptions } from '../../lib/index';
import type { KeyType } from '../helpers/certificates';
import {
  certificate,
  closeEverything,
  listen,
  messages,
  openOn,
  PSK_CLIENT,
  PSK_SERVER,
  type Pair,
} from '../helpers/pair';

const AES_GCM = ['AES128-GCM-SHA256', 'AES256-GCM-SHA384'];
const AES_CCM = ['AES128-CCM', 'AES256-CCM', 'AES128-CCM8', 'AES256-CCM8'];
const ARIA_GCM = ['ARIA128-GCM-SHA256', 'ARIA256-GCM-SHA384'];
const CHACHA = ['CHACHA20-POLY1305'];
const EVERY = [...AES_GCM, ...AES_CCM, ...ARIA_GCM, ...CHACHA];

/**
 * All of ciphers(1) but those without authentication, and those with DSS keys, which nobody has. RFC 7905
 * and RFC 6655 leave some combinations out; OpenSSL calls two of ECDHE-RSA otherwise.
 */
const SUITES: readonly [prefix: string, bulk: readonly string[], key: KeyType | undefined, psk: boolean][] = [
  ['ECDHE-ECDSA-', EVERY, 'ecdsa-p256', false],
  ['ECDHE-RSA-', [...AES_GCM, ...CHACHA], 'rsa-2048', false],
  ['ECDHE-', ARIA_GCM, 'rsa-2048', false],
  ['DHE-RSA-', EVERY, 'rsa-2048', false],
  ['', [...AES_GCM, ...AES_CCM, ...ARIA_GCM], 'rsa-2048', false],
  ['PSK-', EVERY, undefined, true],
  ['DHE-PSK-', EVERY, undefined, true],
  ['RSA-PSK-', [...AES_GCM, ...ARIA_GCM, ...CHACHA], 'rsa-2048', true],
  ['ECDHE-PSK-', CHACHA, undefined, true],
];

const WAYS: readonly [string, number][] = [
  ['by ticket', 0],
  ['by id', constants.SSL_OP_NO_TICKET],
];

function keepSessions(server: DTLSServer): void {
  const sessions = new Map<string, Buffer>();
  server.on('newSession', (id, session, callback) => {
    sessions.set(id.toString('hex'), session);
    callback();
  });
  server.on('resumeSession', (id, callback) => {
    callback(null, sessions.get(id.toString('hex')));
  });
}

async function says(from: DTLSSocket, to: DTLSSocket, text: string): Promise<void> {
  const arrived = messages(to, 1);
  from.send(text);
  expect(String((await arrived)[0])).to.equal(text);
}

/** Both sides ask, with messages before, between and after. */
async function beats({ client, peer }: Pair): Promise<void> {
  await says(client, peer, 'before');
  for (const [round, socket] of [client, peer, client].entries()) {
    const { payload } = await socket.heartbeat(`payload ${round}`);
    expect(payload.toString()).to.equal(`payload ${round}`);
    await says(client, peer, `to the server ${round}`);
    await says(peer, client, `to the client ${round}`);
  }
  for (const { stats } of [client, peer]) {
    expect(stats).to.include({ heartbeatsSent: 3, heartbeatsReceived: 3, heartbeatsDiscarded: 0 });
    expect(stats).to.include({ badRecords: 0, discardedRecords: 0, replays: 0 });
  }
}

describe('heartbeats in', () => {
  afterEach(closeEverything);

  for (const [prefix, bulk, keyType, psk] of SUITES) {
    for (const name of bulk.map((one) => prefix + one)) {
      it(`${name}, resumed by ticket and by id`, async () => {
        const { cert, key } = keyType === undefined ? {} : await certificate({ keyType });
        // Level 0: CCM-8 wants it. A busy machine is not to make anything be sent again.
        const common = { heartbeat: { timeout: 5000 }, ciphers: `${name}:@SECLEVEL=0` };
        const options: ServerOptions = {
          ...common,
          ...(psk ? PSK_SERVER : {}),
          ...(cert === undefined ? {} : { cert, key }),
          ...(prefix.startsWith('DHE-') ? { dhparam: 'auto' } : {}),
        };
        const server = await listen(options);
        keepSessions(server);
        for (const [way, secureOptions] of WAYS) {
          const mine: Partial<ConnectOptions> = { ...common, secureOptions, ...(psk ? PSK_CLIENT : {}) };
          const first = await openOn(server, mine);
          expect(first.client.getCipher()?.name, way).to.equal(name);
          await beats(first);
          const session = first.client.getSession();
          first.client.close();
          const again = await openOn(server, { ...mine, session });
          expect([again.client.isSessionReused(), again.peer.isSessionReused()], way).to.deep.equal([
            true,
            true,
          ]);
          expect(again.client.getTLSTicket() !== undefined).to.equal(way === 'by ticket');
          await beats(again);
        }
      });
    }
  }
});
