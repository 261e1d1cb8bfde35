/** Protects that what is of a wrong type, or a file that is not there, is told with what to do about it; and that an aborted session is told as Node's own APIs tell it. */
import { expect } from 'chai';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import ts from 'typescript';
import { connect, createServer, DTLSError } from '../../lib/index';
import { closeEverything, failure, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';
import { thrown } from '../helpers/thrown';

const ofServer = (given: object): DTLSError => thrown(() => createServer({ ...PSK_SERVER, ...given }));
const ofClient = (given: object): DTLSError => thrown(() => connect({ port: 9, ...PSK_CLIENT, ...given }));

describe('Hints', () => {
  afterEach(closeEverything);

  for (const [error, hint] of [
    [() => ofServer({ heartbeat: 'yes' }), '{ interval: 20000 }'],
    [() => ofServer({ heartbeat: 20000 }), '{ interval: 20000 }'],
    [() => ofServer({ copyMessages: null }), 'Left out, it is false.'],
    [() => ofServer({ copyMessages: 'yes' }), 'Write true or false'],
    [() => ofClient({ signal: new AbortController() }), 'controller.signal'],
    [() => ofClient({ signal: 1000 }), 'AbortSignal.timeout(ms)'],
    [() => ofClient({ servername: 1 }), 'String(it)'],
    [() => ofClient({ session: true }), 'getSession()'],
    [() => ofClient({ session: 'text' }), "'base64'"],
    [() => ofClient({ maxFragmentLength: true }), '512, 1024'],
    [() => ofServer({ blockList: ['127.0.0.1'] }), 'new BlockList()'],
    [() => ofServer({ ticketKeys: true }), 'crypto.randomBytes(48)'],
    [() => ofServer({ srtpProfiles: true }), 'the preferred one first'],
    [() => ofServer({ srtpProfiles: 'x' }), '[it]'],
    [() => ofServer({ pskIdentityHint: 'a\0b' }), 'OpenSSL would cut it'],
    [() => ofServer({ ALPNProtocols: [''] }), 'RFC 7301'],
  ] as const) {
    it(`are there for what is of another type: ${hint}`, () => {
      expect(error().hint).to.be.a('string').that.includes(hint);
    });
  }

  describe('of a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-hints-'));
    after(() => {
      rmSync(folder, { recursive: true });
    });

    for (const [certFile, code, hint] of [
      [join(folder, 'nothing.pem'), 'ENOENT', 'no such file'],
      [folder, 'EISDIR', 'folder'],
      ['x'.repeat(5000), 'ENAMETOOLONG', 'no content of a file'],
    ] as const) {
      it(`are there for ${code}`, () => {
        const server = createServer(PSK_SERVER);
        const error = thrown(() => server.watchSecureContext({ certFile, keyFile: certFile }));
        expect(error).to.include({ code, category: 'io' });
        expect(error.hint).to.include(hint);
      });
    }
  });

  it('go with an aborted session, whose error is an AbortError as those of Node', async () => {
    const aborter = new AbortController();
    const client = connect({ port: 9, host: '127.0.0.1', ...PSK_CLIENT, signal: aborter.signal });
    const reason = new Error('enough');
    const error = failure(client);
    aborter.abort(reason);
    expect(await error).to.be.an.instanceOf(DTLSError).that.includes({ name: 'AbortError', code: 'ABORT_ERR', category: 'closed', cause: reason });
    expect((await error).hint).to.include("'cause'");
    expect(String(await error)).to.equal('AbortError: the operation was aborted');
    expect(ofServer({ psk: 1 }).name).to.equal('DTLSError');
  });
});

/** Where a file of lib makes an error of this package without saying what to do. */
function withoutHint(path: string): string[] {
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const mostly: Readonly<Record<string, number>> = { usageError: 3, wrongType: 4, wrongForm: 4 };
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && node.arguments.length < (mostly[node.expression.getText()] ?? 0)) {
      found.push(node.getText());
    }
    const isOwn = ts.isNewExpression(node) && node.expression.getText() === 'DTLSError';
    if (isOwn && !/\bhint\b/.test(node.getText())) found.push(node.getText());
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found.map((text) => `${basename(path)}: ${text.replace(/\s+/g, ' ')}`);
}

describe('Errors', () => {
  it('are made with a hint, but for the words of others', () => {
    const lib = join(__dirname, '../../lib');
    const files = readdirSync(lib, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !/^(?:cli|node-dtls)[\\/]/.test(name))
      .map((name) => join(lib, name));
    expect(files).to.have.length.above(100);
    expect(files.flatMap(withoutHint)).to.deep.equal([
      'failures.ts: new DTLSError(message, details)', // whose details are of errors.def
      "socket-errors.ts: new DTLSError(message, { code, category: 'closed', peer, cause: error })", // destroy(error)
    ]);
  });
});
