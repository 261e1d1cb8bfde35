/**
 * Protects: that lib/ and src-native/core/base/errors.def speak of the same failures, that no failure
 * reaches a user without a code, a category and a hint, and that numbers get the names they have in
 * OpenSSL and the RFCs.
 */
import { constants } from 'node:os';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import { runInThisContext } from 'node:vm';
import { expect } from 'chai';
import { buildSync } from 'esbuild';
import { readCloseRecord } from '../../lib/core/close-record';
import { errorFromClose } from '../../lib/core/failures';
import { DTLSError, ioError } from '../../lib/errors/errors';
import { alertName, handshakeMessageName, protocolName, verifyErrorName } from '../../lib/errors/names';
import { native } from '../../lib/core/native';

const CATEGORIES = [
  'usage',
  'io',
  'protocol',
  'alert',
  'certificate',
  'timeout',
  'closed',
  'internal',
];
const NO_ALERT = 255;

const definitions = readFileSync(
  path.join(__dirname, '../../src-native/core/base/errors.def'),
  'utf8',
);
const rows = [
  ...definitions.matchAll(/^DTLS_FAILURE\((\w+), "([^"]*)", "([^"]*)",\s*"((?:[^"\\]|\\.)*)"\)/gm),
].map(([, kind = '', code = '', category = '', hint = '']) => ({ kind, code, category, hint }));

const kindOf = (code: string): number => native.failures.findIndex((row) => row.code === code);

interface Close {
  alert?: number;
  verifyResult?: number;
  completed?: boolean;
  text?: string;
}

function closed(code: string, close: Close = {}, cause?: Error): DTLSError {
  const { alert = NO_ALERT, verifyResult = 0, completed = false, text = '\0\0' } = close;
  const packed = (alert | (verifyResult << 8) | (completed ? 1 << 31 : 0)) >>> 0;
  const peer = { address: '192.0.2.1', port: 5684, family: 'IPv4' } as const;
  return errorFromClose(readCloseRecord(kindOf(code), packed, text), peer, cause);
}

