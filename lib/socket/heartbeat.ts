/** RFC 6520 as a socket's user sees it: requests in a queue, and the path MTU search built on them. */
import { HeartbeatType } from '../base/protocol';
import { HeartbeatOutcome } from '../core/outcomes';
import { directionOf, fieldOf, RecordField } from '../core/record-fields';
import type { HeartbeatEvent } from '../diagnostics/events';
import { DTLSError, usageError } from '../errors/errors';
import { copyOf } from '../base/memory';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { MAX_HEARTBEAT_RETRIES, MAX_MESSAGE, MIN_MTU } from '../options/types';
import type { ResolvedHeartbeat } from '../options/session';
import { checkNames, checkObject, inRange, integer } from '../checks/validate';

export interface HeartbeatRequestOptions {
  /** Milliseconds before the request is sent again. Default: the `heartbeat.timeout` option. */
  timeout?: number | undefined;
  /** How often it is sent again. Default: the `heartbeat.retries` option. */
  retries?: number | undefined;
}

export interface HeartbeatResult {
  /** Milliseconds since the request was last sent. */
  rtt: number;
  /** What was sent and came back. */
  payload: NonSharedBuffer;
}

export interface DiscoverMtuOptions extends HeartbeatRequestOptions {
  /** Smallest datagram to try. Default 256. */
  min?: number | undefined;
  /** Largest datagram to try. Default 1472 over IPv4 and 1452 over IPv6: an Ethernet frame's worth. */
  max?: number | undefined;
}

/** RFC 6520 section 4: what every message has. */
export const MIN_PADDING = 16;
const HEADER = 3;

type Refusal = Exclude<HeartbeatOutcome, typeof HeartbeatOutcome.Sent | typeof HeartbeatOutcome.Busy>;
const REFUSALS: Readonly<Record<Refusal, readonly [code: string, message: string, hint: string]>> = {
  [HeartbeatOutcome.NotOpen]: [
    'ERR_DTLS_NOT_OPEN',
    'cannot send a heartbeat: the session is not open',
    "Wait for 'secureConnect' before, and look for 'close' after.",
  ],
  [HeartbeatOutcome.NotNegotiated]: [
    'ERR_DTLS_HEARTBEAT_NOT_NEGOTIATED',
    'heartbeats were not negotiated',
    "Both sides have to ask for them: pass 'heartbeat: true' here, and see that the peer supports RFC 6520. Sessions of DTLS 1.3 have none.",
  ],
  [HeartbeatOutcome.NotAllowed]: [
    'ERR_DTLS_HEARTBEAT_NOT_ALLOWED',
    'the peer does not allow heartbeat requests',
    "The peer's mode is peer_not_allowed_to_send: only it may send requests.",
  ],
  [HeartbeatOutcome.UnsupportedCipher]: [
    'ERR_DTLS_HEARTBEAT_UNSUPPORTED_CIPHER',
    'heartbeats need an AEAD cipher suite',
    'This session uses a CBC suite: offer AES-GCM, ChaCha20-Poly1305 or AES-CCM.',
  ],
  [HeartbeatOutcome.TooBig]: [
    'ERR_DTLS_HEARTBEAT_TOO_BIG',
    'the heartbeat does not fit one record',
    `Payload and padding have at most ${String(MAX_MESSAGE - HEADER)} bytes, or 3 less than the max_fragment_length that the peers agreed on.`,
  ],
  [HeartbeatOutcome.Failed]: [
    'ERR_DTLS_INTERNAL',
    'OpenSSL could not make the heartbeat',
    'OpenSSL failed for a reason of its own (memory, randomness).',
  ],
};

interface Waiting {
  payload: NonSharedBuffer;
  padding: number;
  timeout: number;
  retries: number;
  resolve: (result: HeartbeatResult) => void;
  reject: (error: Error) => void;
}

type SendHeartbeat = (
  payload: Uint8Array,
  padding: number,
  timeout: number,
  retries: number,
) => HeartbeatOutcome;

/** Requests of one session. The core has one in flight; the others wait here in order. */
export class Heartbeats {
  readonly #defaults: ResolvedHeartbeat;
  readonly #send: SendHeartbeat;
  readonly #waiting: Waiting[] = [];
  #inFlight: Waiting | undefined;

  constructor(defaults: ResolvedHeartbeat, send: SendHeartbeat) {
    this.#defaults = defaults;
    this.#send = send;
  }

