// Protects WebRTC: aiortc's DTLS transport, a WebRTC implementation that is not ours, shakes hands
// with this package in both roles over plain UDP; each side takes the other's self-signed
// certificate by its fingerprint, the keys of both exporters are equal, and SRTP packets under the
// keys of `getSrtp` are understood by aiortc and libsrtp, on the port that also carries the DTLS.
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { connect, createServer, type DTLSSocket } from '../../lib/index';
import { PYTHON, requireAiortc } from '../helpers/aiortc';
import { selfSigned } from '../helpers/certificates';
import { fixture } from '../helpers/child';
import { cleanupAfterEach, freePort, type PeerProcess } from '../helpers/peers';
import { WatchedServer, WatchedSocket } from '../helpers/watch';

const run = promisify(execFile);

const PROFILE = 'SRTP_AES128_CM_SHA1_80'; // the one that aiortc offers
const RTP_FROM_AIORTC = '80600001000003e8deadbeef' + Buffer.from('from aiortc').toString('hex');
const RTP_FROM_HERE = '80600001000003e8cafebabe' + Buffer.from('from here').toString('hex');

async function identity(): Promise<{ cert: string; key: string; x509: X509Certificate }> {
  const { cert, key } = await selfSigned({ commonName: 'WebRTC' });
  return { cert, key, x509: new X509Certificate(cert) };
}

/** Protects or unprotects one packet by libsrtp. */
async function libsrtp(what: 'protect' | 'unprotect', key: Buffer, salt: Buffer, packet: string): Promise<string> {
  const { stdout } = await run(PYTHON, [fixture('srtp.py'), what, Buffer.concat([key, salt]).toString('hex'), packet]);
  return stdout.trim();
}

describe('WebRTC', function () {
  const cleanup = cleanupAfterEach(this);

  before(function () {
    requireAiortc(this);
  });

  function aiortc(role: 'client' | 'server', port: number, fingerprint: string): PeerProcess {
    return cleanup.start(PYTHON, [fixture('aiortc_peer.py'), role, `${port}`, fingerprint]);
  }

  /** After the handshake: what both sides think of each other, and of their keys. */
  async function compare(peer: PeerProcess, socket: DTLSSocket): Promise<void> {
    await peer.sees(/^state connected$/m);
    const [, fingerprint] = await peer.sees(/^fingerprint (\S+)$/m);
    expect(socket.getPeerX509Certificate()?.fingerprint256).to.equal(fingerprint);
    const exported = async (what: string): Promise<string | undefined> =>
      (await peer.sees(new RegExp(`^${what} ([0-9a-f]+)$`, 'm')))[1];
    const ours = (context?: Buffer): string =>
      socket.exportKeyingMaterial(40, 'EXPERIMENTAL of ours', context).toString('hex');
    expect(ours()).to.equal(await exported('plain'));
    expect(ours(Buffer.from('a context'))).to.equal(await exported('context'));
    expect(ours(Buffer.alloc(0))).to.equal(await exported('empty'));
    expect(socket.exportKeyingMaterial(60, 'EXTRACTOR-dtls_srtp').toString('hex')).to.equal(
      await exported('srtp'),
    );
  }

  it("aiortc's client and our server", async () => {
    const { cert, key, x509 } = await identity();
    const server = createServer({
      cert,
      key,
      requestCert: true,
      rejectUnauthorized: false, // self-signed: the fingerprint decides
      srtpProfiles: [PROFILE],
    });
    const watched = new WatchedServer(server);
    const rtp = once(server, 'packet') as Promise<[Buffer]>;
    server.listen(0, '127.0.0.1');
    cleanup.add(() => server[Symbol.asyncDispose]());
    await once(server, 'listening');
    const { port } = server.address() ?? { port: 0 };
    const peer = aiortc('client', port, x509.fingerprint256);
    const ours = await watched.connection();
    await ours.secure();
    const { socket } = ours;
    await compare(peer, socket);

    const srtp = socket.getSrtp();
    if (srtp === null) throw new Error('no SRTP');
    expect(srtp.profile).to.equal(PROFILE);
    const [packet] = await rtp;
    const { remoteKey, remoteSalt } = srtp;
    expect(await libsrtp('unprotect', remoteKey, remoteSalt, packet.toString('hex'))).to.equal(
      RTP_FROM_AIORTC,
    );
    socket.send('over the data channel'); // where SCTP would be
    expect((await ours.message()).toString()).to.equal('over the data channel');
  });

  it("aiortc's server and our client", async () => {
    const { cert, key, x509 } = await identity();
    const port = await freePort();
    const peer = aiortc('server', port, x509.fingerprint256);
    const [, fingerprint] = await peer.sees(/^fingerprint (\S+)$/m);
    // A socket of our own carries both, as it would with ICE.
    const udp = dgram.createSocket('udp4');
    cleanup.add(() => {
      udp.close();
    });
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    const rtp = new Promise<Buffer>((resolve) => {
      udp.on('message', (datagram) => {
        if ((datagram[0] ?? 0) >> 6 === 2) resolve(datagram); // RFC 7983
      });
    });
    const socket = connect({
      host: '127.0.0.1',
      port,
      cert,
      key,
      peerFingerprints: { algorithm: 'sha-256', value: fingerprint ?? '' },
      srtpProfiles: ['SRTP_AEAD_AES_128_GCM', PROFILE],
      transport: udp,
    });
    const ours = new WatchedSocket(socket);
    cleanup.add(() => socket[Symbol.asyncDispose]());
    await ours.secure();
    expect(socket.authorized).to.equal(true);
    expect(socket.getPeerX509Certificate()?.fingerprint256).to.equal(fingerprint);
    await compare(peer, socket);

    const srtp = socket.getSrtp();
    if (srtp === null) throw new Error('no SRTP');
    expect(srtp.profile).to.equal(PROFILE);
    const received = await libsrtp('unprotect', srtp.remoteKey, srtp.remoteSalt, (await rtp).toString('hex'));
    expect(received).to.equal(RTP_FROM_AIORTC);
    const sent = await libsrtp('protect', srtp.localKey, srtp.localSalt, RTP_FROM_HERE);
    udp.send(Buffer.from(sent, 'hex'), port, '127.0.0.1');
    await peer.sees(new RegExp(`^rtp ${RTP_FROM_HERE}$`, 'm'));
    socket.send('over the data channel');
    expect((await ours.message()).toString()).to.equal('over the data channel');
  });
});