describe('errors', () => {
  it('are the rows of errors.def, in its order', () => {
    expect(rows.length).to.equal(definitions.match(/^DTLS_FAILURE\(/gm)?.length);
    expect(native.failures).to.deep.equal(
      rows.map(({ code, category, hint }) => ({ code, category, hint })),
    );
  });

  it('have codes of their own and known categories', () => {
    const codes = native.failures.map(({ code }) => code);
    expect(new Set(codes).size).to.equal(codes.length);
    expect(codes.filter((code) => code !== '' && !/^ERR_DTLS_[A-Z_]+$/.test(code))).to.deep.equal(
      [],
    );
    for (const { code, category } of native.failures) {
      expect(CATEGORIES, code).to.include(category);
    }
  });

  for (const { code, category } of native.failures.filter((row) => row.code !== '')) {
    it(`${code} has a message and a hint`, () => {
      // A CLOSE of these kinds says what was received or found.
      const close = { alert: 40, verifyResult: 18, text: 'reason\0library\0detail' };
      const error = closed(code, close);
      expect(error).to.be.instanceOf(DTLSError).and.instanceOf(Error);
      expect(error.category).to.equal(category);
      expect(error.message).to.match(/reason|alert/);
      if (code !== 'ERR_DTLS_PEER_IDENTITY') {
        // That one gets its hint where checkServerIdentity's answer is known.
        expect(error.hint).to.match(/^\S.*[.]$/s);
      }
    });
  }

  it('carry all that a CLOSE record says', () => {
    const cause = new Error('a callback threw');
    const error = closed(
      'ERR_DTLS_PROTOCOL',
      { alert: 47, completed: true, text: 'bad length\0SSL routines\0three of them' },
      cause,
    );
    expect(error).to.include({
      name: 'DTLSError',
      code: 'ERR_DTLS_PROTOCOL',
      category: 'protocol',
      reason: 'bad length',
      library: 'SSL routines',
      alert: 'illegal_parameter',
      message: 'protocol (bad length): three of them',
      cause,
    });
    expect(error.peer).to.deep.equal({ address: '192.0.2.1', port: 5684, family: 'IPv4' });
  });

  it('print by their name, whatever a bundler has called their class', () => {
    const contents = `
      import { DTLSError } from './dtls-error';
      export const isRenamed = !DTLSError.toString().startsWith('class DTLSError');
      export const error = new DTLSError('it failed', { code: 'ERR_DTLS_IO', category: 'io' });`;
    const { outputFiles } = buildSync({
      stdin: { contents, resolveDir: path.join(__dirname, '../../lib/errors') },
      ...{ bundle: true, write: false, minify: true, format: 'iife', globalName: 'made', target: 'es2022' },
    });
    const made = runInThisContext(`(() => { ${outputFiles[0]?.text ?? ''}; return made; })()`) as { isRenamed: boolean; error: Error };
    expect(made.isRenamed).to.equal(true);
    expect(inspect(made.error)).to.match(/^DTLSError: it failed/);
  });

  it('leave out what is not known', () => {
    const error = closed('ERR_DTLS_NO_RESPONSE');
    expect(error).to.not.have.any.keys('reason', 'library', 'alert', 'errno', 'syscall', 'cause');
    expect(error.message).to.equal('no response');
  });

  it('name every alert, and have a hint for each', () => {
    for (let alert = 0; alert < NO_ALERT; ++alert) {
      const error = closed('ERR_DTLS_ALERT', { alert });
      expect(error.code).to.equal(`ERR_DTLS_ALERT_${alertName(alert).toUpperCase()}`);
      expect(error.code).to.match(/^ERR_DTLS_ALERT_[A-Z0-9_]+$/);
      expect(error.hint).to.be.a('string').that.is.not.empty;
      expect(error.alert).to.equal(alertName(alert));
    }
  });

  it('name every result of verification, and have a hint for each', () => {
    for (let result = 1; result < 100; ++result) {
      const error = closed('ERR_DTLS_CERTIFICATE', { verifyResult: result, text: 'why\0\0' });
      expect(error.code).to.equal(verifyErrorName(result));
      expect(error.code).to.match(/^[A-Z0-9_]+$/);
      expect(error.category).to.equal('certificate');
      expect(error.hint).to.be.a('string').that.is.not.empty;
    }
  });

  it('of the system keep their code, errno and syscall', () => {
    const system = Object.assign(new Error('bind EADDRINUSE'), {
      code: 'EADDRINUSE',
      errno: -constants.errno.EADDRINUSE,
      syscall: 'bind',
    });
    const error = ioError(system);
    expect(error).to.include({
      code: 'EADDRINUSE',
      category: 'io',
      errno: system.errno,
      syscall: 'bind',
      message: system.message,
      cause: system,
    });
    expect(error.hint).to.be.a('string').that.is.not.empty;
    expect(ioError(error)).to.equal(error);
    expect(ioError(new Error('odd')).code).to.equal('ERR_DTLS_IO');
  });
});

describe('names', () => {
  it('of handshake messages are those of the RFCs', () => {
    expect(handshakeMessageName(1)).to.equal('client_hello');
    expect(handshakeMessageName(3)).to.equal('hello_verify_request');
    expect(handshakeMessageName(254)).to.equal('change_cipher_spec');
    expect(handshakeMessageName(200)).to.equal('handshake_200');
  });

  it('of alerts are those of the registry', () => {
    expect(alertName(0)).to.equal('close_notify');
    expect(alertName(115)).to.equal('unknown_psk_identity');
    expect(alertName(199)).to.equal('alert_199');
  });

  it('of verification results are those of node:tls', () => {
    expect(verifyErrorName(10)).to.equal('CERT_HAS_EXPIRED');
    expect(verifyErrorName(18)).to.equal('DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(verifyErrorName(1000)).to.equal('X509_V_ERR_1000');
  });

  it('of versions are those of the options', () => {
    expect([0xfeff, 0xfefd, 0xfefc].map(protocolName)).to.deep.equal([
      'DTLSv1',
      'DTLSv1.2',
      'DTLSv1.3',
    ]);
  });
});
