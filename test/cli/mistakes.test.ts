// Protects what the command line says of mistakes that everybody makes: a file that is not there, one that cannot be
// written, an address in an option, a port that somebody has, a host that does not resolve.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { cleanupAfterEach } from '../helpers/peers';
import { cli, temporaryFolder } from './run';

describe('mistakes on the command line', function () {
  this.timeout(120_000);
  const cleanup = cleanupAfterEach(this);
  const inFolder = temporaryFolder(this);

  const errorOf = async (args: readonly string[]): Promise<{ code: number | null; error: Record<string, string> }> => {
    const run = await cli([...args, '--json']);
    return { code: run.code, error: (run.json.at(-1)?.error ?? {}) as Record<string, string> };
  };

  it('a file to be read is not there, or a folder', async () => {
    const missing = inFolder('nothing.pem');
    for (const args of [
      ['connect', '127.0.0.1:9', '--ca', missing],
      ['listen', '0', '--cert', missing, '--key', missing],
      ['decode', missing],
    ]) {
      const { code, error } = await errorOf(args);
      expect(code).to.equal(2);
      expect(error).to.include({ code: 'ENOENT' });
      expect(error.hint).to.include('no such file').and.to.include('working directory');
    }
    const { error } = await errorOf(['decode', inFolder()]);
    expect(error).to.include({ code: 'EISDIR', hint: 'It is a folder: name a file in it.' });
  });

  it('a file to be written has no folder', async () => {
    const { code, error } = await errorOf(['listen', '127.0.0.1:0', '--keylog', inFolder('nothing', 'keys.txt')]);
    expect(code).to.equal(2);
    expect(error).to.include({ code: 'ENOENT' });
    expect(error.hint).to.include('folder').and.to.include('make it first');
  });

  it('the address is given as an option', async () => {
    const run = await cli(['listen', '--port', '5684']);
    expect(run.code).to.equal(2);
    expect(run.stderr).to.include("unknown option '--port'").and.to.include('dgram-dtls listen [host:]port').and.not.include('Did you mean');
    const client = await cli(['connect', '--host', 'localhost']);
    expect(client.stderr).to.include('dgram-dtls connect host:port');
  });

  it('the port is in use, or the host does not resolve', async () => {
    const other = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    cleanup.add(() => void other.close());
    await once(other, 'listening');
    const taken = await errorOf(['listen', `127.0.0.1:${String(other.address().port)}`]);
    expect(taken.code).to.equal(1);
    expect(taken.error).to.include({ code: 'EADDRINUSE' });
    expect(taken.error.hint).to.include('choose another one');
    const lost = await errorOf(['scan', 'nobody.invalid:5684']);
    expect(lost.code).to.equal(1);
    expect(lost.error.code).to.be.oneOf(['ENOTFOUND', 'EAI_AGAIN']);
    expect(lost.error.hint).to.be.a('string').that.includes('resolve');
  });
});
