import { native, type NativeOutbox } from './native';

/** As RecordType in src-native/core/outbox.h. */
export const RecordType = {
  Transmit: 1,
  Message: 2,
  Open: 3,
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
} as const;

/** As LookupKind in src-native/core/outbox.h. */
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

export const NO_SLOT = 0xffffffff;

/** What an endpoint does with its records. */
export interface RecordSink {
  /** Before anybody's code runs: a session begins, so that its transmits find their peer. */
  open(slot: number, generation: number, peerIndex: number): void;
  /** Datagrams for one session, or (slot NO_SLOT) for the peer with that index. */
  transmit(
    slot: number,
    generation: number,
    peerIndex: number,
    token: number,
    datagram: Buffer,
  ): void;
  /** Anything else; may run the user's code. Its bytes: `outbox.bytes(record)`, or `outbox.borrow(record)`. */
  dispatch(
    type: number,
    slot: number,
    generation: number,
    a: number,
    b: number,
    record: number,
  ): void;
}

/** In place of the type of a record that has been dealt with early. */
const DONE = 0;
const WORDS = 8;
const RECORDS = 4096;
const ARENA_BYTES = 1 << 20;
/** From so many bytes on a pass keeps the arena for itself in place of a copy, and a new one is made. */
const KEPT_BYTES = 128 * 1024;
/** Memory is allocated for about fifty messages at once: one allocation each costs as much as OpenSSL. */
const SLAB_BYTES = 64 * 1024;
const NO_BYTES = Buffer.alloc(0);

type MakeBuffer = new (memory: ArrayBuffer, offset: number, length: number) => Buffer;

/**
 * The class of which Buffers are, made of a piece of memory at once. `Buffer.subarray` asks V8 for the memory
 * of the other Buffer first, and `Buffer.from` checks what it is given: either takes twice as long, and there is
 * one for each message. That it is the species of Buffer is not documented, and found out by a test.
 */
const FastBuffer = (Buffer as unknown as { readonly [Symbol.species]: MakeBuffer })[Symbol.species];

/**
 * Drains what native code wrote, for all endpoints of this thread. Records are taken in passes: datagrams
 * leave first, then events run. A handler that calls down again appends records for the next pass; only the
 * outermost drain empties the memory, and what somebody may keep has been made safe before.
 */
class Outbox {
  readonly #control = new Uint32Array(2);
  readonly #records = new Uint32Array(RECORDS * WORDS);
  #arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
  // The arena is all of it, so that an offset in one is an offset in the other.
  #arenaMemory = this.#arena.buffer;
  #arenaKept = false;
  readonly #sinks = new Map<number, RecordSink>();
  // The one asked for last: as a rule the next record is for it, too.
  #sinkId = 0;
  #sinkFound: RecordSink | undefined;
  #nextEndpoint = 1;
  #draining = false;
  // The pass under way. It outlives a handler that throws, so that nobody else's records are lost.
  #next = 0;
  #end = 0;
  // Its bytes, in the arena, and where they are safe, once somebody has asked for some.
  #start = 0;
  #used = 0;
  #safe = false;
  #slab = NO_BYTES;
  #slabMemory: ArrayBuffer = NO_BYTES.buffer;
  // To be added to the offset of a record, for that of its bytes in the memory.
  #slabShift = 0;
  #pool = NO_BYTES;
  #afterPass: (() => void)[] = [];
  #poolUsed = 0;

