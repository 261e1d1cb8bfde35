// Protects that errors and hints on the command line speak of its flags: whoever types a command has no options of the
// library to set, and no callbacks. And that an address which is none is told why.
import { expect } from 'chai';
import { ALL_OPTIONS } from '../../lib/checks/option-names';
import { parseAddress } from '../../lib/cli/arguments';
import { describeError } from '../../lib/cli/output';
import { readCloseRecord } from '../../lib/core/close-record';
import { errorFromClose } from '../../lib/core/failures';
import { native } from '../../lib/core/native';
import type { DTLSError } from '../../lib/errors/errors';

/** What no command asks for, or gives: callbacks, stores, fingerprints, raw keys, PKCS #12 and the like. */
const NOT_HERE = new Set([
  ...['SNI_CALLBACK', 'ALPN_CALLBACK', 'SESSION_CALLBACK', 'OCSP_CALLBACK', 'OCSP_RESPONSE', 'FINGERPRINT', 'PUBLIC_KEY'],
  ...['INVALID_PFX', 'INVALID_CRL', 'INVALID_DHPARAM', 'INVALID_SESSION_ID_CONTEXT', 'EXTENDED_MASTER_SECRET'],
].map((name) => `ERR_DTLS_${name}`));

/** What the other end may be missing, which need not be a command. */
const OF_THE_OTHER_END = ['cookieSecret', 'dhparam', 'heartbeat'];

function everyError(): DTLSError[] {
  const closed = (kind: number, packed: number): DTLSError =>
    errorFromClose(readCloseRecord(kind, packed >>> 0, 'reason\0library\0'), undefined, undefined);
  return native.failures.flatMap(({ code }, kind) => {
    if (code === '' || NOT_HERE.has(code)) return [];
    const all = Array.from({ length: 255 }, (_, number) => number);
    if (code === 'ERR_DTLS_ALERT') return all.map((alert) => closed(kind, alert));
    if (code === 'ERR_DTLS_CERTIFICATE') return all.map((result) => closed(kind, 255 | (result << 8)));
    return [closed(kind, 255)];
  });
}

describe('an address on the command line that is none', () => {
  for (const [text, why] of [
    ['localhost', 'The port is missing.'],
    ['localhost:', 'The port is missing.'],
    ['localhost:x', "A port is a whole number from 0 to 65535, not 'x'."],
    ['127.0.0.1:-1', "not '-1'."],
    ['[::1]:1.5', "not '1.5'."],
    [':port', "not 'port'."],
    ['localhost:70000', 'A port is a whole number from 0 to 65535, not 70000.'],
    ['localhost:5684/path', "Leave out '/path'."],
    ['localhost:a:5684', 'There is one colon, in front of the port.'],
    ['coaps://localhost:5684', "Leave out 'coaps://'."],
    ['2001:db8::1', 'An IPv6 address stands in brackets.'],
  ] as const) {
    it(`${text}: ${why}`, () => {
      expect(() => parseAddress(text)).to.throw(`Write host:port, or [address]:port for IPv6. `).with.property('message').that.includes(why);
    });
  }
});

describe('words of the command line', () => {
  it('are flags, and no options, callbacks and functions of the library', () => {
    for (const error of everyError()) {
      const { code, message, hint = '' } = describeError(error);
      for (const text of [message, hint]) {
        const quoted = [...text.matchAll(/'(\w+)'/g)].map(([, name = '']) => name);
        expect(quoted.filter((name) => ALL_OPTIONS.includes(name) && !OF_THE_OTHER_END.includes(name)), `${String(code)}: ${text}`).to.deep.equal([]);
        expect(text, code).to.not.match(/Callback|createSocket|createSecureContext|secureOptions|'(reason|cause)'|(min|max)Version/);
        expect(text.trim(), code).to.not.match(/\s[,;:.]|[,;:]$/);
      }
    }
  });

  it('say how to ask for a version', () => {
    const error = Object.assign(new Error('x'), { hint: "Ask for DTLS 1.3, too (maxVersion: 'DTLSv1.3'), not 'minVersion'." });
    expect(describeError(error).hint).to.equal('Ask for DTLS 1.3, too (--max-version DTLSv1.3), not --min-version.');
  });

  it('have nothing of pskCallback for a client that the server does not know', () => {
    const kind = native.failures.findIndex(({ code }) => code === 'ERR_DTLS_PSK_IDENTITY_UNKNOWN');
    const { hint } = describeError(errorFromClose(readCloseRecord(kind, 255, '\0\0'), undefined, undefined));
    expect(hint).to.match(/^There is no key for this identity here: check --psk-identity.*whether it is registered\.$/);
  });
});
