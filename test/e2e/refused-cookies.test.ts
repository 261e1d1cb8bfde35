// Protects: a cookie that is refused costs a client one more hello and no more. That happens where
// somebody forges a HelloVerifyRequest, where a server restarts between two hellos, and in a fleet
// without a shared secret. The tests' clients do not repeat anything by themselves.
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { ServerOptions } from '../../lib/index';
import {
  handshakeTypes,
  HELLO_VERIFY_REQUEST,
  readFragment,
  readRecords,
  SERVER_HELLO,
  writeFragment,
  writeRecord,
} from '../fault/support';
import { Capture } from '../helpers/capture';
import { closeEverything, dialTo, failure, listen, next, portOf, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';
import { patience } from '../helpers/patience';

/** Longer than any test: whatever arrives has not been sent twice. */
const PATIENT = { retransmission: { initial: 60_000 } };
const COOKIE_AT = 13 + 12 + 3;
const MESSAGE_SEQUENCE_AT = 13 + 4;

const isVerifyRequest = (datagram: Buffer): boolean =>
  handshakeTypes(datagram).includes(HELLO_VERIFY_REQUEST);

/** The same HelloVerifyRequest with another cookie: what somebody forges who has seen the hello. */
const forged = (datagram: Buffer, cookie = 7): Buffer =>
  Buffer.from(datagram).fill(cookie, COOKIE_AT);

/** The same under another message_seq. */
function numbered(datagram: Buffer, number: number): Buffer {
  const copy = Buffer.from(datagram);
  copy.writeUInt16BE(number, MESSAGE_SEQUENCE_AT);
  return copy;
}

/** The same with a cookie of any length. */
function withCookie(datagram: Buffer, cookie: Buffer): Buffer {
  const [record] = readRecords(datagram);
  const fragment = record === undefined ? undefined : readFragment(record);
  if (record === undefined || fragment === undefined) throw new Error('no HelloVerifyRequest');
  const body = Buffer.concat([fragment.body.subarray(0, 2), Buffer.from([cookie.length]), cookie]);
  return writeRecord({ ...record, body: writeFragment({ ...fragment, messageLength: body.length, body }) });
}

/** The same, whose cookie would have more bytes than there are. */
function lengthened(datagram: Buffer): Buffer {
  const copy = Buffer.from(datagram);
  copy.writeUInt8(255, COOKIE_AT - 1);
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

const client = (port: number, handshakeTimeout = 0): ReturnType<typeof dialTo> =>
  dialTo({ ...PSK_CLIENT, ...PATIENT, host: '127.0.0.1', port, handshakeTimeout });

/** The message_seq of the messages of one type that went one way. */
function numbers(capture: Capture, type: number, fromClient: boolean): number[] {
  return capture.datagrams
    .filter((datagram) => datagram.fromClient === fromClient)
    .flatMap(({ data }) => readRecords(data))
    .flatMap((record) => readFragment(record) ?? [])
    .filter((fragment) => fragment.type === type)
    .map(({ messageSequence }) => messageSequence);
}

/** The HelloVerifyRequest of some server. */
async function verifyRequest(): Promise<Buffer> {
  const socket = dgram.createSocket('udp4');
  socket.send(hello(0, Buffer.alloc(0)), portOf(await server()), '127.0.0.1');
  const [answer] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return answer;
}

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

  // What a client makes of HelloVerifyRequests, the genuine ones and those that somebody forges: each
  // list is what it gets in place of its first.
  for (const [what, arriving] of [
    ['forged before the genuine one', (it) => [forged(it), it]],
    ['forged behind the genuine one', (it) => [it, forged(it)]],
    ['forged under the next number', (it) => [it, numbered(forged(it), 1), numbered(forged(it, 8), 2)]],
    ['forged in many ways', (it) => [forged(it, 1), it, numbered(forged(it, 2), 1), forged(it, 3), it]],
    ['forged, with a genuine one that is lost', (it) => [forged(it)]],
    ['malformed', (it) => [it.subarray(0, 50), lengthened(it), numbered(it, 9), it]],
  ] as [string, (genuine: Buffer) => Buffer[]][]) {
    for (const always of [false, true]) {
      it(`is no dead end for a client: ${what}${always ? ', by a server that numbers them all 0' : ''}`, async () => {
        const one = await server();
        const capture = await captureTo(portOf(one));
        let first = true;
        capture.forward = (data, fromClient) => {
          if (fromClient || !isVerifyRequest(data)) return [data];
          const genuine = always ? numbered(data, 0) : data;
          if (!first) return [genuine];
          first = false;
          return arriving(genuine);
        };
        const accepted = next(one, 'secureConnection');
        const dialled = client(capture.port);
        await next(dialled, 'secureConnect');
        const [peer] = await accepted;
        const arrived = next(peer, 'message');
        dialled.send('through');
        expect((await arrived)[0].toString()).to.equal('through');
      });
    }
  }

  it('is no dead end for a client whose server wants no cookie', async () => {
    const one = await server({ cookieExchange: false });
    const capture = await captureTo(portOf(one));
    const request = await verifyRequest();
    capture.forward = (data, fromClient) =>
      !fromClient && handshakeTypes(data).includes(SERVER_HELLO) ? [request, data] : [data];
    await next(client(capture.port), 'secureConnect');
  });

  it('that is forged over and over is answered a few times at once, and the genuine one with the timer', async () => {
    const one = await server();
    const capture = await captureTo(portOf(one));
    let first = true;
    capture.forward = (data, fromClient) => {
      if (fromClient || !first || !isVerifyRequest(data)) return [data];
      first = false;
      return [...Array.from({ length: 20 }, (_, i) => forged(data, i)), data];
    };
    const dialled = dialTo({
      ...PSK_CLIENT,
      host: '127.0.0.1',
      port: capture.port,
      retransmission: { initial: patience(200) },
    });
    await next(dialled, 'secureConnect');
    // At once, with the timer, and one without a cookie.
    expect(numbers(capture, 1, true).length).to.be.within(9, 8 + 32 + 2 + 8);
  });

  it('is no dead end: twenty forged before each genuine one, under whatever number', async () => {
    const one = await server();
    const capture = await captureTo(portOf(one));
    capture.forward = (data, fromClient) =>
      fromClient || !isVerifyRequest(data)
        ? [data]
        : [...Array.from({ length: 20 }, () => withCookie(data, randomBytes(20))), data];
    const dialled = dialTo({
      ...PSK_CLIENT,
      host: '127.0.0.1',
      port: capture.port,
      retransmission: { initial: patience(50) },
    });
    await next(dialled, 'secureConnect');
    const hellos = numbers(capture, 1, true).length;
    const rounds = numbers(capture, 1, true).filter((number) => number === 0).length;
    expect(hellos).to.be.at.most((rounds + 1) * (8 + 32 + 1));
  });

  it('is no dead end where the server ends its handshake for it: the client says hello again', async () => {
    const one = await server();
    const capture = await captureTo(portOf(one));
    let refused = false;
    capture.forward = (data, fromClient) => {
      const fragment = readRecords(data).map(readFragment)[0];
      if (!fromClient && isVerifyRequest(data) && !refused) return [forged(data), data];
      if (fromClient && fragment?.type === 1 && fragment.messageSequence === 1 && !refused) {
        // As OpenSSL's server does, which then waits for a hello without a cookie.
        refused = true;
        capture.reply(writeRecord({ type: 21, epoch: 0, sequence: 5, body: Buffer.from([2, 40]) }));
        return [];
      }
      return refused && fragment?.messageSequence === 1 && rest-- > 0 ? [] : [data];
    };
    let rest = 1; // the hello with the genuine cookie, which is behind the other one
    const dialled = dialTo({
      ...PSK_CLIENT,
      host: '127.0.0.1',
      port: capture.port,
      retransmission: { initial: patience(50) },
    });
    await next(dialled, 'secureConnect');
    expect(dialled.stats.alertsReceived).to.equal(1);
  });

  it('of a client whose every cookie is forged ends at its deadline, after a few hellos, and says so', async () => {
    const one = await server();
    const capture = await captureTo(portOf(one));
    capture.forward = (data, fromClient) =>
      !fromClient && isVerifyRequest(data) ? [forged(data, capture.datagrams.length)] : [data];
    const error = await failure(client(capture.port, patience(500)));
    expect(error.code).to.equal('ERR_DTLS_HANDSHAKE_TIMEOUT');
    expect(error.message).to.match(/the server took none of \d cookies/).and.include("'cookieSecret'");
    expect(numbers(capture, 1, true)).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('is told as what it is: two requests, three hellos', async () => {
    const one = await server();
    const capture = await captureTo(portOf(one));
    let first = true;
    capture.forward = (data, fromClient) => {
      if (fromClient || !first || !isVerifyRequest(data)) return [data];
      first = false;
      return [forged(data)];
    };
    const dialled = client(capture.port);
    const seen: string[] = [];
    dialled.on('handshake', ({ direction, message, retransmit }) => {
      seen.push(`${direction} ${message}${retransmit ? ' again' : ''}`);
    });
    await next(dialled, 'secureConnect');
    expect(seen.slice(0, 6)).to.deep.equal([
      'out client_hello',
      'in hello_verify_request',
      'out client_hello',
      'in hello_verify_request',
      'out client_hello',
      'in server_hello',
    ]);
    expect(dialled.stats.retransmissions).to.equal(0);
  });
});
