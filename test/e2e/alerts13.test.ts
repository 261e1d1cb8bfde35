// Protects: that each alert of RFC 8446 section 6 which a peer sends in a handshake of DTLS 1.3 is one typed error with a
// hint, on both sides; that the two which are no errors are none; and that an open session, which has keys, hears of none
// in clear.
import { expect } from 'chai';
import type { DTLSError, DTLSSocket } from '../../lib/index';
import { converse } from '../helpers/exchange';
import { describe13, DTLS13 } from '../helpers/dtls13';
import { clientFailure, closeEverything, dial, failure, listen, next, openOn, portOf, withCertificate } from '../helpers/pair';
import { Relay } from '../helpers/relay';

const CLOSE_NOTIFY = 0;
const USER_CANCELED = 90;
/** RFC 8446 section 6.2, and what it keeps of TLS 1.2 for servers that both have. */
const ALERTS: Readonly<Record<number, string>> = {
  10: 'unexpected_message',
  20: 'bad_record_mac',
  22: 'record_overflow',
  40: 'handshake_failure',
  42: 'bad_certificate',
  43: 'unsupported_certificate',
  44: 'certificate_revoked',
  45: 'certificate_expired',
  46: 'certificate_unknown',
  47: 'illegal_parameter',
  48: 'unknown_ca',
  49: 'access_denied',
  50: 'decode_error',
  51: 'decrypt_error',
  70: 'protocol_version',
  71: 'insufficient_security',
  80: 'internal_error',
  86: 'inappropriate_fallback',
  109: 'missing_extension',
  110: 'unsupported_extension',
  112: 'unrecognized_name',
  113: 'bad_certificate_status_response',
  115: 'unknown_psk_identity',
  116: 'certificate_required',
  120: 'no_application_protocol',
};

/** In clear, as all are before there are keys. The level says nothing: RFC 8446 section 6. */
const alert = (description: number, level = 2): Buffer =>
  Buffer.concat([Buffer.from('15fefd', 'hex'), Buffer.alloc(7), Buffer.from([9, 0, 2, level, description])]);
const isUnderKeys = (datagram: Buffer): boolean => (datagram.readUInt8(0) & 0xe0) === 0x20;

describe13('alerts of DTLS 1.3', function () {
  this.timeout(60_000);
  const relays: Relay[] = [];

  afterEach(async () => {
    await closeEverything();
    for (const relay of relays.splice(0)) relay.close();
  });

  async function relayTo(port: number): Promise<Relay> {
    const relay = await Relay.to(port);
    relays.push(relay);
    return relay;
  }

  function expectAlert(error: DTLSError, name: string): void {
    expect(error.code, name).to.equal(`ERR_DTLS_ALERT_${name.toUpperCase()}`);
    expect(error, name).to.include({ alert: name });
    expect(error.message, name).to.include(name);
    expect(error.hint, name).to.be.a('string').and.not.equal('');
    expect(error.category, name).to.not.equal('usage');
  }

  it('are a typed error of the client, each by its name', async () => {
    const server = await listen(await withCertificate(DTLS13));
    const relay = await relayTo(portOf(server));
    for (const [description, name] of Object.entries(ALERTS)) {
      for (const level of [1, 2]) {
        relay.passes = (_datagram, direction) => {
          if (direction === 'toServer') relay.send(alert(Number(description), level), 'toClient');
          return false;
        };
        const client = await dial(server, { ...DTLS13, port: relay.port });
        expectAlert(await failure(client), name);
      }
    }
  });

  it('are a typed error of the server, each by its name', async () => {
    const server = await listen(await withCertificate({ ...DTLS13, handshakeTimeout: 4000 }));
    const relay = await relayTo(portOf(server));
    for (const [description, name] of Object.entries(ALERTS)) {
      // What the client says under keys is kept back: the server has heard nothing that proves anything.
      relay.passes = (datagram, direction) => {
        if (direction === 'toClient' && datagram.length > 300) relay.send(alert(Number(description)), 'toServer');
        return !(direction === 'toServer' && isUnderKeys(datagram));
      };
      const failed = clientFailure(server);
      const client = await dial(server, { ...DTLS13, port: relay.port });
      client.on('error', () => undefined);
      expectAlert(await failed, name);
      const closed = next(client, 'close');
      client.destroy();
      await closed;
    }
    expect(server.stats).to.include({ sessions: 0, handshakesFailed: Object.keys(ALERTS).length });
  });

  it('that are no errors: user_canceled says nothing, and close_notify that the peer is gone', async () => {
    const server = await listen(await withCertificate(DTLS13));
    const relay = await relayTo(portOf(server));
    const dialled = async (passes: boolean, ...alerts: number[]): Promise<[DTLSSocket, string[]]> => {
      relay.passes = (_datagram, direction) => {
        const said = direction === 'toServer' ? alerts.shift() : undefined;
        if (said !== undefined) relay.send(alert(said, 1), 'toClient');
        return passes;
      };
      const client = await dial(server, { ...DTLS13, port: relay.port });
      const heard: string[] = [];
      client.on('alert', ({ direction, description }) => { if (direction === 'in') heard.push(description); });
      return [client, heard];
    };
    const accepted = next(server, 'secureConnection');
    const [client, heard] = await dialled(true, USER_CANCELED);
    const [peer] = await accepted;
    await converse({ client, peer });
    expect(heard).to.deep.equal(['user_canceled']);
    const [gone, last] = await dialled(false, USER_CANCELED, CLOSE_NOTIFY);
    expect(await failure(gone)).to.include({ code: 'ERR_DTLS_ALERT_CLOSE_NOTIFY', alert: 'close_notify' });
    expect(last).to.deep.equal(['user_canceled', 'close_notify']);
  });

  it('in clear end no open session', async () => {
    const server = await listen(await withCertificate(DTLS13));
    const relay = await relayTo(portOf(server));
    const { client, peer } = await openOn(server, { ...DTLS13, port: relay.port });
    for (const description of [CLOSE_NOTIFY, USER_CANCELED, ...Object.keys(ALERTS)]) {
      for (const direction of ['toClient', 'toServer'] as const) relay.send(alert(Number(description)), direction);
    }
    await converse({ client, peer });
    expect([client.readyState, peer.readyState]).to.deep.equal(['open', 'open']);
  });
});
