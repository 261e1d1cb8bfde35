// Protects the frames of syslog over DTLS (RFC 6012): known answers both ways, and whatever a record may hold instead.
import { expect } from 'chai';
import { frame, unframe } from '../../lib/cli/proxy/syslog';

const read = (record: string | Uint8Array): { messages: string[]; malformed: boolean } => {
  const { messages, malformed } = unframe(typeof record === 'string' ? Buffer.from(record) : record);
  return { messages: messages.map((message) => Buffer.from(message).toString()), malformed };
};

describe('syslog frames (RFC 6012)', () => {
  it('count octets, not characters', () => {
    expect(frame(Buffer.from('<34>1 - - - - - - hi')).toString()).to.equal('20 <34>1 - - - - - - hi');
    expect(frame(Buffer.from('grün')).toString()).to.equal('5 grün');
    expect(frame(Buffer.alloc(16378)).length).to.equal(16384);
  });

  it('are told apart, several in one record, whatever they hold', () => {
    expect(read('5 hello')).to.deep.equal({ messages: ['hello'], malformed: false });
    expect(read('3 one5 3 two1 x')).to.deep.equal({ messages: ['one', '3 two', 'x'], malformed: false });
    expect(read('2 \n\n5 grün')).to.deep.equal({ messages: ['\n\n', 'grün'], malformed: false });
    for (const length of [1, 9, 10, 2048, 8192, 16378]) {
      const message = Buffer.alloc(length, '7 ');
      expect(unframe(frame(message)).messages.map((one) => Buffer.from(one)), String(length)).to.deep.equal([message]);
    }
  });

  it('that are malformed take the rest of their record with them, and nothing before it', () => {
    const malformed = ['', 'x', 'hello', '<34>1 no frame', '5', '5 ', '5 four', '5hello', '05 hello', '0 ', ' 5 hello'];
    for (const rest of [...malformed, '-1 x', '+1 x', '1\tx', '123456 x', '99999 x', '1e1 xxxxxxxxxx', '\u0661 x']) {
      expect(read(rest), JSON.stringify(rest)).to.deep.equal({ messages: [], malformed: true });
      if (rest !== '') expect(read(`2 ok${rest}`), JSON.stringify(rest)).to.deep.equal({ messages: ['ok'], malformed: true });
    }
  });

  it('of any bytes are read to the end, and hold no more than came', () => {
    let state = 20_101;
    const random = (below: number): number => (state = (state * 48_271) % 0x7fffffff) % below;
    const alphabet = Buffer.from('0123 9x\u0000\u00ff', 'latin1');
    for (let turn = 0; turn < 5000; ++turn) {
      const record = Buffer.from(Array.from({ length: random(40) }, () => alphabet[random(alphabet.length)] ?? 0));
      const { messages, malformed } = unframe(record);
      const again = Buffer.concat(messages.map(frame));
      expect(record.subarray(0, again.length)).to.deep.equal(again);
      expect(malformed).to.equal(again.length < record.length || record.length === 0);
    }
  });
});
