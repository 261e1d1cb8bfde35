/** ClientHellos made by hand, for clients that begin a handshake and never go on with it. */
import { createECDH } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import {
  CLIENT_HELLO,
  HANDSHAKE,
  HELLO_VERIFY_REQUEST,
  readFragment,
  readRecords,
  writeFragment,
  writeRecord,
} from '../fault/support';
import { within } from './pair';

export interface Hello {
  readonly random: Buffer;
  readonly cookie?: Buffer;
  /** Of how many bytes the message pretends to be; default: as many as are there. */
  readonly messageLength?: number;
  /** Default: ECDHE-ECDSA-AES128-GCM-SHA256. */
  readonly suite?: number;
}

const CLIENT_KEY_EXCHANGE = 16;

/** P-256, uncompressed points, ECDSA with SHA-256, extended master secret: a server with such a key goes on. */
const EXTENSIONS = Buffer.from('001a000a000400020017000b00020100000d00040002040300170000', 'hex');

/** A ClientHello as clients send them, the first without a cookie and the second with one. */
export function clientHello({ random, cookie = Buffer.alloc(0), messageLength, suite = 0xc02b }: Hello): Buffer {
  const body = Buffer.concat([
    Buffer.from([0xfe, 0xfd]),
    random,
    Buffer.from([0, cookie.length]),
    cookie,
    Buffer.from([0, 2, suite >> 8, suite & 0xff, 1, 0]),
    EXTENSIONS,
  ]);
  const second = cookie.length > 0 ? 1 : 0;
  const fragment = writeFragment({
    type: CLIENT_HELLO,
    messageLength: messageLength ?? body.length,
    messageSequence: second,
    offset: 0,
    body,
  });
  return writeRecord({ type: HANDSHAKE, epoch: 0, sequence: second, body: fragment });
}

/** The cookie in a HelloVerifyRequest. */
export function cookieIn(datagram: Uint8Array): Buffer | undefined {
  const [record] = readRecords(datagram);
  const fragment = record === undefined ? undefined : readFragment(record);
  return fragment?.type === HELLO_VERIFY_REQUEST ? fragment.body.subarray(3) : undefined;
}

/** A ClientKeyExchange for the group of those hellos, as anybody can make one up. */
function clientKeyExchange(): Buffer {
  const point = createECDH('prime256v1').generateKeys();
  const body = Buffer.concat([Buffer.from([point.length]), point]);
  const message = { type: CLIENT_KEY_EXCHANGE, messageSequence: 2, offset: 0, messageLength: body.length, body };
  return writeRecord({ type: HANDSHAKE, epoch: 0, sequence: 2, body: writeFragment(message) });
}

/** A client that says hello, says it again with the cookie that it is given, and then nothing that proves anything. */
export class HalfOpen {
  readonly socket = dgram.createSocket('udp4');
  /** Datagrams of the server's, but for HelloVerifyRequests. */
  readonly heard: Buffer[] = [];

  /** From that address of the loopback interface, to that port of 127.0.0.1; resolves when all is said. */
  static async begin(address: string, port: number): Promise<HalfOpen> {
    const client = new HalfOpen();
    const { socket } = client;
    socket.bind(0, address);
    await once(socket, 'listening');
    const random = Buffer.alloc(32, socket.address().port);
    const said = new Promise<void>((resolve) => {
      socket.on('message', (datagram) => {
        const cookie = cookieIn(datagram);
        if (cookie === undefined) client.heard.push(datagram);
        else socket.send(clientHello({ random, cookie }), port, '127.0.0.1', () => { resolve(); });
      });
    });
    socket.send(clientHello({ random }), port, '127.0.0.1');
    await within(said, 'a HelloVerifyRequest');
    client.#port = port;
    return client;
  }

  #port = 0;

  /** One message more. */
  exchangeKeys(): void {
    this.socket.send(clientKeyExchange(), this.#port, '127.0.0.1');
  }
}
