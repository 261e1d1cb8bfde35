// Protects: that text of a peer's is one line in a message and on a terminal, that nothing of it is hidden, and that
// letters stay what they are.
import { expect } from 'chai';
import { shown } from '../../lib/errors/as-error';
import { printable, printableJson } from '../../lib/errors/printable';

describe('text of others', () => {
  for (const [what, text, written] of [
    ['what a terminal obeys', 'a\u001b[2J\u009b1mb\u0007', 'a\\x1b[2J\\x9b1mb\\x07'],
    ['what begins a line', 'a\nb\rc\u0085d\u2028e\u2029f\u000bg', 'a\\x0ab\\x0dc\\x85d\\u2028e\\u2029f\\x0bg'],
    ['what turns a line about', '\u202egnp.exe\u2067', '\\u202egnp.exe\\u2067'],
    ['what is not seen', 'ad\u00admin\u200b\u200d\u2060\ufeff\u3164\u180e', 'ad\\xadmin\\u200b\\u200d\\u2060\\ufeff\\u3164\\u180e'],
    ['what is not seen, beyond the first plane', 'x\u{e0041}\u{e0100}', 'x\\u{e0041}\\u{e0100}'],
    ['half of a pair', '\ud83d!', '\\ud83d!'],
  ] as const) {
    it(`has ${what} written out`, () => {
      expect(printable(text)).to.equal(written);
    });
  }

  it('keeps letters of all scripts, symbols, tabs and spaces', () => {
    const text = 'Gerät-é \t Ω Жук 東京\u3000大阪 עברית مرحبا हिन्दी \u{1f600} ‘’ \\';
    expect(printable(text)).to.equal(text);
  });

  it('is written out in JSON as well, and is the same to who parses it', () => {
    const value = { text: 'a\u009b31m\u007f\u202e\u00ad\n\ud83d \u{e0041}', more: ['Gerät', '東京', '\u{1f600}'] };
    const text = printableJson(value);
    expect(JSON.parse(text)).to.deep.equal(value);
    expect(text).to.include(String.raw`a\u009b31m\u007f\u202e\u00ad\n\ud83d \udb40\udc41`).and.include('Gerät').and.include('\u{1f600}');
  });

  it('is quoted in the message about a value, whose own lines stay', () => {
    expect(shown('a\u202e\u200b\n')).to.equal("'a\\u202e\\u200b\\n'");
    const lines = shown({ text: '\u202e'.repeat(40), more: 'x'.repeat(80) });
    expect(lines).to.include('\n').and.not.match(/\u202e/);
  });
});
