import { Copies } from './copies';
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
const NO_BYTES = Buffer.alloc(0);

/**
 * Drains what native code wrote, for all endpoints of this thread. Records are taken in passes: datagrams
 * leave first, then events run. A handler that calls down again appends records for the next pass; only the
 * outermost drain empties the memory.
 *
 * Native code writes to the arena whenever it is called, so nobody else ever sees that: whoever was given a piece
 * of it could transfer all of it away, and native code would write to freed memory. What goes out is a copy, in
 * memory that only JavaScript writes to. The arena stays as it is until the pass is over, so that a copy that somebody
 * has detached all the same is made again for the next one who asks.
 */
class Outbox {
  readonly #control = new Uint32Array(2);
  readonly #records = new Uint32Array(RECORDS * WORDS);
  readonly #arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
  readonly #sinks = new Map<number, RecordSink>();
  // The one asked for last: as a rule the next record is for it, too.
  #sinkId = 0;
  #sinkFound: RecordSink | undefined;
  #nextEndpoint = 1;
  #draining = false;
  // The pass under way. It outlives a handler that throws, so that nobody else's records are lost.
  #next = 0;
  #end = 0;
  readonly #kept = new Copies(this.#arena, false);
  readonly #lent = new Copies(this.#arena, true);
  #afterPass: (() => void)[] = [];

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
      this.native.reset();
      this.#next = this.#end = 0;
      count = this.#control[0] ?? 0;
      if (count === 0) return false;
    }
    const [start, end] = [this.#word(this.#end, 6), this.#control[1] ?? 0];
    this.#kept.begin(start, end);
    this.#lent.begin(start, end);
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
    return length === 0 ? NO_BYTES : this.#kept.take(this.#word(record, 6), length);
  }

  /** The same until the pass is over, and something else is written there. */
  borrow(record: number): Buffer {
    return this.#lent.take(this.#word(record, 6), this.#word(record, 7));
  }
}

export const outbox = new Outbox();
