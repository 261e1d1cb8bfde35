// One browser: its half of ICE, its DTLS session, and what goes over that and beside it.

import { randomInt, randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';

import { sessionFacts } from './counters.mjs';
import { DataChannels } from './data-channels.mjs';
import { Slot, Video } from './forwarding.mjs';
import { makeCredentials } from './ice-lite.mjs';
import { askForPicture, isRtcp, picturesAskedFor } from './rtcp.mjs';
import { readOffer, writeAnswer } from './sdp.mjs';
import { Srtp } from './srtp.mjs';

const LONGEST_REPORT = 1000;
/** More than a page has use for: offers could go on for ever. */
const MOST_SLOTS = 64;
const makeSsrc = () => randomInt(1, 2 ** 32);

/** Emits `change` when there is something else to be seen, and `close` at the end. */
export class Viewer extends EventEmitter {
  /** Who knows it may speak for the viewer. */
  id = randomUUID();
  credentials = makeCredentials();
  fingerprint;
  /** What it sends, if it does. */
  video;
  slots = [];
  #room;
  #offer;
  #peer;
  #socket;
  #srtp;
  #ssrc = makeSsrc();
  #state = 'looking for a path';
  #heard = performance.now();
  #facts = {};
  #report = {};
  #dropped = 0;
  #refused = 0;

  constructor(name, offer, room) {
    super();
    this.name = name;
    this.#room = room;
    this.take(offer);
  }

  // ---- signalling ----

  /** An offer, the first or a later one. Those who see more videos than before offer more sections. */
  take(sdp) {
    const offer = readOffer(sdp);
    if (this.fingerprint !== undefined && offer.fingerprint !== this.fingerprint) {
      throw new Error('an offer of somebody else');
    }
    this.#offer = offer;
    this.fingerprint = offer.fingerprint;
    for (const { mid, kind, receives, sends, payloadType } of offer.sections) {
      if (kind !== 'video') continue;
      if (sends) this.video ??= new Video(this.name, payloadType, (ssrc) => this.#ask(ssrc));
      if (receives && this.slots.length < MOST_SLOTS && !this.slots.some((slot) => slot.mid === mid)) {
        const send = (header, payload) => this.#sendMedia(header, payload);
        this.slots.push(new Slot({ mid, ssrc: makeSsrc(), payloadType }, send));
      }
    }
  }

  answer(transport) {
    return writeAnswer(this.#offer, { ...transport, credentials: this.credentials, slots: this.slots });
  }

  /** After an answer: the page knows its slots from then on. */
  settle() {
    if (this.#srtp !== undefined) this.#room.arrange();
    this.emit('change');
  }

  // ---- ICE ----

  heard() {
    this.#heard = performance.now();
  }

  get silence() {
    return performance.now() - this.#heard;
  }

  /**
   * Where the browser is: it has selected the path from there. It may select another one later, and a router between may
   * give it another address; the session goes on there.
   */
  select(peer) {
    if (peer === this.#peer) return;
    if (this.#socket === undefined) {
      this.#become('path found');
    } else {
      try {
        this.#socket.setPeer(peer.address, peer.port);
      } catch {
        // Another session is there: this viewer's newer one, begun by a browser that changed its mind in mid-handshake, or
        // another viewer's (whoever has the passwords of two can say anything). Or this one is at its end.
        this.#refused++;
        return;
      }
    }
    this.#peer = peer;
  }

  // ---- DTLS ----

  /** May come twice: the newest counts. */
  shakeHands(socket) {
    if (this.#state === 'closed') socket.destroy();
    else if (this.#state !== 'open') this.#become('shaking hands', socket);
  }

  open(socket) {
    const keys = socket.getSrtp();
    if (keys === null) {
      socket.destroy();
      this.fail(new Error('no SRTP profile in common'), socket);
      return;
    }
    this.#srtp = new Srtp(keys);
    this.#facts = sessionFacts(socket);
    new DataChannels(socket, {
      onText: (label, text) => this.#text(label, text),
      onRefused: () => this.#refused++,
    });
    // One that was begun anew from the same address takes this one's place.
    socket.once('close', () => this.#socket === socket && this.close());
    this.#become('open', socket);
    this.#room.enter(this);
  }

  fail(error, socket) {
    if (socket === this.#socket) this.#become(`failed: ${error.message}`);
  }

  close() {
    if (this.#state === 'closed') return;
    this.#become('closed');
    this.#room.leave(this);
    for (const slot of this.slots) slot.empty();
    this.#socket?.close();
    this.emit('close');
  }

  // ---- media ----

  media(packet, peer) {
    // The browser is done with its side of the handshake before this one may be: what comes that early has no keys yet,
    // and the picture that it belongs to is asked for again.
    if (this.#srtp === undefined) return;
    try {
      if (isRtcp(packet)) this.#feedback(this.#srtp.openRtcp(packet));
      else this.#picture(this.#srtp.openRtp(packet));
    } catch {
      // Forged, damaged, or nothing of RTP: anybody can send that.
      this.#refused++;
      return;
    }
    // A browser sends media by the path that it has selected, and not all say so when a router has moved it.
    this.select(peer);
  }

  #picture(packet) {
    const first = this.video !== undefined && this.video.ssrc === undefined;
    this.video?.take(packet);
    if (first) this.video.askForPicture();
  }

  #feedback(compound) {
    for (const ssrc of picturesAskedFor(compound)) {
      this.slots.find((slot) => slot.ssrc === ssrc)?.source?.askForPicture();
    }
  }

  #ask(ssrc) {
    if (this.#socket?.readyState === 'open') {
      this.#socket.sendPacket(this.#srtp.sealRtcp(askForPicture(this.#ssrc, ssrc)));
    }
  }

  #sendMedia(header, payload) {
    if (this.#socket?.readyState !== 'open') return;
    // Video is of no use later: where the port is full, it is dropped here and not queued.
    if (this.#socket.writableNeedDrain) this.#dropped++;
    else this.#socket.sendPacket(this.#srtp.sealRtp(header, payload));
  }

  // ---- data ----

  #text(label, text) {
    if (label === 'echo') return text;
    if (label === 'report' && text.length <= LONGEST_REPORT) this.#report = JSON.parse(text) ?? {};
    return undefined;
  }

  // ---- what is to be seen ----

  /** Where each video is that it sees, and how many there are to be seen. */
  get streams() {
    const shown = this.slots.filter(({ source }) => source !== undefined);
    return {
      wanted: this.#room.wantedBy(this),
      shown: shown.map(({ mid, source }) => ({ mid, name: source.name })),
    };
  }

  counters() {
    return {
      name: this.name,
      state: this.#state,
      ...this.#facts,
      frames: this.video?.frames ?? 0,
      forwarded: this.slots.reduce((sum, { frames }) => sum + frames, 0),
      dropped: this.#dropped,
      refused: this.#refused,
      retransmissions: this.#socket?.stats.retransmissions ?? 0,
      /** What the page says of itself. */
      page: this.#report,
    };
  }

  #become(state, socket = this.#socket) {
    this.#state = state;
    this.#socket = socket;
    this.emit('change');
  }
}
