// Protects: a ClientHello is answered whatever version it names (RFC 5246 appendix E.1): a higher
// one negotiates down, a lower one is refused with an alert, and neither gets more than it sent.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { certificate, clientFailure, closeEverything, listen, portOf } from '../helpers/pair';

/** A hello for ECDHE-ECDSA-AES128-GCM-SHA256 that says so about its version. */
function hello(version: string, more = ''): Buffer {
  const extensions = `000a000400020017000b00020100000d00040002040300170000${more}`;
  const body = Buffer.from(
    `${version}${'aa'.repeat(32)}00000002c02b0100${(extensions.length / 2).toString(16).padStart(4, '0')}${extensions}`,
    'hex',
  );
  const header = Buffer.alloc(25);
  header.set([22, 0xfe, 0xff]);
  header.writeUInt16BE(12 + body.length, 11);
  header.writeUInt8(1, 13);
  header.writeUIntBE(body.length, 14, 3);
  header.writeUIntBE(body.length, 22, 3);
  return Buffer.concat([header, body]);
}

async function answer(port: number, question: Buffer): Promise<Buffer> {
  const socket = dgram.createSocket('udp4');
  socket.send(question, port, '127.0.0.1');
  const [reply] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return reply;
}

// DTLS counts down: fd ff is above all versions that there are, and ff 00 below them.
const HIGHER = ['fefc', 'fe00', 'fdff', '0303'];

describe('a ClientHello', () => {
  afterEach(closeEverything);

  for (const version of [...HIGHER, 'ff00']) {
    it(`with the version ${version} is answered with a cookie, and with no more bytes than it has`, async () => {
      const question = hello(version);
      const reply = await answer(portOf(await listen(await certificate())), question);
      expect([reply[0], reply[13]]).to.deep.equal([22, 3]);
      expect(reply.length).to.be.at.most(question.length);
    });
  }

  for (const version of HIGHER) {
    it(`with the higher version ${version} negotiates DTLS 1.2`, async () => {
      const server = await listen({ ...(await certificate()), cookieExchange: false });
      const reply = await answer(portOf(server), hello(version));
      expect([reply[0], reply[13]]).to.deep.equal([22, 2]);
      expect(reply.subarray(25, 27).toString('hex')).to.equal('fefd');
    });
  }

  it('that offers DTLS 1.3 only is told so, and so is the server', async () => {
    const server = await listen({ ...(await certificate()), cookieExchange: false });
    const failed = clientFailure(server);
    // GREASE (RFC 8701) is no version.
    const reply = await answer(portOf(server), hello('fefd', '002b0005043a3afefc'));
    expect([...reply.subarray(13)]).to.deep.equal([2, 70]);
    const error = await failed;
    expect(error.code).to.equal('ERR_DTLS_VERSION_MISMATCH');
    expect(error.message).to.include('the client offers only DTLSv1.3; this side accepts DTLSv1.2');
  });

  for (const versions of ['002b000504fefcfefd', '002b000302fefd', '002b000302feff']) {
    it(`that lists its versions as ${versions} is not refused for that`, async () => {
      const server = await listen({ ...(await certificate()), cookieExchange: false });
      const reply = await answer(portOf(server), hello('fefd', versions));
      expect([reply[0], reply[13]]).to.deep.equal([22, 2]);
    });
  }

  it('with a lower version than there is one of DTLS is refused with protocol_version', async () => {
    const server = await listen({ ...(await certificate()), cookieExchange: false });
    const failed = clientFailure(server);
    const reply = await answer(portOf(server), hello('ff00'));
    expect([...reply.subarray(13)]).to.deep.equal([2, 70]);
    const error = await failed;
    expect(error.code).to.equal('ERR_DTLS_VERSION_MISMATCH');
  });
});
