/**
 * Protects what a client is told by a server that sends a fatal alert and closes its socket: the alert, although the
 * system reports the refusal of the client's next datagram (ICMP) ahead of it. Over each kind of transport.
 */
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { ConnectOptions, DatagramTransport } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { closeEverything, dialTo, failure, PSK_CLIENT, within } from '../helpers/pair';
import { patience } from '../helpers/patience';

const HOST = '127.0.0.1';

const record = (type: number, sequence: number, content: Buffer): Buffer => {
  const header = Buffer.from([type, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, sequence, 0, content.length]);
  return Buffer.concat([header, content]);
};
/** The client answers it at once, with a ClientHello that meets a closed port. */
const HELLO_VERIFY_REQUEST = record(22, 0, Buffer.from(`030000070000000000000007feff0401020304`, 'hex'));
const HANDSHAKE_FAILURE = record(21, 1, Buffer.from([2, 40]));
/** More than one wake-up of the client reads. */
const CHATTER = Array.from({ length: 40 }, () => Buffer.from([0xff]));

interface Peer {
  readonly port: number;
  /** Resolves when it has closed its socket. */
  readonly gone: Promise<unknown>;
}

/** A server that answers the first datagram with all of `answer`, and is gone before anybody has read it. */
async function leaving(answer: readonly Buffer[]): Promise<Peer> {
  const socket = dgram.createSocket('udp4').bind(0, HOST);
  await once(socket, 'listening');
  socket.once('message', (_, client) => {
    socket.connect(client.port, client.address, () => {
      for (const datagram of answer) socket.send(datagram); // at once, as the socket is connected
      socket.close();
    });
  });
  return { port: socket.address().port, gone: once(socket, 'close') };
}

async function connected(port: number): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4').bind(0, HOST);
  await once(socket, 'listening');
  socket.connect(port, HOST);
  await once(socket, 'connect');
  return socket;
}

/** What a user may write over a socket of dgram's. */
function ownTransport(socket: dgram.Socket, port: number): DatagramTransport {
  const peer = { address: HOST, port, family: 'IPv4' } as const;
  return {
    start: (receiver) => {
      socket.on('message', (datagram, from) => { receiver.receive(datagram, from); });
      socket.on('error', (error) => { receiver.error(error, peer); });
    },
    send: (datagrams, _, done) => {
      for (const datagram of datagrams) socket.send(datagram, (error) => done?.(error));
      return true;
    },
    address: () => socket.address(),
    close: (done) => socket.close(done),
  };
}

const transports: Record<string, (port: number) => Promise<Partial<ConnectOptions>>> = {
  ...(hasNativeUdp ? { 'the native socket': () => Promise.resolve({ transport: 'native' }) } : {}),
  'node:dgram': () => Promise.resolve({ transport: 'dgram' }),
  "a transport of the user's": async (port) => ({ transport: ownTransport(await connected(port), port) }),
};

describe('a server that closes its socket in a handshake', () => {
  afterEach(closeEverything);

  for (const [name, make] of Object.entries(transports)) {
    const outcome = async (answer: readonly Buffer[]): Promise<string> => {
      const { port, gone } = await leaving(answer);
      const options = await make(port);
      const handshakeTimeout = patience(2000);
      const client = dialTo({ host: HOST, port, ...PSK_CLIENT, handshakeTimeout, ...options });
      const [error] = await Promise.all([failure(client), within(gone, 'the end of the server')]);
      return error.code;
    };

    it(`and has sent a fatal alert before is not taken for nobody, over ${name}`, async () => {
      expect(await outcome([HELLO_VERIFY_REQUEST, HANDSHAKE_FAILURE])).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
    });

    it(`and has sent much before the alert is not taken for nobody, over ${name}`, async () => {
      const answer = [HELLO_VERIFY_REQUEST, ...CHATTER, HANDSHAKE_FAILURE];
      // libuv reads 32 datagrams of a socket at a time, and tells the refusal in between.
      const read = name === 'the native socket' ? answer : [HELLO_VERIFY_REQUEST, ...CHATTER.slice(0, 25), HANDSHAKE_FAILURE];
      expect(await outcome(read)).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
    });

    it(`and has said nothing more is ECONNREFUSED at once, over ${name}`, async () => {
      const before = performance.now();
      expect(await outcome([HELLO_VERIFY_REQUEST])).to.equal('ECONNREFUSED');
      expect(performance.now() - before).to.be.below(patience(1000)); // no repetition was needed
    });
  }
});
