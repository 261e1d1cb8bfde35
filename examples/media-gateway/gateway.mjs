// The one UDP port of all browsers. DTLS on it is the library's; what it hands on beside that is STUN, which tells whose
// address is whose, and media (RFC 7983).

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';

import { createServer, features, generateCertificate } from 'dgram-dtls';

import { LoopDelay } from './counters.mjs';
import { answerCheck, ufragOf } from './ice-lite.mjs';
import { Room } from './room.mjs';
import { srtpProfiles } from './srtp.mjs';
import { Viewer } from './viewer.mjs';

const MOST_VIEWERS = 20;
/** A browser asks every few seconds whether we are there (RFC 7675); one that was killed says no goodbye. */
const SILENCE_MS = 15_000;
/** What browsers begin with at once must not fill the system's buffer; it gives what net.core.rmem_max allows. */
const RECEIVE_BUFFER = 4 << 20;

export class Gateway {
  /** @type {import('dgram-dtls').ProtocolVersion} */
  maxVersion = features.dtls13 === false ? 'DTLSv1.2' : 'DTLSv1.3';
  #server;
  #certificate;
  #announced;
  #room = new Room();
  #byId = new Map();
  #byUfrag = new Map();
  /** By the peer: packets and the session of one address have the same object. */
  #byPeer = new WeakMap();
  #joined = 0;
  #loopDelay = new LoopDelay();
  #sweep = setInterval(() => this.#dropTheSilent(), SILENCE_MS / 5);

  /** `announced`: where browsers find the port, if they see it elsewhere than it is. */
  static async open({ address, port, announced = {} }) {
    const gateway = new Gateway(await generateCertificate({ subject: 'media gateway' }), announced);
    gateway.#server.listen(port, address);
    await once(gateway.#server, 'listening');
    return gateway;
  }

  constructor({ cert, key }, announced) {
    this.#announced = announced;
    this.#certificate = new X509Certificate(cert);
    this.#server = createServer({
      cert,
      key,
      maxVersion: this.maxVersion,
      srtpProfiles,
      // Asked about each address before it is answered. Browsers' certificates are self-signed: the one with the
      // fingerprint that was signalled is right, and no other. Who has passed no check of ICE's gets no answer, nor has who
      // was here before and has gone.
      peers: (peer) => {
        const viewer = this.#byPeer.get(peer);
        return viewer && this.#byId.has(viewer.id) ? { peerFingerprints: `sha-256 ${viewer.fingerprint}` } : null;
      },
      // ICE has checked the path, and it is no satellite's.
      cookieExchange: false,
      retransmission: { initial: 100 },
      recvBufferSize: RECEIVE_BUFFER,
    });
    this.#server.on('packets', (packets, peer) => {
      for (const packet of packets) this.#take(packet, peer);
    });
    this.#server.on('connection', (socket) => this.#byPeer.get(socket.remotePeer).shakeHands(socket));
    this.#server.on('secureConnection', (socket) => this.#byPeer.get(socket.remotePeer).open(socket));
    this.#server.on('dtlsClientError', (error, socket) => this.#byPeer.get(socket.remotePeer)?.fail(error, socket));
  }

  get address() {
    return this.#server.address();
  }

  /** Takes a browser in by its offer: the viewer, whose `answer` goes back. */
  join(offer) {
    if (this.#byId.size >= MOST_VIEWERS) throw new Error('the gateway is full');
    const viewer = new Viewer(`viewer ${this.#joined + 1}`, offer, this.#room);
    this.#joined++;
    this.#byId.set(viewer.id, viewer);
    this.#byUfrag.set(viewer.credentials.ufrag, viewer);
    viewer.once('close', () => {
      this.#byId.delete(viewer.id);
      this.#byUfrag.delete(viewer.credentials.ufrag);
    });
    return viewer;
  }

  /** What the browser needs to know of us, for every answer. */
  get transport() {
    const { address = this.address.address, port = this.address.port } = this.#announced;
    return { address, port, fingerprint: this.#certificate.fingerprint256 };
  }

  viewer(id) {
    return this.#byId.get(id);
  }

  counters() {
    const { sessions, handshakesCompleted, handshakesFailed, packetsReceived, packetsSent } = this.#server.stats;
    const gateway = { sessions, handshakesCompleted, handshakesFailed, packetsReceived, packetsSent };
    const viewers = Array.from(this.#byId.values(), (viewer) => viewer.counters());
    return { gateway: { ...gateway, loopDelay: this.#loopDelay.read() }, viewers };
  }

  close(callback) {
    clearInterval(this.#sweep);
    this.#loopDelay.stop();
    for (const viewer of this.#byId.values()) viewer.close();
    this.#server.close(callback);
  }

  /** One datagram that is not DTLS. Nobody has proved anything yet: whoever parses it may find anything in it. */
  #take(packet, peer) {
    const first = packet[0] ?? 0;
    if (first <= 3) this.#check(packet, peer);
    else if (first >= 128 && first <= 191) this.#byPeer.get(peer)?.media(packet, peer);
  }

  #check(packet, peer) {
    const viewer = this.#byUfrag.get(ufragOf(packet));
    const answer = viewer && answerCheck(packet, viewer.credentials, peer);
    if (!answer) return;
    this.#server.sendPacket(answer.bytes, peer);
    viewer.heard();
    // Only who has the password gets here, so the address may be taken for the viewer's.
    if (this.#byPeer.get(peer) !== viewer) {
      this.#byPeer.set(peer, viewer);
      // A hello that overtook the check was refused; its repetition is asked about again.
      this.#server.forgetPeer(peer);
    }
    if (answer.selected) viewer.select(peer);
  }

  #dropTheSilent() {
    for (const viewer of this.#byId.values()) {
      if (viewer.silence > SILENCE_MS) viewer.close();
    }
  }
}
