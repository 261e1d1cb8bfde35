// Protects: that the command line and createSocket speak DTLS 1.3 when they are told to, and that what watches a session
// (the ladder of its handshake, qlog) has the names of its messages; where there is no 1.3 the command line says what it takes.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createSocket, features } from '../../lib/index';
import { describe13, DTLS13 } from '../helpers/dtls13';
import { closeEverything, dialTo, listen, next, portOf, PSK, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';
import { cleanupAfterEach } from '../helpers/peers';
import { cli, startListen, startProxy } from './run';

const KEY = ['--psk', PSK.psk.toString('hex'), '--psk-identity', PSK.identity];
const ONLY = ['--min-version', 'DTLSv1.3'];

describe13('DTLS 1.3 by other ways in', function () {
  this.timeout(60_000);
  const cleanup = cleanupAfterEach(this);
  afterEach(closeEverything);

  it('connect --max-version DTLSv1.3 draws the messages by their names', async () => {
    const server = await listen({ ...PSK_SERVER, ...DTLS13 });
    const { code, stderr } = await cli(
      ['connect', `127.0.0.1:${portOf(server)}`, '--psk', PSK.psk.toString('hex'), '--psk-identity', PSK.identity, '--max-version', 'DTLSv1.3', '--linger', '50'],
      { input: Buffer.alloc(0) },
    );
    expect(code, stderr).to.equal(0);
    for (const name of ['client_hello', 'server_hello', 'encrypted_extensions', 'finished']) expect(stderr).to.include(`-- ${name} `);
  });

  it('lab says that it measures DTLS 1.2', async () => {
    for (const flag of ['--max-version', '--min-version']) {
      const { code, stderr } = await cli(['lab', '-n', '1', '--psk', '00', flag, 'DTLSv1.3']);
      expect(code).to.equal(2);
      expect(stderr).to.include(`${flag} DTLSv1.3: lab counts the repetitions of DTLS 1.2`);
    }
  });

  it('listen and connect: a message there, and it comes back', async () => {
    const { process: listening, port } = await startListen(cleanup, [...KEY, ...ONLY, '--echo']);
    const { code, stdout, stderr } = await cli(['connect', `127.0.0.1:${port}`, ...KEY, ...ONLY, '--linger', '500'], { input: 'over 1.3\n' });
    expect(code, stderr).to.equal(0);
    expect(stdout).to.include('over 1.3');
    expect(stderr).to.include('DTLSv1.3 TLS_AES_128_GCM_SHA256');
    await listening.sees(/connected: DTLSv1\.3 TLS_AES_128_GCM_SHA256/);
  });

  it('proxy: what comes by DTLS 1.3 leaves as plain UDP, and back', async () => {
    const plain = dgram.createSocket('udp4');
    plain.on('message', (message, { port }) => { plain.send(message, port, '127.0.0.1'); });
    plain.bind(0, '127.0.0.1');
    await once(plain, 'listening');
    cleanup.add(() => { plain.close(); });
    const { port } = await startProxy(cleanup, plain.address().port, [...KEY, ...ONLY]);
    const client = dialTo({ port, host: '127.0.0.1', ...PSK_CLIENT, ...DTLS13 });
    await next(client, 'secureConnect');
    expect(client.getProtocol()).to.equal('DTLSv1.3');
    const answer = next(client, 'message');
    client.send('through it');
    expect((await answer)[0].toString()).to.equal('through it');
  });

  it('ping and mtu say that their heartbeats are of DTLS 1.2, before anything is sent', async () => {
    for (const command of [['ping', '-c', '1'], ['mtu']]) {
      const { code, stderr } = await cli([...command, '127.0.0.1:9', ...KEY, '--min-version', 'DTLSv1.3']);
      expect(code).to.equal(2);
      expect(stderr).to.include("'heartbeat' is of DTLS 1.2");
    }
  });

  it('mtu says that there are none, of a session of DTLS 1.3', async () => {
    const server = await listen({ ...PSK_SERVER, heartbeat: true, maxVersion: 'DTLSv1.3' });
    const { code, stderr } = await cli(['mtu', `127.0.0.1:${portOf(server)}`, ...KEY, '--max-version', 'DTLSv1.3']);
    expect(code).to.equal(1);
    expect(stderr).to.include('Sessions of DTLS 1.3 have none: leave --max-version out.');
  });

  it('scan finds both versions of a server with both, and 1.3 of one that has nothing else', async () => {
    const both = await listen({ ...PSK_SERVER, maxVersion: 'DTLSv1.3' });
    const found = await cli(['scan', `127.0.0.1:${portOf(both)}`, '--json', '--most', '40']);
    expect(found.code, found.stderr).to.equal(0);
    expect(found.json.at(-1)?.dtls13).to.include('TLS_AES_128_GCM_SHA256');
    const alone = await cli(['scan', `127.0.0.1:${portOf(await listen({ ...PSK_SERVER, ...DTLS13 }))}`]);
    expect(alone.code).to.equal(1);
    expect(alone.stderr).to.include('the server speaks DTLS 1.3 alone');
  });

  it('ping says that there are no heartbeats', async () => {
    const server = await listen({ ...PSK_SERVER, heartbeat: true, maxVersion: 'DTLSv1.3' });
    const key = ['--psk', PSK.psk.toString('hex'), '--psk-identity', PSK.identity];
    const { code, stderr } = await cli(['ping', `127.0.0.1:${portOf(server)}`, ...key, '--max-version', 'DTLSv1.3', '-c', '1']);
    expect(code).to.equal(1);
    expect(stderr).to.include('Sessions of DTLS 1.3 have none: leave --max-version out.');
  });

  it('ping and mtu speak of themselves where DTLS 1.2 is left out', async () => {
    for (const command of ['ping', 'mtu']) {
      const { code, stderr } = await cli([command, '127.0.0.1:1', '--psk', '00', '--min-version', 'DTLSv1.3']);
      expect(code).to.equal(2);
      expect(stderr).to.include("error: heartbeats are of DTLS 1.2, and --min-version is 'DTLSv1.3'");
      expect(stderr).to.match(/hint: {2}Leave DTLS 1\.2 in: `--min-version DTLSv1\.2`\.\n/);
    }
  });

  it('qlog has them, too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dtls13-qlog-'));
    try {
      const server = await listen({ ...PSK_SERVER, ...DTLS13 });
      const socket = dialTo({ port: portOf(server), ...PSK_CLIENT, ...DTLS13, qlogDir: folder });
      await next(socket, 'secureConnect');
      socket.close();
      await next(socket, 'close');
      const [file = ''] = readdirSync(folder);
      const text = readFileSync(join(folder, file), 'utf8');
      expect(text).to.include('"message":"encrypted_extensions"').and.include('"protocol":"DTLSv1.3"');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('createSocket on both sides', async () => {
    const options = { type: 'udp4', dtls: { psk: PSK, ...DTLS13 } } as const;
    const [left, right] = [createSocket(options), createSocket(options)];
    try {
      right.bind(0, '127.0.0.1');
      await once(right, 'listening');
      left.send('over 1.3', right.address().port, '127.0.0.1');
      const [message] = (await once(right, 'message')) as [Buffer];
      expect(message.toString()).to.equal('over 1.3');
    } finally {
      left.close();
      right.close();
    }
  });
});

describe('the command line without DTLS 1.3', () => {
  it('says what it takes', async function () {
    if (features.dtls13 !== false) return;
    const { code, stderr } = await cli(['connect', '127.0.0.1:1', '--psk', '00', '--max-version', 'DTLSv1.3'], { input: Buffer.alloc(0) });
    expect(code).to.not.equal(0);
    expect(stderr).to.match(/needs the OpenSSL 3\.5 of Node/);
  });
});
