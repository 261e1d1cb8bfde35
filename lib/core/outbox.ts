import { Copies } from './copies';
import { secretCopy } from '../base/memory';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { native, type NativeOutbox } from './native';
import { Turns, type EventSource, type Step } from './turns';

/** The types of records, with the numbers of RecordType in src-native/core/outbox/outbox.h. */
export const RecordType = {
  Transmit: 1,
  Message: 2,
  Begin: 3,
  Handshake: 4,
  Alert: 5,
  Secure: 6,
  Lookup: 7,
  Keylog: 8,
  Close: 9,
  Packet: 10,
  Heartbeat: 11,
  Session: 12,
  Sent: 13,
  TransportError: 14,
  Dropped: 15,
  KeyLimit: 16,
  PeerQuestion: 17,
} as const;

/** What a LOOKUP asks, with the numbers of LookupKind in src-native/core/outbox/outbox.h. */
export const LookupKind = {
  PskServer: 1,
  PskClient: 2,
  PeerIdentity: 3,
  ClientHello: 4,
  SessionIdentity: 5,
  StoredSession: 6,
  NewSession: 7,
  OcspResponse: 8,
  OcspVerdict: 9,
} as const;

/** What a KEY_LIMIT is about, with the numbers of KeyLimit in src-native/core/outbox/outbox.h. */
export const KeyLimit = {
  Integrity: 1,
  Confidentiality: 2,
  Numbers: 3,
} as const;

export const NO_SLOT = 0xffffffff;

/** What an endpoint does with its records. */
export interface RecordSink {
  /**
   * A session begins. Called before anybody's code runs, and before the session's datagrams are to be sent. `question`: the
   * one whose answer counts for the session, or 0.
   */
  begin(slot: number, generation: number, peerIndex: number, question: number): void;
  /** A datagram for one session, or (slot NO_SLOT) for the peer with that index. `whom`: or as record_fields.h says. */
  transmit(
    slot: number,
    generation: number,
    whom: number,
    token: number,
    datagram: NonSharedBuffer,
  ): void;
  /**
   * Anything else; may run the user's code, and returns whether it did. Its bytes: `outbox.bytes(record)`, or
   * `outbox.borrow(record)`.
   */
  dispatch(
    type: number,
    slot: number,
    generation: number,
    a: number,
    b: number,
    record: number,
  ): boolean;
}

/** Stands in place of the type of a record that has been dealt with early. */
const DONE = 0;
/** The 32-bit words of a record, in the order of the struct Record in src-native/core/outbox/outbox.h. */
export const RecordWord = {
  Type: 0,
  Endpoint: 1,
  Slot: 2,
  Generation: 3,
  A: 4,
  B: 5,
  Offset: 6,
  Length: 7,
} as const;
const WORDS = 8;
const RECORDS = 4096;
const ARENA_BYTES = 1 << 20;

/**
 * What native code wrote, for all endpoints of this thread. Records are taken in passes: datagrams leave first, then
 * the others become events, one after the other ({@link Turns}). A handler that calls down again appends records for
 * the next pass. The memory is emptied when all of them have been delivered.
 *
 * Native code writes to the arena whenever it is called, so nobody else ever sees that: whoever was given a piece
 * of it could transfer all of it away, and native code would write to freed memory. What goes out is a copy, in
 * memory that only JavaScript writes to. The arena stays as it is until the pass is over, so that a copy that somebody
 * has detached all the same is made again for the next one who asks.
 */
class Outbox implements EventSource {
  readonly #control = new Uint32Array(2);
  readonly #records = new Uint32Array(RECORDS * WORDS);
  readonly #arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
  readonly #sinks = new Map<number, RecordSink>();
  // The one asked for last: as a rule the next record is for it, too.
  #sinkId = 0;
  #sinkFound: RecordSink | undefined;
  #nextEndpoint = 1;
  // The pass under way. It outlives a handler that throws, so that nobody else's records are lost.
  #next = 0;
  #end = 0;
  // Copies of what is secret among the bytes of the pass, each in memory of its own, by the numbers of their records.
  readonly #secrets = new Map<number, NonSharedBuffer>();
  readonly #kept = new Copies(this.#arena, false);
  readonly #lent = new Copies(this.#arena, true);
  readonly #afterPass: Step[] = [];
  // Up to here sessions have begun and datagrams have left.
  #prepared = 0;

