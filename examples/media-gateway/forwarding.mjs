// One browser's video on its way to the others. Each of them has it as a stream of its own: another source, another
// payload type, other numbers, under other keys.

import { RtpHeader } from 'werift-rtp';

/** As long as a picture takes at 30 in a second, on the clock of 90 kHz that video has. */
const PICTURE = 3000;
/** A picture that several ask for is asked for once. */
const ASK_AGAIN_MS = 300;

/** What a viewer sends. */
export class Video {
  /** Whole pictures: the last packet of each is marked. */
  frames = 0;
  ssrc;
  #payloadType;
  #slots = new Set();
  #ask;
  #asked = 0;

  /** `ask(ssrc)` asks the viewer for a whole picture. */
  constructor(name, payloadType, ask) {
    this.name = name;
    this.#payloadType = payloadType;
    this.#ask = ask;
  }

  addSlot(slot) {
    this.#slots.add(slot);
    this.askForPicture();
  }

  removeSlot(slot) {
    this.#slots.delete(slot);
  }

  /** A packet that was authentic. */
  take({ header, payload }) {
    if (header.payloadType !== this.#payloadType) return;
    this.ssrc = header.ssrc;
    if (header.marker) this.frames++;
    for (const slot of this.#slots) slot.forward(header, payload);
  }

  askForPicture() {
    const now = performance.now();
    if (this.ssrc === undefined || now - this.#asked < ASK_AGAIN_MS) return;
    this.#asked = now;
    this.#ask(this.ssrc);
  }
}

/** One stream that a viewer receives. It may show one after another, and its numbers go on from one to the next. */
export class Slot {
  source;
  frames = 0;
  #send;
  #payloadType;
  #sequence = 0;
  #timestamp = 0;
  #shift;

  /** `send(header, payload)` seals and sends to the viewer. */
  constructor({ mid, ssrc, payloadType }, send) {
    this.mid = mid;
    this.ssrc = ssrc;
    this.#payloadType = payloadType;
    this.#send = send;
  }

  show(video) {
    this.source = video;
    this.#shift = undefined;
    video.addSlot(this);
  }

  empty() {
    this.source?.removeSlot(this);
    this.source = undefined;
  }

  forward({ sequenceNumber, timestamp, marker }, payload) {
    this.#shift ??= {
      sequence: this.#sequence + 1 - sequenceNumber,
      timestamp: this.#timestamp + PICTURE - timestamp,
    };
    const header = new RtpHeader({
      payloadType: this.#payloadType,
      ssrc: this.ssrc,
      sequenceNumber: (sequenceNumber + this.#shift.sequence) & 0xffff,
      timestamp: (timestamp + this.#shift.timestamp) >>> 0,
      marker,
    });
    // The newest: packets may have overtaken one another.
    if (((header.sequenceNumber - this.#sequence) & 0xffff) < 0x8000) {
      this.#sequence = header.sequenceNumber;
      this.#timestamp = header.timestamp;
    }
    if (marker) this.frames++;
    this.#send(header, payload);
  }
}
