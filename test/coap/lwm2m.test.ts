/**
 * Protects: a server of a thousand devices, in the manner of LwM2M. Each has its own key, which is looked
 * up in something slow when the device shakes hands; it registers; the server then observes it, as a
 * client over the same session; and every device is heard under its own identity.
 */
import { expect } from 'chai';
import * as coap from 'coap';
import type { IncomingMessage, ObserveReadStream, ObserveWriteStream, OutgoingMessage } from 'coap';
import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SecureDgramSocket } from '../../lib/index';
import { bound, closeSockets, secure } from '../dgram/support';
import { agentOver, CCM8 } from './support';

const DEVICES = 1000;
/** Begun at once, so that the test asks for no more than the machine has. */
const AT_ONCE = 50;

const keyOf = (identity: string): Buffer =>
  createHmac('sha256', 'the key store').update(identity).digest().subarray(0, 16);

interface Device {
  readonly socket: SecureDgramSocket;
  readonly notify: (value: string) => void;
}

/** Registers, serves /3303/0/5700 (a temperature), and lets it be observed. */
async function device(number: number, port: number): Promise<Device> {
  const identity = `urn:imei:${String(number).padStart(15, '0')}`;
  const socket = secure({
    role: 'client',
    psk: { identity, psk: keyOf(identity) },
    ciphers: CCM8,
    handshakeTimeout: 60000,
  });
  const observers = new Set<ObserveWriteStream>();
  const server = coap.createServer();
  server.on('request', (request: IncomingMessage, response: OutgoingMessage | ObserveWriteStream) => {
    if (request.url === '/3303/0/5700' && request.headers.Observe === 0) {
      observers.add(response as ObserveWriteStream);
      response.write('20.0');
    } else response.end('20.0');
  });
  server.listen(socket);
  socket.once('close', () => server.close());
  const agent = agentOver(socket);
  const location = await new Promise<string>((resolve, reject) => {
    const request = agent.request({ hostname: '127.0.0.1', port, pathname: '/rd', method: 'POST', query: `ep=${identity}` });
    request.on('response', (response: IncomingMessage) => {
      resolve(String(response.headers['Location-Path']));
    });
    request.on('error', reject);
    request.end('</3303/0>');
  });
  expect(location).to.equal(`rd/${identity}`);
  return {
    socket,
    notify: (value) => {
      for (const observer of observers) observer.write(value);
    },
  };
}

describe('a thousand LwM2M devices', function () {
  this.timeout(120_000);
  afterEach(closeSockets);

  it('register and are observed; their keys are looked up asynchronously', async () => {
    let lookups = 0;
    const socket = await bound(
      secure({
        role: 'server',
        ciphers: CCM8,
        maxSessionsPerHost: 0, // they all have one address here
        maxPendingHandshakesPerHost: 0,
        handshakeTimeout: 60000,
        pskCallback: async (_session, identity) => {
          lookups += 1;
          await sleep(5);
          return typeof identity === 'string' && identity.startsWith('urn:imei:') ? keyOf(identity) : null;
        },
      }),
    );
    const agent = agentOver(socket);
    const values = new Map<string, string[]>();
    const server = coap.createServer();
    server.on('request', (request: IncomingMessage, response: OutgoingMessage) => {
      const rinfo = request.rsinfo as typeof request.rsinfo & { pskIdentity: string };
      const endpoint = new URLSearchParams(request.url.split('?')[1]).get('ep') ?? '';
      // The name that a device registers must be the one that it has proved (LwM2M 1.2 section 8.1.2).
      if (endpoint !== rinfo.pskIdentity) {
        response.code = '4.03';
        response.end();
        return;
      }
      response.code = '2.01';
      response.setOption('Location-Path', `rd/${endpoint}`);
      response.end();
      const seen: string[] = [];
      values.set(endpoint, seen);
      const observation = agent.request({ hostname: rinfo.address, port: rinfo.port, pathname: '/3303/0/5700', observe: true });
      observation.on('response', (answer: ObserveReadStream) => {
        answer.on('data', (data: Buffer) => seen.push(data.toString()));
      });
      observation.end();
    });
    server.listen(socket);
    socket.once('close', () => server.close());

    const devices: Device[] = [];
    for (let first = 0; first < DEVICES; first += AT_ONCE) {
      const batch = Array.from({ length: AT_ONCE }, (_, i) => device(first + i, socket.address().port));
      devices.push(...(await Promise.all(batch)));
    }
    expect(values.size).to.equal(DEVICES);
    expect(lookups).to.equal(DEVICES);
    expect(socket.stats.handshakesCompleted).to.equal(DEVICES);
    const all = (count: number): boolean =>
      [...values.values()].every((seen) => seen.length >= count);
    for (let i = 0; i < 1000 && !all(1); ++i) await sleep(10);
    devices.forEach(({ notify }, number) => {
      notify(`2${String(number)}`);
    });
    for (let i = 0; i < 1000 && !all(2); ++i) await sleep(10);

    [...Array(DEVICES).keys()].forEach((number) => {
      const identity = `urn:imei:${String(number).padStart(15, '0')}`;
      expect(values.get(identity), identity).to.deep.equal(['20.0', `2${String(number)}`]);
    });
    // Registration, observation and notification went over one session each.
    expect([...socket.sessions]).to.have.length(DEVICES);
    expect(socket.stats.handshakesStarted).to.equal(DEVICES);
  });
});