  request(
    payload: Buffer,
    padding: number,
    options: HeartbeatRequestOptions,
  ): Promise<HeartbeatResult> {
    checkObject('options', options);
    checkNames(options, ['timeout', 'retries']);
    const timeout = inRange('timeout', options.timeout, this.#defaults.timeout, 1, 0x7fffffff);
    const retries = integer(
      'retries',
      options.retries,
      this.#defaults.retries,
      0,
      MAX_HEARTBEAT_RETRIES,
    );
    return new Promise((resolve, reject) => {
      // The caller may reuse its memory meanwhile.
      const kept = copyOf(payload);
      this.#waiting.push({ payload: kept, padding, timeout, retries, resolve, reject });
      this.#next();
    });
  }

  /** A HEARTBEAT record: the event it makes, or nothing when it only says that no answer came. */
  onRecord(a: number, b: number, data: NonSharedBuffer): HeartbeatEvent | undefined {
    const event = heartbeatEvent(a, b, data);
    const answered = event?.type === 'response' && event.direction === 'in';
    if (event === undefined || answered) {
      // An answer while nothing is in flight is that to a keep-alive of the core's own.
      const request = this.#inFlight;
      this.#inFlight = undefined;
      if (event?.rtt !== undefined) request?.resolve({ rtt: event.rtt, payload: request.payload });
      else if (request !== undefined) request.reject(unanswered());
      // The session ends, and with it what waits: fail() tells why.
      else return event;
      this.#next();
    }
    return event;
  }

  /** The session is over. */
  fail(error: Error): void {
    const open = this.#inFlight === undefined ? this.#waiting : [this.#inFlight, ...this.#waiting];
    this.#inFlight = undefined;
    for (const { reject } of open.splice(0)) reject(error);
    this.#waiting.length = 0;
  }

  #next(): void {
    while (this.#inFlight === undefined) {
      const request = this.#waiting[0];
      if (request === undefined) return;
      const { payload, padding, timeout, retries } = request;
      const outcome = this.#send(payload, padding, timeout, retries);
      // A keep-alive is in flight: its answer calls this again.
      if (outcome === HeartbeatOutcome.Busy) return;
      this.#waiting.shift();
      if (outcome === HeartbeatOutcome.Sent) {
        this.#inFlight = request;
        return;
      }
      const [code, message, hint] = REFUSALS[outcome];
      request.reject(
        code === 'ERR_DTLS_NOT_OPEN'
          ? new DTLSError(message, { code, category: 'closed', hint })
          : usageError(code, message, hint),
      );
    }
  }
}

/** The event that a HEARTBEAT record makes; undefined when it says that a request went unanswered. */
export function heartbeatEvent(a: number, b: number, data: NonSharedBuffer): HeartbeatEvent | undefined {
  const type = fieldOf(a, RecordField.HeartbeatType);
  if (type === 0) return undefined;
  const event: HeartbeatEvent = {
    type: type === HeartbeatType.Request ? 'request' : 'response',
    direction: directionOf(a),
    length: b,
  };
  if (event.type === 'response' && event.direction === 'in') {
    // The machine's own byte order: native code wrote it as it lies in memory.
    event.rtt = new Float64Array(Uint8Array.from(data).buffer)[0] ?? 0;
  }
  return event;
}

function unanswered(): DTLSError {
  return new DTLSError('the peer did not answer the heartbeat', {
    code: 'ERR_DTLS_HEARTBEAT_TIMEOUT',
    category: 'timeout',
    hint: 'The peer went away, the path is broken, or the request was too large for it.',
  });
}

const aboveAgreed = (min: number, largest: number): DTLSError =>
  usageError(
    'ERR_OUT_OF_RANGE',
    `'min' is ${String(min)}, and no datagram of this session has more than ${String(largest)} bytes: the peers agreed on a max_fragment_length`,
    "Leave 'min' out, or choose a smaller one.",
  );

/** Small enough to stop at: finding the last bytes costs a probe each. */
const PRECISION = 8;

/**
 * Binary search for the largest datagram that is answered; `overhead` is what a record adds, `most` what it may carry.
 */
export async function searchMtu(
  heartbeats: Heartbeats,
  overhead: number,
  most: number,
  ipv6: boolean,
  options: DiscoverMtuOptions,
): Promise<number> {
  checkObject('options', options);
  checkNames(options, ['min', 'max', 'timeout', 'retries']);
  const min = integer('min', options.min, MIN_MTU, MIN_MTU, MAX_MESSAGE);
  const wanted = integer('max', options.max, ipv6 ? 1452 : 1472, min, MAX_MESSAGE);
  const largest = most + overhead;
  if (min > largest) throw aboveAgreed(min, largest);
  const max = Math.min(wanted, largest);
  // A probe that is too large is never answered: do not wait for it as long as for a dead peer.
  const { timeout = 250, retries = 2 } = options;
  const passes = async (size: number): Promise<boolean> => {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(size);
    const padding = size - overhead - HEADER - payload.length;
    try {
      await heartbeats.request(payload, padding, { timeout, retries });
      return true;
    } catch (error) {
      if (error instanceof DTLSError && error.code === 'ERR_DTLS_HEARTBEAT_TIMEOUT') return false;
      throw error;
    }
  };
  if (await passes(max)) return max;
  if (!(await passes(min))) throw unanswered();
  let [good, bad] = [min, max];
  while (bad - good > PRECISION) {
    const middle = Math.floor((good + bad) / 2);
    if (await passes(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
