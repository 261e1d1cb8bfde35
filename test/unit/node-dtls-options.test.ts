/**
 * Protects: that `dgram-dtls/node-dtls` forgets no option of a server by accident. It has the options of `node:dtls`, and
 * what else bounds what strangers can take of a server; what makes more of a session than `node:dtls` has stays out.
 */
import { expect } from 'chai';
import { listen } from '../../lib/node-dtls/index';
import { CONTEXT_OPTIONS, SERVER_OPTIONS } from '../../lib/checks/option-names';

/** What it is called there. */
const HAS: Readonly<Record<string, string>> = {
  secureContext: 'secureContext',
  rejectUnauthorized: 'rejectUnauthorized',
  requestCert: 'requestCert',
  srtpProfiles: 'srtp',
  ALPNProtocols: 'alpn',
  SNICallback: 'sni',
  psk: 'psk',
  pskIdentityHint: 'pskIdentityHint',
  mtu: 'mtu',
  ipv6Only: 'ipv6Only',
  reusePort: 'reusePort',
  recvBufferSize: 'udpReceiveBufferSize',
  sendBufferSize: 'udpSendBufferSize',
  handshakeTimeout: 'handshakeTimeout',
  // Beyond `node:dtls`: limits.
  maxSessions: 'maxSessions',
  maxSessionsPerHost: 'maxSessionsPerHost',
  maxPendingHandshakes: 'maxPendingHandshakes',
  maxPendingHandshakesPerHost: 'maxPendingHandshakesPerHost',
  blockList: 'blockList',
  idleTimeout: 'idleTimeout',
};

const LEFT_OUT: Readonly<Record<string, string>> = {
  peerFingerprints: 'another way to trust: the main entry has it',
  peerPublicKeys: 'another way to trust: the main entry has it',
  pskCallback: '`psk` is a function there',
  ALPNCallback: 'a list there',
  requireExtendedMasterSecret: 'what a handshake may be is as there',
  retransmission: 'as RFC 6347 has it',
  peers: 'one rule for all there',
  cookieExchange: 'always on there',
  cookieLifetime: 'its default',
  cookieSecret: 'drawn at random',
  borrowMessages: 'messages are kept',
  copyMessages: 'messages are kept',
  replayWindow: 'its default: there is no word for another there',
  heartbeat: 'not there',
  qlogDir: 'the environment variable does it',
  certificateExpiryNotice: 'an event, of which there are none',
  transport: 'the socket is its own',
  reuseAddr: '`reusePort` is there',
  signal: '`close` and `destroy` end it',
};

describe('options of node-dtls', () => {
  it('each option of a server is there, or is left out for a reason', () => {
    const all = SERVER_OPTIONS.filter((name) => !(CONTEXT_OPTIONS as readonly string[]).includes(name));
    expect([...Object.keys(HAS), ...Object.keys(LEFT_OUT)].sort()).to.deep.equal([...new Set<string>(all)].sort());
  });

  for (const [name, there] of Object.entries(HAS)) {
    it(`${name}: what is no value of ${there} is refused by that name`, () => {
      const wrong = { [there]: 1.5 };
      expect(() =>
        listen(() => undefined, { port: 0, host: '127.0.0.1', psk: { a: Buffer.from('b') }, ...wrong }),
      ).to.throw(new RegExp(`\\b${there}\\b`));
    });
  }
});