  readonly native: NativeOutbox = new native.Outbox(this.#control, this.#records, this.#arena);

  register(make: (id: number) => RecordSink): void {
    const id = this.#nextEndpoint++;
    this.#sinks.set(id, make(id));
  }

  unregister(id: number): void {
    this.#sinks.delete(id);
    if (id !== this.#sinkId) return;
    this.#sinkId = 0;
    this.#sinkFound = undefined; // whoever has closed is nobody's any more, and can be collected
  }

  #sink(id: number): RecordSink | undefined {
    if (id !== this.#sinkId) {
      this.#sinkFound = this.#sinks.get(id);
      this.#sinkId = this.#sinkFound === undefined ? 0 : id;
    }
    return this.#sinkFound;
  }

  get waiting(): number {
    return (this.#control[0] ?? 0) - this.#next;
  }

  ready(): boolean {
    for (;;) {
      while (this.#next < this.#end) {
        const type = this.#word(this.#next, RecordWord.Type);
        if (type !== DONE) return true;
        this.#next += 1;
      }
      if (this.#afterPass.length > 0) return true;
      if (this.#control[0] === 0 || !this.#beginPass()) return false;
    }
  }

  deliver(): boolean {
    if (this.#next === this.#end) return this.#afterPass.shift()?.() ?? false;
    const record = this.#next++;
    const sink = this.#sink(this.#word(record, RecordWord.Endpoint));
    if (sink === undefined) return false;
    return sink.dispatch(
      this.#word(record, RecordWord.Type),
      this.#word(record, RecordWord.Slot),
      this.#word(record, RecordWord.Generation),
      this.#word(record, RecordWord.A),
      this.#word(record, RecordWord.B),
      record,
    );
  }

  /**
   * Lets sessions begin and datagrams leave, ahead of the events among them: nobody's code runs. What has spilled
   * over into native memory stays until the rest has been delivered.
   */
  prepare(): void {
    while (this.#prepared < (this.#control[0] ?? 0)) {
      // A transport may deliver at once, and come back here.
      const record = this.#prepared++;
      const type = this.#word(record, RecordWord.Type);
      if (type === RecordType.Transmit) {
        this.#records[record * WORDS + RecordWord.Type] = DONE;
        const offset = this.#word(record, RecordWord.Offset);
        this.#sink(this.#word(record, RecordWord.Endpoint))?.transmit(
          this.#word(record, RecordWord.Slot),
          this.#word(record, RecordWord.Generation),
          this.#word(record, RecordWord.A),
          this.#word(record, RecordWord.B),
          Buffer.from(this.#arena.subarray(offset, offset + this.#word(record, RecordWord.Length))),
        );
      } else if (type === RecordType.Begin) {
        this.#sink(this.#word(record, RecordWord.Endpoint))?.begin(
          this.#word(record, RecordWord.Slot),
          this.#word(record, RecordWord.Generation),
          this.#word(record, RecordWord.A),
          this.#word(record, RecordWord.B),
        );
      }
    }
  }

  /** Takes a TRANSPORT_ERROR of that session's out of what has yet to become events: its number, or 0. */
  takeTransportError(endpoint: number, slot: number, generation: number): number {
    for (let record = this.#end; record < this.#prepared; ++record) {
      const found =
        this.#word(record, RecordWord.Type) === RecordType.TransportError &&
        this.#word(record, RecordWord.Endpoint) === endpoint &&
        this.#word(record, RecordWord.Slot) === slot &&
        this.#word(record, RecordWord.Generation) === generation;
      if (!found) continue;
      this.#records[record * WORDS + RecordWord.Type] = DONE;
      return this.#word(record, RecordWord.A);
    }
    return 0;
  }

  /** No record is waiting or being handled. */
  get idle(): boolean {
    return this.#control[0] === 0;
  }

  #word(record: number, word: number): number {
    return this.#records[record * WORDS + word] ?? 0;
  }

  /** Takes the new records. False: nothing is left. */
  #beginPass(): boolean {
    const control = this.#control;
    let count = control[0] ?? 0;
    if (count === this.#end) {
      // All at once: whose call this is may be ended within the next one, and nobody may be found behind the last record.
      this.#next = this.#end = this.#prepared = control[0] = 0;
      this.native.reset();
      count = this.#control[0] ?? 0;
      if (count === 0) return false;
    }
    const [start, end] = [this.#word(this.#end, RecordWord.Offset), this.#control[1] ?? 0];
    if (this.#secrets.size !== 0) this.#secrets.clear(); // an empty Map is cleared by making another one
    this.#kept.begin(start, end);
    this.#lent.begin(start, end);
    this.#next = this.#end;
    this.#end = count;
    this.#takeSecrets();
    this.prepare();
    return true;
  }

  /**
   * Takes what is secret, lines of a key log and sessions for a store, out of the arena before the other bytes are
   * copied: those share slabs, where a secret would lie beside a message that somebody is given.
   */
  #takeSecrets(): void {
    for (let record = this.#next; record < this.#end; ++record) {
      const type = this.#word(record, RecordWord.Type);
      const secret =
        type === RecordType.Keylog ||
        (type === RecordType.Lookup && this.#word(record, RecordWord.A) === LookupKind.NewSession);
      if (!secret) continue;
      const offset = this.#word(record, RecordWord.Offset);
      const bytes = this.#arena.subarray(offset, offset + this.#word(record, RecordWord.Length));
      this.#secrets.set(record, secretCopy(bytes));
      bytes.fill(0);
    }
  }

  /** An event for when all records of the present pass have been delivered. Its context is its own affair. */
  afterPass(step: Step): void {
    this.#afterPass.push(step);
  }

  /** The bytes of a record that is being dispatched, to be kept by whoever asks for them. */
  bytes(record: number): NonSharedBuffer {
    const length = this.#word(record, RecordWord.Length);
    const secret = this.#secrets.size === 0 ? undefined : this.#secrets.get(record);
    if (secret !== undefined) return secret;
    return this.#kept.take(this.#word(record, RecordWord.Offset), length);
  }

  /** The same until the pass is over, and something else is written there. */
  borrow(record: number): NonSharedBuffer {
    return this.#lent.take(this.#word(record, RecordWord.Offset), this.#word(record, RecordWord.Length));
  }

  /**
   * The message that is being dispatched, and those right behind it that are for the same session: they are dispatched
   * with it. For who has no event between them. Of packets: those right behind it from the same peer.
   */
  run(record: number, borrowed: boolean): NonSharedBuffer[] {
    const copies = borrowed ? this.#lent : this.#kept;
    const messages: NonSharedBuffer[] = [];
    let next = record;
    do {
      messages.push(copies.take(this.#word(next, RecordWord.Offset), this.#word(next, RecordWord.Length)));
      next += 1;
    } while (next < this.#end && this.#goesOn(record, next));
    this.#next = next;
    return messages;
  }

  /** Whether two records are of one kind and of one session, and of packets, of one peer. */
  #goesOn(one: number, other: number): boolean {
    return (
      this.#word(one, RecordWord.Type) === this.#word(other, RecordWord.Type) &&
      this.#word(one, RecordWord.Slot) === this.#word(other, RecordWord.Slot) &&
      this.#word(one, RecordWord.Generation) === this.#word(other, RecordWord.Generation) &&
      this.#word(one, RecordWord.Endpoint) === this.#word(other, RecordWord.Endpoint) &&
      this.#word(one, RecordWord.B) === this.#word(other, RecordWord.B)
    );
  }
}

export const outbox = new Outbox();

/** The turns in which what is in the outbox, and what follows from it, is delivered. */
export const turns = new Turns(outbox);
