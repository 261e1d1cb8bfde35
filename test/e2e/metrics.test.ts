// Protects those who watch a service by Prometheus: every counter is a metric, with names and units as Prometheus
// has them; counters never go back when a server or client closes; reasons, alerts and round trips are told
// apart; and closing takes everything away again.
import { expect } from 'chai';
import { Registry, type MetricObjectWithValues, type MetricValue } from 'prom-client';
import { features, type ConnectOptions, type UdpStats } from '../../lib/index';
import { census } from '../../lib/endpoint/census';
import { metrics, type Metrics } from '../../lib/metrics/index';
import { COUNTERS, TOLD_BY_EVENTS } from '../../lib/metrics/counters';
import { native } from '../../lib/core/native';
import {
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  messages,
  next,
  openPsk,
  PSK_CLIENT,
  PSK_SERVER,
} from '../helpers/pair';
import { thrown } from '../helpers/thrown';

// Typed, so that one which is added to UdpStats and not here does not compile.
const UDP: Record<Exclude<keyof UdpStats, 'gso' | 'gro'>, true> = {
  ...{ receiveCalls: true, sendCalls: true, receivedMerged: true, sentMerged: true },
  ...{ sendErrors: true, truncated: true, buffersDropped: true },
};

type Snapshot = MetricObjectWithValues<MetricValue<string>>[];

