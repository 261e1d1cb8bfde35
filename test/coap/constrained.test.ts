/**
 * Protects: the recipe of docs/coap.md for small devices, as it stands there. With a max_fragment_length no message
 * is longer than what was negotiated, in either direction, whatever blocks a client asks for, and bodies arrive whole.
 */
import { expect } from 'chai';
import * as coap from 'coap';
import type { IncomingMessage, OutgoingMessage } from 'coap';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SecureDgramSocket } from '../../lib/index';
import { bound, closeSockets, KEY, PSK, secure } from '../dgram/support';
import { within } from '../helpers/pair';
import { programsOf, removePrograms } from '../helpers/pages';
import { cleanupAfterEach, requirePrograms, type PeerProcess } from '../helpers/peers';
import { Relay } from '../helpers/relay';
import { agentOver } from './support';

type Answer = (request: IncomingMessage, response: OutgoingMessage, body: string | Buffer) => void;
interface Blocks {
  readonly blockFor: (maxMessageSize: number) => number;
  readonly answer: Answer;
}

const LENGTHS = [512, 1024, 2048, 4096] as const;
/** What a record has beside its fragment: an explicit nonce and a tag (RFC 5288 section 3). */
const BESIDE = 8 + 16;
/** More bytes than characters. */
const BODY = 'größer als ein Block\n'.repeat(300);

/** The lengths of the records in a datagram (RFC 6347 section 4.1). */
function* recordLengths(datagram: Buffer): Generator<number> {
  for (let at = 0; at < datagram.length; at += 13 + datagram.readUInt16BE(at + 11)) yield datagram.readUInt16BE(at + 11);
}

