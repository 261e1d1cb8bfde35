// Protects: a cookie that is refused costs a client one more hello and no more. That happens where
// somebody forges a HelloVerifyRequest, where a server restarts between two hellos, and in a fleet
// without a shared secret. The tests' clients do not repeat anything by themselves.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { ServerOptions } from '../../lib/index';
import { handshakeTypes, HELLO_VERIFY_REQUEST } from '../fault/support';
import { Capture } from '../helpers/capture';
import { closeEverything, dialTo, listen, next, portOf, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';

/** Longer than any test: whatever arrives has not been sent twice. */
const PATIENT = { retransmission: { initial: 60_000 } };
const COOKIE_AT = 13 + 12 + 3;
const MESSAGE_SEQUENCE_AT = 13 + 4;

const isVerifyRequest = (datagram: Buffer): boolean =>
  handshakeTypes(datagram).includes(HELLO_VERIFY_REQUEST);

/** The same HelloVerifyRequest with another cookie: what somebody forges who has seen the hello. */
function forged(datagram: Buffer): Buffer {
  const copy = Buffer.from(datagram);
  copy.fill(7, COOKIE_AT);
  return copy;
}

const captures: Capture[] = [];

async function captureTo(port: number): Promise<Capture> {
  const capture = await Capture.to(port);
  captures.push(capture);
  return capture;
}

const server = (options: ServerOptions = {}): ReturnType<typeof listen> =>
  listen({ ...PSK_SERVER, ...PATIENT, ...options });

const client = (port: number): ReturnType<typeof dialTo> =>
  dialTo({ ...PSK_CLIENT, ...PATIENT, host: '127.0.0.1', port });

/** A hello without extensions, under that number and with that cookie. */
function hello(number: number, cookie: Buffer): Buffer {
  const body = Buffer.concat([
    Buffer.from('fefd', 'hex'),
    Buffer.alloc(32, 0xaa),
    Buffer.from([0, cookie.length]),
    cookie,
    Buffer.from('000200a80100', 'hex'),
  ]);
  const header = Buffer.alloc(25);
  header.set([22, 0xfe, 0xff]);
  header.writeUIntBE(number, 5, 6);
  header.writeUInt16BE(12 + body.length, 11);
  header.writeUInt8(1, 13);
  header.writeUIntBE(body.length, 14, 3);
  header.writeUInt16BE(number, 17);
  header.writeUIntBE(body.length, 22, 3);
  return Buffer.concat([header, body]);
}

describe('a refused cookie', () => {
  afterEach(async () => {
    await closeEverything();
    await Promise.all(captures.splice(0).map((capture) => capture.close()));
  });

  for (const times of [1, 3, 7]) {
    it(`is no dead end: ${times} forged in a row`, async () => {
      const one = await server();
      const capture = await captureTo(portOf(one));
      let left = times;
      capture.forward = (data, fromClient) =>
        !fromClient && isVerifyRequest(data) && left-- > 0 ? [forged(data)] : [data];
      await next(client(capture.port), 'secureConnect');
      expect(one.stats).to.include({
        cookiesSent: times + 1,
        cookiesRefused: times,
        cookiesAccepted: 1,
      });
    });
  }

  it('is no dead end in a fleet without a shared secret', async () => {
    const [one, other] = [await server(), await server()];
    const capture = await captureTo(portOf(one));
    let hellos = 0;
    capture.forward = (data, fromClient) => {
      if (fromClient && ++hellos === 2) capture.serverPort = portOf(other);
      return [data];
    };
    await next(client(capture.port), 'secureConnect');
    expect(one.stats).to.include({ cookiesSent: 1, cookiesAccepted: 0 });
    expect(other.stats).to.include({ cookiesSent: 1, cookiesRefused: 1, cookiesAccepted: 1 });
  });

  it('is no dead end for a server without cookie exchange', async () => {
    const one = await server();
    const other = await server({ cookieExchange: false });
    const capture = await captureTo(portOf(one));
    capture.forward = (data, fromClient) => {
      if (!fromClient) capture.serverPort = portOf(other);
      return [data];
    };
    await next(client(capture.port), 'secureConnect');
    expect(other.stats).to.include({ cookiesSent: 0, handshakesCompleted: 1 });
  });

  it('is answered with a HelloVerifyRequest under the number of its hello, and no longer than it', async () => {
    const one = await server();
    const socket = dgram.createSocket('udp4');
    for (const number of [0, 1, 2, 7, 8, 9, 0xffff]) {
      const question = hello(number, Buffer.alloc(32, 1));
      socket.send(question, portOf(one), '127.0.0.1');
      const [answer] = (await once(socket, 'message')) as [Buffer];
      expect(answer.length).to.be.at.most(question.length);
      expect(answer.readUInt16BE(MESSAGE_SEQUENCE_AT)).to.equal(number);
      expect(handshakeTypes(answer)).to.deep.equal([HELLO_VERIFY_REQUEST]);
    }
    socket.close();
    expect([...one.sessions]).to.deep.equal([]);
  });

  it('may come before a good one up to the number 8, and not without end', async () => {
    for (const [number, sessions] of [[8, 1], [9, 0], [0, 0]] as const) {
      const one = await server();
      const socket = dgram.createSocket('udp4');
      const answered = (): Promise<[Buffer]> => once(socket, 'message') as Promise<[Buffer]>;
      socket.send(hello(0, Buffer.alloc(0)), portOf(one), '127.0.0.1');
      const [first] = await answered();
      const cookie = Buffer.from(first.subarray(COOKIE_AT));
      socket.send(hello(number, cookie), portOf(one), '127.0.0.1');
      const [second] = await answered();
      expect([...one.sessions].length, `number ${number}`).to.equal(sessions);
      expect(isVerifyRequest(second), `number ${number}`).to.equal(sessions === 0);
      if (sessions === 1) expect(second.readUInt16BE(MESSAGE_SEQUENCE_AT)).to.equal(number);
      socket.close();
    }
  });
});
