// Protects: that the command line and createSocket speak DTLS 1.3 when they are told to, and that what watches a session
// (the ladder of its handshake, qlog) has the names of its messages; where there is no 1.3 the command line says what it takes.
import { expect } from 'chai';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createSocket, features } from '../../lib/index';
import { describe13, DTLS13 } from '../helpers/dtls13';
import { closeEverything, dialTo, listen, next, portOf, PSK, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';
import { cli } from './run';

describe13('DTLS 1.3 by other ways in', function () {
  this.timeout(30_000);
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
    const { code, stderr } = await cli(['lab', '-n', '1', '--psk', '00', '--max-version', 'DTLSv1.3']);
    expect(code).to.equal(2);
    expect(stderr).to.include('lab counts the repetitions of DTLS 1.2');
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