describe('docs/coap.md: small devices', function () {
  const cleanup = cleanupAfterEach(this);
  let folder = '';
  let blocks: Blocks;
  before(async () => {
    folder = programsOf('docs/coap.md');
    blocks = (await import(pathToFileURL(join(folder, 'blocks.mjs')).href)) as Blocks;
  });
  after(() => {
    removePrograms(folder);
  });
  afterEach(closeSockets);

  interface Sizes {
    readonly socket: SecureDgramSocket;
    readonly port: number;
    readonly errors: string[];
    /** Of the messages that came in. */
    readonly received: number[];
    /** What was stored by Block1. */
    readonly stored: string[];
  }
  async function serve(answer: Answer, body: string): Promise<Sizes> {
    const socket = await bound(secure(PSK));
    const sizes: Sizes = { socket, port: socket.address().port, errors: [], received: [], stored: [] };
    socket.on('peerError', (error) => sizes.errors.push(error.code));
    socket.on('message', (message: Buffer) => sizes.received.push(message.length));
    const server = coap.createServer((request, response) => {
      if (request.method === 'PUT') sizes.stored.push(request.payload.toString());
      answer(request, response, body);
    });
    server.listen(socket);
    socket.once('close', () => server.close());
    return sizes;
  }

  interface Asked {
    readonly text: string;
    /** Of the messages of the answer. */
    readonly received: number[];
  }
  async function ask(
    port: number,
    maxFragmentLength: (typeof LENGTHS)[number] | undefined,
    options: object,
    body?: string,
  ): Promise<Asked> {
    const socket = secure({ ...PSK, role: 'client', maxFragmentLength });
    const received: number[] = [];
    socket.on('message', (message: Buffer) => received.push(message.length));
    const request = agentOver(socket).request({
      ...{ hostname: '127.0.0.1', port, pathname: '/log', options },
      method: body === undefined ? 'GET' : 'PUT',
    });
    const response = once(request, 'response') as Promise<[IncomingMessage]>;
    request.end(body);
    const [{ payload }] = await within(response, 'an answer');
    return { text: payload.toString(), received };
  }

  it('device.mjs says why it gets no answer, and ends with exit code 1', async () => {
    const closed = await bound(secure(PSK));
    const { port } = closed.address();
    closed.close();
    await once(closed, 'close');
    const env = { KEY: KEY.toString('hex'), PORT: String(port) };
    const device = cleanup.start(process.execPath, [join(folder, 'device.mjs')], env);
    expect(await device.ends()).to.equal(1);
    expect(device.output).to.include('ECONNREFUSED');
  });

  it('blocks leave room for the options, and are as large as they can be', () => {
    const sizes = [512, 1024, 1150, 2048, 16384].map((size) => 16 << blocks.blockFor(size));
    expect(sizes).to.deep.equal([256, 512, 1024, 1024, 1024]);
    expect(blocks.blockFor(80)).to.equal(0);
  });

  for (const length of LENGTHS) {
    describe(`with a max_fragment_length of ${String(length)}`, () => {
      const asking = (block: number): object => ({ Block2: Buffer.of(block) });
      for (const [name, options] of [
        ['asks for no blocks', () => ({})],
        ['asks for blocks that fit', () => asking(blocks.blockFor(length))],
        ['asks for larger ones', () => asking(6)],
        ['asks for the smallest', () => asking(0)],
      ] as const) {
        it(`a client that ${name} gets a body in messages that fit`, async () => {
          const server = await serve(blocks.answer, BODY);
          const { text, received } = await ask(server.port, length, options());
          expect(text).to.equal(BODY);
          expect(received).to.have.length.above(Math.floor(Buffer.byteLength(BODY) / 1024));
          expect(Math.max(...received)).to.be.at.most(length);
          expect(server.errors).to.deep.equal([]);
        });
      }

      it('a client sends its own body in blocks, and gets one back', async () => {
        const server = await serve(blocks.answer, BODY);
        const block = Buffer.of(blocks.blockFor(length));
        const { text, received } = await ask(server.port, length, { Block1: block, Block2: block }, BODY);
        expect(text).to.equal(BODY);
        expect(server.stored).to.deep.equal([BODY]);
        expect(Math.max(...received, ...server.received)).to.be.at.most(length);
        expect(server.errors).to.deep.equal([]);
      });

      it('server.mjs and device.mjs run as they stand, and no record carries more', async () => {
        const program = (name: string, env: object): PeerProcess =>
          cleanup.start(process.execPath, [join(folder, name)], { KEY: KEY.toString('hex'), ...env });
        const server = program('server.mjs', { PORT: '0' });
        const [, port = ''] = await server.sees(/listening on UDP port (\d+)/);
        const relay = await Relay.to(Number(port));
        const sizes: number[] = [];
        relay.passes = (datagram) => sizes.push(...recordLengths(datagram)) > 0;
        const device = program('device.mjs', { PORT: String(relay.port), LENGTH: String(length) });
        expect(await device.ends()).to.equal(0);
        relay.close();
        expect(device.output).to.include('stored 3600');
        expect(Math.max(...sizes)).to.be.at.most(length + BESIDE);
        expect(server.output).to.not.include('ERR_');
      });
    });
  }

  it('a client on OpenSSL that has no option of CoAP gets a first block that fits', async function () {
    requirePrograms(this, 'openssl');
    const server = await serve(blocks.answer, 'b'.repeat(3000));
    const client = cleanup.start('openssl', [
      ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${String(server.port)}`, '-maxfraglen', '512', '-quiet'],
      ...['-psk_identity', 'device', '-psk', KEY.toString('hex'), '-cipher', 'PSK'],
    ]);
    await within(once(server.socket, 'secureConnection'), 'a session');
    // GET, confirmable, message id 0x1234, and nothing else: RFC 7252 section 3.
    client.write('\x40\x01\x12\x34');
    const [block] = await client.sees(/b{256,}/);
    expect(block).to.have.length(256);
    expect(server.errors).to.deep.equal([]);
  });

  it('a body that fits has no blocks, and one of nothing is one', async () => {
    const server = await serve(blocks.answer, 'short');
    expect((await ask(server.port, 512, {})).text).to.equal('short');
    const empty = await serve(blocks.answer, '');
    expect((await ask(empty.port, 512, {})).text).to.equal('');
  });

  it('a client without a max_fragment_length gets the blocks that its MTU takes', async () => {
    const server = await serve(blocks.answer, BODY);
    const { text, received } = await ask(server.port, undefined, {});
    expect(text).to.equal(BODY);
    expect(Math.max(...received)).to.be.above(1024);
  });

  it("node-coap's own blocks of 1024 bytes do not leave", async () => {
    const server = await serve((_request, response, body) => response.end(body), BODY);
    const refused = once(server.socket, 'peerError') as Promise<[{ code: string }]>;
    void ask(server.port, 512, {}).catch(() => undefined);
    expect((await within(refused, 'peerError'))[0].code).to.equal('ERR_DTLS_MESSAGE_TOO_BIG');
  });
});
