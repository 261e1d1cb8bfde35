/** Protects the lists of application protocols: what is taken, what is refused, and how they are on the wire. */
import { expect } from 'chai';
import { decodeProtocols, encodeProtocols, onlyProtocol, type ALPNProtocols } from '../../lib/options/alpn';

const encode = (value: unknown): Buffer | undefined =>
  encodeProtocols('ALPNProtocols', value as ALPNProtocols);

describe('lists of protocols', () => {
  it('have each name behind its length', () => {
    expect(encode(['x', Buffer.from('coap')])).to.deep.equal(Buffer.from('\x01x\x04coap'));
    expect(decodeProtocols(Buffer.from('\x01x\x04coap'))).to.deep.equal(['x', 'coap']);
    expect(decodeProtocols(Buffer.alloc(0))).to.deep.equal([]);
    expect(onlyProtocol('coap')).to.deep.equal(Buffer.from('\x04coap'));
  });

  it('keep names of any bytes', () => {
    const name = Buffer.from(Array.from({ length: 255 }, (_, i) => i + 1));
    const [read = ''] = decodeProtocols(encode([name]) ?? Buffer.alloc(0));
    expect(onlyProtocol(read).subarray(1)).to.deep.equal(name);
  });

  it('that are empty are none', () => {
    for (const none of [undefined, [], Buffer.alloc(0)]) expect(encode(none)).to.equal(undefined);
  });

  it('are copied: the memory may be used again', () => {
    const memory = Buffer.from('\x01x');
    const encoded = encode(memory);
    memory.fill(0);
    expect(encoded).to.deep.equal(Buffer.from('\x01x'));
  });

  for (const [what, value, code, says] of [
    ['a string', 'coap', 'ERR_INVALID_ARG_TYPE', 'an array of strings'],
    ['a number', 7, 'ERR_INVALID_ARG_TYPE', 'an array of strings'],
    ['null', null, 'ERR_INVALID_ARG_TYPE', 'not null'],
    ['a number in the array', ['coap', 7], 'ERR_INVALID_ARG_TYPE', "'ALPNProtocols[1]'"],
    ['an empty name', ['coap', ''], 'ERR_OUT_OF_RANGE', "'ALPNProtocols[1]' has 0 bytes"],
    ['a long name', ['ä'.repeat(128)], 'ERR_OUT_OF_RANGE', 'has 256 bytes'],
    ['an empty name on the wire', Buffer.from([1, 97, 0]), 'ERR_INVALID_ARG_VALUE', 'at byte 2'],
    ['a name cut short', Buffer.from([1, 97, 3, 98, 98]), 'ERR_INVALID_ARG_VALUE', 'at byte 2'],
    ['too many', Array<string>(33).fill('a'.repeat(255)), 'ERR_OUT_OF_RANGE', '8448 bytes'],
  ] as const) {
    it(`refuse ${what}`, () => {
      expect(() => encode(value))
        .to.throw(says)
        .with.property('code', code);
    });
  }
});