  readonly native: NativeOutbox = new native.Outbox(this.#control, this.#records, this.#arena);

  register(make: (id: number) => RecordSink): void {
    const id = this.#nextEndpoint++;
    this.#sinks.set(id, make(id));
  }

  unregister(id: number): void {
    this.#sinks.delete(id);
    if (id === this.#sinkId) this.#sinkId = 0;
  }

  #sink(id: number): RecordSink | undefined {
    if (id !== this.#sinkId) {
      this.#sinkFound = this.#sinks.get(id);
      this.#sinkId = this.#sinkFound === undefined ? 0 : id;
    }
    return this.#sinkFound;
  }

  /** To be called after every call into native code that may have written records. */
  drain(): void {
    if (this.#draining || this.#control[0] === 0) return;
    this.#draining = true;
    let finished = false;
    try {
      do {
        this.#dispatchPass();
      } while (this.#beginPass());
      finished = true;
    } finally {
      this.#draining = false;
      // A handler threw: that is its error to report, and the rest goes on in a turn of its own.
      if (!finished) {
        process.nextTick(() => {
          this.drain();
        });
      }
    }
  }

  /**
   * Sends the datagrams that the last calls have caused, ahead of the events among them: for a caller
   * that is about to close the socket they leave by. What has spilled over into native memory stays.
   */
  transmit(): void {
    const count = this.#control[0] ?? 0;
    for (let record = this.#end; record < count; ++record) {
      if (this.#word(record, 0) !== RecordType.Transmit) continue;
      const offset = this.#word(record, 6);
      const datagram = Buffer.from(this.#arena.subarray(offset, offset + this.#word(record, 7)));
      this.#records[record * WORDS] = DONE;
      this.#sink(this.#word(record, 1))?.transmit(
        this.#word(record, 2),
        this.#word(record, 3),
        this.#word(record, 4),
        this.#word(record, 5),
        datagram,
      );
    }
  }

  /** No record is waiting or being handled. */
  get idle(): boolean {
    return !this.#draining && this.#control[0] === 0;
  }

  /** Whether a drain would only send: no event, no code of the user's. */
  get onlyTransmits(): boolean {
    if (this.#next !== this.#end) return false;
    const count = this.#control[0] ?? 0;
    for (let record = this.#end; record < count; ++record) {
      if (this.#word(record, 0) !== RecordType.Transmit) return false;
    }
    return true;
  }

  #word(record: number, word: number): number {
    return this.#records[record * WORDS + word] ?? 0;
  }

  /** Takes the new records and sends their datagrams. False: nothing is left. */
  #beginPass(): boolean {
    let count = this.#control[0] ?? 0;
    if (count === this.#end) {
      if (this.#arenaKept) {
        this.#arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
        this.#arenaMemory = this.#arena.buffer;
        this.#arenaKept = false;
        this.native.reset(this.#arena);
      } else {
        this.native.reset();
      }
      this.#next = this.#end = 0;
      count = this.#control[0] ?? 0;
      if (count === 0) return false;
    }
    this.#start = this.#word(this.#end, 6);
    this.#used = (this.#control[1] ?? 0) - this.#start;
    this.#safe = false;
    this.#next = this.#end;
    this.#end = count;
    for (let record = this.#next; record < count; ++record) {
      const type = this.#word(record, 0);
      if (type === RecordType.Transmit) {
        this.#sink(this.#word(record, 1))?.transmit(
          this.#word(record, 2),
          this.#word(record, 3),
          this.#word(record, 4),
          this.#word(record, 5),
          this.bytes(record),
        );
      } else if (type === RecordType.Open) {
        this.#sink(this.#word(record, 1))?.open(
          this.#word(record, 2),
          this.#word(record, 3),
          this.#word(record, 4),
        );
      }
    }
    return true;
  }

  /** Puts the bytes of the pass under way where nothing is written any more. */
  #makeSafe(): void {
    const [start, used] = [this.#start, this.#used];
    if (used >= KEPT_BYTES) {
      // Nothing is written there again before the reset, and after it there is another arena.
      this.#slab = this.#arena.subarray(start, start + used);
      this.#arenaKept = true;
    } else {
      this.#slab = this.#takeSlab(used);
      this.#arena.copy(this.#slab, 0, start, start + used);
    }
    this.#slabMemory = this.#slab.buffer;
    this.#slabShift = this.#slab.byteOffset - start;
    this.#safe = true;
  }

  /** Memory for the bytes of a pass: a run of a slab that many small passes share. */
  #takeSlab(size: number): Buffer<ArrayBuffer> {
    if (size === 0) return NO_BYTES;
    if (size > SLAB_BYTES / 4) return Buffer.allocUnsafeSlow(size);
    if (size > this.#pool.length - this.#poolUsed) {
      this.#pool = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#poolUsed = 0;
    }
    const start = this.#poolUsed;
    this.#poolUsed += size;
    return this.#pool.subarray(start, start + size);
  }

  #dispatchPass(): void {
    while (this.#next < this.#end) {
      const record = this.#next++;
      const type: number = this.#word(record, 0);
      if (type === RecordType.Transmit || type === DONE) continue;
      this.#sink(this.#word(record, 1))?.dispatch(
        type,
        this.#word(record, 2),
        this.#word(record, 3),
        this.#word(record, 4),
        this.#word(record, 5),
        record,
      );
    }
    const after = this.#afterPass;
    if (after.length === 0) return;
    this.#afterPass = [];
    for (const call of after) call();
  }

  /** Calls back once when all records of the present pass have been handled. */
  afterPass(call: () => void): void {
    this.#afterPass.push(call);
  }

  /** The bytes of a record that is being dispatched, to be kept by whoever asks for them. */
  bytes(record: number): Buffer {
    const length = this.#word(record, 7);
    if (length === 0) return NO_BYTES;
    if (!this.#safe) this.#makeSafe();
    // A pass with one message is the rule: its bytes are the whole slab.
    if (length === this.#slab.length) return this.#slab;
    return new FastBuffer(this.#slabMemory, this.#word(record, 6) + this.#slabShift, length);
  }

  /** The same where they lie: until the pass is over, and something else is written there. */
  borrow(record: number): Buffer {
    return new FastBuffer(this.#arenaMemory, this.#word(record, 6), this.#word(record, 7));
  }
}

export const outbox = new Outbox();
