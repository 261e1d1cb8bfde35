// Protects a client of DTLS 1.3 from a server's long ticket: one of more than 8192 bytes, with which its hello would be
// longer than servers put together, is not offered, and the handshake is a full one; one that is as long as that is, and
// comes over in pieces, whatever the server makes of it.
import { expect } from 'chai';
import { converse } from '../helpers/exchange';
import { describe13, DTLS13 } from '../helpers/dtls13';
import { closeEverything, dial, listen, next, openOn, portOf, withCertificate } from '../helpers/pair';
import { Relay } from '../helpers/relay';

const SEQUENCE = 0x30;
const OCTET_STRING = 4;
/** `ticket [10] EXPLICIT OCTET STRING` of OpenSSL's SSL_SESSION, which is what a kept session is. */
const TICKET = 0xaa;

interface Value {
  readonly tag: number;
  readonly content: Buffer;
}

function read(der: Buffer): Value[] {
  const values: Value[] = [];
  for (let at = 0; at < der.length; ) {
    const tag = der.readUInt8(at);
    const first = der.readUInt8(at + 1);
    const sizeOfLength = first < 0x80 ? 0 : first & 0x7f;
    const length = sizeOfLength === 0 ? first : der.readUIntBE(at + 2, sizeOfLength);
    const begin = at + 2 + sizeOfLength;
    values.push({ tag, content: der.subarray(begin, begin + length) });
    at = begin + length;
  }
  return values;
}

function write({ tag, content }: Value): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/** The session with a ticket of so many bytes, as another server may give one. */
function withTicket(session: Buffer, bytes: number): Buffer {
  const [whole] = read(session);
  if (whole?.tag !== SEQUENCE) throw new Error('no session');
  const ticket = write({ tag: OCTET_STRING, content: Buffer.alloc(bytes, 't') });
  const fields = read(whole.content);
  expect(fields.map(({ tag }) => tag)).to.include(TICKET);
  const longer = fields.map((field) => write(field.tag === TICKET ? { ...field, content: ticket } : field));
  return write({ tag: SEQUENCE, content: Buffer.concat(longer) });
}

describe13('tickets of DTLS 1.3', () => {
  const relays: Relay[] = [];

  afterEach(async () => {
    await closeEverything();
    for (const relay of relays.splice(0)) relay.close();
  });

  for (const [bytes, offered] of [[8192, true], [8193, false], [30_000, false]] as const) {
    it(`of ${bytes} bytes are ${offered ? 'offered' : 'kept back'}, and the handshake goes on`, async () => {
      const server = await listen(await withCertificate({ ...DTLS13, cookieExchange: false }));
      const first = await dial(server, DTLS13);
      const [session] = await next(first, 'session');
      const relay = await Relay.to(portOf(server));
      relays.push(relay);
      let said = 0;
      let answered = false;
      relay.passes = ({ length }, direction) => {
        answered ||= direction === 'toClient';
        if (!answered) said += length;
        return true;
      };
      const { client, peer } = await openOn(server, { ...DTLS13, port: relay.port, session: withTicket(session, bytes) });
      expect(client.isSessionReused()).to.equal(false);
      if (offered) expect(said).to.be.above(bytes);
      else expect(said).to.be.within(200, 3000);
      await converse({ client, peer });
      // The session itself is taken up, so nothing but the ticket kept it back.
      const again = await openOn(server, { ...DTLS13, session });
      expect(again.client.isSessionReused()).to.equal(true);
    });
  }
});