describe('metrics', () => {
  let register: Registry;
  let counting: Metrics;

  beforeEach(() => {
    // Earlier tests of this process may have left endpoints open: they are not counted.
    census.living.clear();
    register = new Registry();
    counting = metrics(register);
  });
  afterEach(async () => {
    counting.close();
    await closeEverything();
  });

  const snapshot = (): Promise<Snapshot> => register.getMetricsAsJSON();

  /** The sum of a metric's values that have these labels. */
  async function value(name: string, labels: Record<string, string> = {}): Promise<number> {
    const found = (await snapshot()).find((metric) => metric.name === name);
    if (found === undefined) throw new Error(`no metric ${name}`);
    return found.values
      .filter(({ labels: given }) =>
        Object.entries(labels).every(([label, wanted]) => given[label] === wanted),
      )
      .reduce((sum, { value: one }) => sum + one, 0);
  }

  it('have every counter there is', () => {
    const told = [...COUNTERS.flatMap(({ of }) => Object.values(of)), ...TOLD_BY_EVENTS];
    expect(told).to.include.members([
      ...native.trafficCounters,
      ...native.endpointCounters,
      'transportErrors',
      'sessions',
      ...Object.keys(UDP).map((name) => `udp.${name}`),
    ]);
  });

  it('are named as Prometheus names things, and explained', async () => {
    const all = await snapshot();
    expect(all.length).to.be.above(20);
    for (const { name, help, type } of all) {
      expect(name).to.match(/^dtls_[a-z_]+$/);
      expect(help).to.match(/^[A-Z].*\.$/);
      // prom-client gives the type as a word here, whatever its types say.
      if (String(type) === 'counter') expect(name).to.match(/_total$/);
      else expect(name).to.match(/^dtls_sessions$|_seconds$/);
    }
    expect(await register.metrics()).to.match(/^dtls_sessions\{role="server",state="open"\} 0$/m);
  });

  it('count handshakes, messages and sessions of both roles', async () => {
    const { client, peer } = await openPsk();
    client.send('four');
    await messages(peer, 1);
    for (const role of ['client', 'server']) {
      expect(await value('dtls_handshakes_started_total', { role })).to.equal(1);
      expect(
        await value('dtls_handshakes_completed_total', {
          ...{ role, protocol: 'DTLSv1.2', resumed: 'false' },
          cipher: client.getCipher()?.name ?? '',
          group: client.getSharedGroup() ?? '',
        }),
      ).to.equal(1);
      expect(await value('dtls_sessions', { role, state: 'open' })).to.equal(1);
    }
    expect(await value('dtls_messages_total', { role: 'client', direction: 'out' })).to.equal(1);
    expect(await value('dtls_message_bytes_total', { role: 'server', direction: 'in' })).to.equal(4);
    expect(await value('dtls_cookies_total', { role: 'server', what: 'sent' })).to.equal(1);
    const text = await register.metrics();
    expect(text).to.match(/^dtls_handshake_duration_seconds_count\{role="client"\} 1$/m);
    expect(text).to.match(/^dtls_handshake_duration_seconds_bucket\{le="30",role="server"\} 1$/m);
  });

  it('name version, suite and group, at DTLS 1.3 as well', async function () {
    const runs: [ConnectOptions['maxVersion'], Record<string, string>][] = [
      ['DTLSv1.2', { protocol: 'DTLSv1.2', cipher: 'ECDHE-PSK-CHACHA20-POLY1305', group: 'X25519' }],
      ['DTLSv1.3', { protocol: 'DTLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', group: 'prime256v1' }],
    ];
    for (const [maxVersion, labels] of features.dtls13 === false ? runs.slice(0, 1) : runs) {
      const ciphers = 'ECDHE-PSK-CHACHA20-POLY1305:TLS_AES_128_GCM_SHA256';
      const ecdhCurve = labels.group;
      const options = maxVersion === 'DTLSv1.3' ? { ciphers, ecdhCurve, maxVersion } : { ciphers: labels.cipher, ecdhCurve };
      await openPsk(options, options);
      for (const role of ['client', 'server']) {
        expect(await value('dtls_handshakes_completed_total', { role, ...labels, resumed: 'false' })).to.equal(1);
      }
    }
  });

  it('never go back when sessions and servers close', async () => {
    const { server, client, peer } = await openPsk();
    client.send('counted');
    await messages(peer, 1);
    const before = await value('dtls_messages_total');
    expect(before).to.equal(2);
    const closed = Promise.all([next(client, 'close'), next(server, 'close')]);
    client.close();
    server.close();
    await closed;
    expect(await value('dtls_messages_total')).to.equal(before);
    expect(await value('dtls_sessions')).to.equal(0);
    expect(await value('dtls_sessions_closed_total', { code: 'close' })).to.equal(2);
    await openPsk();
    expect(await value('dtls_handshakes_started_total')).to.equal(4);
  });

  it('tell failures by code, and alerts by name', async () => {
    const server = await listen({ pskCallback: () => null });
    const client = await dial(server, PSK_CLIENT);
    const [error] = await Promise.all([failure(client), clientFailure(server)]);
    const code = 'ERR_DTLS_PSK_IDENTITY_UNKNOWN';
    expect(await value('dtls_handshakes_failed_total', { role: 'server', code })).to.equal(1);
    expect(await value('dtls_handshakes_failed_total', { role: 'client', code: error.code })).to.equal(1);
    expect(await value('dtls_sessions_closed_total', { code })).to.equal(1);
    const alert = { level: 'fatal', description: error.alert ?? '' };
    expect(await value('dtls_alerts_total', { role: 'server', direction: 'out', ...alert })).to.equal(1);
    expect(await value('dtls_alerts_total', { role: 'client', direction: 'in', ...alert })).to.equal(1);
  });

  it('have the round trips of heartbeats', async () => {
    const { client } = await openPsk({ heartbeat: true }, { heartbeat: true });
    await client.heartbeat();
    expect(await value('dtls_heartbeats_total', { role: 'client' })).to.equal(2);
    expect(await register.metrics()).to.match(/^dtls_heartbeat_rtt_seconds_count\{role="client"\} 1$/m);
  });

  it('tell resumed handshakes from full ones', async () => {
    const server = await listen(PSK_SERVER);
    const first = await dial(server, PSK_CLIENT);
    const [session] = await next(first, 'session');
    const second = await dial(server, { ...PSK_CLIENT, session });
    await next(second, 'secureConnect');
    expect(await value('dtls_handshakes_completed_total', { role: 'client', resumed: 'true' })).to.equal(1);
  });

  it('count what was there before them', async () => {
    const { client, peer } = await openPsk();
    client.send('seen');
    await messages(peer, 1);
    const late = new Registry();
    const other = metrics(late, { prefix: 'late_', handshakeBuckets: [1], heartbeatBuckets: [1] });
    const text = await late.metrics();
    other.close();
    expect(text).to.match(/^late_sessions\{role="client",state="open"\} 1$/m);
    expect(text).to.match(/^late_messages_total\{role="server",direction="in"\} 1$/m);
  });

  it('refuse what is no register, and options that are unknown, of a wrong type or of no use', () => {
    const untyped = metrics as (...args: unknown[]) => Metrics;
    const other = new Registry();
    const refused: [args: unknown[], code: string, told: RegExp][] = [
      [[{ prefix: 'x_' }], 'ERR_INVALID_ARG_TYPE', /metrics\(undefined, options\)/],
      [[null], 'ERR_INVALID_ARG_TYPE', /Registry/],
      [['x_'], 'ERR_INVALID_ARG_TYPE', /Registry/],
      [[other, { prefx: 'x_' }], 'ERR_DTLS_UNKNOWN_OPTION', /'prefix'/],
      [[other, 'x_'], 'ERR_INVALID_ARG_TYPE', /'options'/],
      [[other, { prefix: 5 }], 'ERR_INVALID_ARG_TYPE', /'prefix'/],
      [[other, { prefix: '1-' }], 'ERR_INVALID_ARG_VALUE', /'prefix'/],
      [[other, { handshakeBuckets: 'x' }], 'ERR_INVALID_ARG_TYPE', /'handshakeBuckets'/],
      [[other, { handshakeBuckets: ['1'] }], 'ERR_INVALID_ARG_TYPE', /'handshakeBuckets'/],
      [[other, { heartbeatBuckets: [2, 1] }], 'ERR_INVALID_ARG_VALUE', /'heartbeatBuckets'/],
      [[other, { heartbeatBuckets: [] }], 'ERR_INVALID_ARG_VALUE', /'heartbeatBuckets'/],
      [[other, { heartbeatBuckets: [NaN] }], 'ERR_INVALID_ARG_VALUE', /'heartbeatBuckets'/],
      [[other, {}, () => undefined], 'ERR_INVALID_ARG_VALUE', /one too many/],
    ];
    for (const [args, code, told] of refused) {
      const error = thrown(() => untyped(...args));
      expect(error.code, String(told)).to.equal(code);
      expect(`${error.message} ${error.hint ?? ''}`).to.match(told);
    }
    expect(other.getMetricsAsArray()).to.deep.equal([]);
    metrics(other, { prefix: '', handshakeBuckets: [0.5], heartbeatBuckets: [1, 2] }).close();
  });

  it('refuse a register that has them already, and leave it as it was', async () => {
    expect(() => metrics(register)).to.throw(/already been registered/);
    expect((await snapshot()).length).to.be.above(20);
    await openPsk();
    expect(await value('dtls_handshakes_started_total')).to.equal(2);
  });

  it('leave nothing behind when they are closed', async () => {
    const alerts = register.getSingleMetric('dtls_alerts_total');
    counting.close();
    expect(await snapshot()).to.deep.equal([]);
    expect(census.mourners.size).to.equal(0);
    const { server, client } = await openPsk();
    const closed = Promise.all([next(client, 'close'), next(server, 'close')]);
    client.close();
    server.close();
    await closed;
    await new Promise((done) => setImmediate(done));
    expect(census.living.size).to.equal(0);
    // Both ends had a close_notify.
    expect((await (alerts as unknown as { get(): Promise<{ values: unknown[] }> }).get()).values).to.deep.equal([]);
  });
});
