/**
 * Protects: node-coap, unchanged, speaks coaps over createSocket's sockets: requests, block-wise
 * transfers both ways, observed resources; with pre-shared keys under the suite that RFC 7252 makes
 * mandatory, and with certificates; and it does so with libcoap's programs, on OpenSSL and on GnuTLS,
 * as clients and as servers.
 */
import { expect } from 'chai';
import { createAuthority } from '../helpers/certificates';
import * as coap from 'coap';
import type { IncomingMessage, OutgoingMessage } from 'coap';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programsOf, removePrograms } from '../helpers/pages';
import { certificate, within } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { cleanupAfterEach, freePort, requirePrograms, temporaryFiles } from '../helpers/peers';
import { bound, closeSockets, QUICK, secure } from '../dgram/support';
import { agentOver, ask, BIG, CCM8, observe, SECRET, serve } from './support';

const psk = { identity: 'device', psk: Buffer.from(SECRET) };

describe('node-coap over createSocket', function () {
  const cleanup = cleanupAfterEach(this);
  const files = temporaryFiles(this);
  afterEach(closeSockets);

  const credentials: [string, () => Promise<[object, object]>][] = [
    ['PSK with AES-128-CCM-8', () => Promise.resolve([{ psk, ciphers: CCM8 }, { psk, ciphers: CCM8 }])],
    [
      'certificates on both sides',
      async () => {
        const { certificatePem: ca } = await createAuthority();
        const device = await certificate({ commonName: 'device', dnsNames: ['device.example'], clientAuth: true });
        return [
          { ...(await certificate()), ca, role: 'server', requestCert: true },
          { cert: device.cert, key: device.key, ca, role: 'client' },
        ];
      },
    ],
  ];
  for (const [name, make] of credentials) {
    describe(name, () => {
      it('asks and answers', async () => {
        const [ours, theirs] = await make();
        const { port } = await serve(ours);
        const agent = agentOver(secure(theirs));
        expect(await ask(agent, port, '/hello')).to.deep.equal({ code: '2.05', text: 'world' });
        expect((await ask(agent, port, '/nothing')).code).to.equal('4.04');
        const who = JSON.parse((await ask(agent, port, '/who')).text) as Record<string, unknown>;
        expect(who).to.include({ authorized: true });
      });
      it('transfers a body block by block, in both directions', async () => {
        const [ours, theirs] = await make();
        const { port } = await serve(ours);
        const agent = agentOver(secure(theirs));
        expect((await ask(agent, port, '/big')).text).to.equal(BIG);
        const put = await ask(agent, port, '/echo', { method: 'PUT', payload: BIG.slice(0, 900) });
        expect(put).to.deep.equal({ code: '2.04', text: BIG.slice(0, 900) });
      });
      it('observes a resource', async () => {
        const [ours, theirs] = await make();
        const { port, socket } = await serve(ours);
        const agent = agentOver(secure(theirs));
        expect(await observe(agent, port, '/ticks', 4)).to.deep.equal(['0', '1', '2', '3']);
        expect(socket.stats.handshakesCompleted).to.equal(1);
      });
    });
  }

  it('a server and an agent share one socket, and ask one another', async () => {
    const a = await serve({ psk });
    const b = await serve({ psk });
    const [fromA, fromB] = await Promise.all([
      ask(agentOver(a.socket), b.port, '/hello'),
      ask(agentOver(b.socket), a.port, '/hello'),
    ]);
    expect([fromA.text, fromB.text]).to.deep.equal(['world', 'world']);
    expect([...a.socket.sessions].filter((s) => s.readyState === 'open')).to.have.length(1);
  });

  it('a wrong key is an error of the request, not a hang', async () => {
    const { port } = await serve({ psk });
    const wrong = secure({ psk: { identity: 'device', psk: Buffer.from('wrong') }, ...QUICK });
    const failed = await ask(agentOver(wrong), port, '/hello').then(
      () => undefined,
      (error: unknown) => error as { code?: string },
    );
    expect(failed?.code).to.match(/^ERR_DTLS_/);
  });

  describe('client.mjs of docs/coap.md comes to its end', () => {
    const KEY = Buffer.from('0123456789abcdef0123456789abcdef', 'hex');
    let folder = '';
    before(() => {
      folder = programsOf('docs/coap.md');
    });
    after(() => {
      removePrograms(folder);
    });

    for (const [when, theirs, says] of [
      ['with its answer', { identity: 'lamp-7', psk: KEY }, /^world\n$/],
      ['when its handshake is refused', { identity: 'another', psk: KEY }, /^ERR_DTLS_ALERT_UNKNOWN_PSK_IDENTITY\n$/],
      // Two of its repetitions wait for one handshake.
      ['when several of its repetitions are refused together', { identity: 'lamp-7', psk: Buffer.from('another') }, /^(ERR_DTLS_PSK_MISMATCH\n){2}$/],
    ] as const) {
      it(when, async function () {
        this.timeout(patience(20_000));
        const { port } = await serve({ role: 'server', psk: theirs });
        const text = readFileSync(join(folder, 'client.mjs'), 'utf8')
          .replace("pathname: '/temperature'", "pathname: '/hello'")
          .replace("'localhost', port: 5684", `'127.0.0.1', port: ${String(port)}`)
          .replace("role: 'client', psk", "role: 'client', psk, handshakeTimeout: 4500");
        const file = join(folder, `client-${String(port)}.mjs`);
        writeFileSync(file, text);
        const client = cleanup.start(process.execPath, [file]);
        expect(await client.ends()).to.equal(0);
        expect(client.output).to.match(says);
      });
    }
  });

  for (const role of ['server', 'both'] as const) {
    it(`a client that leaves before its answer ends no server, of role '${role}'`, async () => {
      // As docs/coap.md has it, with a handler that takes its time and listens to no errors.
      const socket = await bound(secure({ psk, role, ...QUICK }));
      const server = coap.createServer();
      const answered = new Promise<void>((resolve) => {
        server.on('request', (request: IncomingMessage, response: OutgoingMessage) => {
          if (request.url === '/hello') response.end('world');
          else {
            socket.once('peerError', () => {
              resolve();
            });
            setTimeout(() => response.end('late'), 100);
          }
        });
      });
      server.listen(socket);
      socket.once('close', () => server.close());
      const { port } = socket.address();
      const leaving = secure({ psk, role: 'client' });
      const request = agentOver(leaving).request({ hostname: '127.0.0.1', port, pathname: '/late', confirmable: false });
      request.on('error', () => undefined);
      request.end();
      await once(leaving, 'secureConnection');
      await new Promise((resolve) => setTimeout(resolve, 50));
      leaving.close();
      await within(answered, 'the answer to nobody');
      expect((await ask(agentOver(secure({ psk, role: 'client' })), port, '/hello')).text).to.equal('world');
    });
  }

  it('examples/coaps runs by itself', async () => {
    const example = cleanup.start(process.execPath, ['examples/coaps/main.mjs']);
    expect(await example.ends()).to.equal(0);
    expect(example.output).to.include('2.05 hello thermometer-1').and.include('device   21.5');
  });

  for (const library of ['openssl', 'gnutls']) {
    describe(`coap-client of libcoap on ${library}`, () => {
      const program = `coap-client-${library}`;
      before(function () {
        requirePrograms(this, program);
      });
      const get = (port: number, path: string, ...more: string[]): string[] =>
        ['-m', 'get', '-B', '5', ...more, `coaps://127.0.0.1:${String(port)}${path}`];
      const key = ['-u', 'device', '-k', SECRET];

      it('asks with a pre-shared key under AES-128-CCM-8', async () => {
        const { port, socket } = await serve({ psk, ciphers: CCM8 });
        let suite: string | undefined;
        socket.on('secureConnection', (session) => {
          suite = session.getCipher()?.name;
        });
        const client = cleanup.start(program, get(port, '/hello', ...key));
        await client.sees(/world/);
        expect(suite).to.equal('PSK-AES128-CCM8');
      });
      it('fetches block by block, and stores', async () => {
        const { port } = await serve({ psk });
        const client = cleanup.start(program, get(port, '/big', ...key));
        await client.sees(/line 599/);
        const body = files.file('a body of one block');
        // More than one and node-coap answers 5.00, over plain UDP as well: its cache goes by the token,
        // of which libcoap takes a new one for each block.
        const put = cleanup.start(program, [
          '-m', 'put', '-B', '5', '-f', body, ...key, `coaps://127.0.0.1:${String(port)}/echo`,
        ]);
        await put.sees(/a body of one block/);
      });
      it('observes', async () => {
        const { port } = await serve({ psk });
        const client = cleanup.start(program, get(port, '/ticks', '-s', '2', '-w', ...key));
        await client.sees(/0\s+1\s+2\s+3/);
      });
      it('asks with certificates', async () => {
        const { certificatePem: ca } = await createAuthority();
        const { port } = await serve({ ...(await certificate()), ca, role: 'server', requestCert: true });
        const device = files.identity(
          await certificate({ commonName: 'device', dnsNames: ['device.example'], clientAuth: true }),
        );
        const client = cleanup.start(
          program,
          get(port, '/who', '-c', device.cert, '-j', device.key, '-C', files.file(ca)),
        );
        await client.sees(/"authorized":true/);
      });
    });

    describe(`coap-server of libcoap on ${library}`, () => {
      const program = `coap-server-${library}`;
      before(function () {
        requirePrograms(this, program);
      });
      async function start(...more: string[]): Promise<number> {
        const port = await freePort();
        const server = cleanup.start(program, ['-A', '127.0.0.1', '-p', String(port), '-v', '7', '-d', '10', ...more]);
        await server.sees(/created DTLS endpoint/);
        return port + 1;
      }

      it('answers, is observed, and takes a body, with a pre-shared key', async () => {
        const port = await start('-k', SECRET);
        const agent = agentOver(secure({ psk, role: 'client', ciphers: CCM8 }));
        expect((await ask(agent, port, '/')).text).to.include('libcoap');
        const core = await ask(agent, port, '/.well-known/core');
        expect(core.text).to.include('</time>');
        // The clock of its /time ticks every second.
        const ticks = await observe(agent, port, '/time', 2);
        expect(ticks[0]).to.not.equal(ticks[1]);
        const put = await ask(agent, port, '/made', { method: 'PUT', payload: BIG.slice(0, 700) });
        expect(put.code).to.equal('2.01');
        expect((await ask(agent, port, '/made')).text).to.equal(BIG.slice(0, 700));
      });
      it('answers with certificates', async () => {
        const { certificatePem: ca } = await createAuthority();
        const own = files.identity(await certificate());
        const port = await start('-c', own.cert, '-j', own.key, '-n');
        const agent = agentOver(secure({ ca, role: 'client' }));
        expect((await ask(agent, port, '/', { hostname: 'localhost' })).text).to.include('libcoap');
      });
    });
  }
});
