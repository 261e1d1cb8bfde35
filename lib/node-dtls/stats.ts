/** Statistics in the shape of `node:dtls`: live while what they count lives, then the last state of it. */
import { inspect } from 'node:util';
import { kCounter, kCounters, kFreeze } from '../base/internals';

type Counters = Readonly<Record<string, bigint>>;

/** Reads through to `read` until `freeze` is called. */
class Stats {
  #read: (() => Counters) | undefined;
  #last: Counters = {};

  constructor(read: () => Counters) {
    this.#read = read;
  }

  /** False: what it counted is gone, and the numbers stay as they are. */
  get isConnected(): boolean {
    return this.#read !== undefined;
  }

  /** @internal */
  [kFreeze](): void {
    this.#last = this[kCounters]();
    this.#read = undefined;
  }

  /** @internal */
  protected [kCounters](): Counters {
    return this.#read?.() ?? this.#last;
  }

  /** @internal */
  protected [kCounter](name: string): bigint {
    return this[kCounters]()[name] ?? 0n;
  }

  toJSON(): Record<string, string | boolean> {
    const texts = Object.entries(this[kCounters]()).map(([name, value]) => [name, String(value)]);
    const json: Record<string, string | boolean> = {
      ...(Object.fromEntries(texts) as Record<string, string>),
      connected: this.isConnected,
    };
    return Object.setPrototypeOf(json, null) as Record<string, string | boolean>;
  }

  toString(): string {
    return JSON.stringify(this.toJSON());
  }

  [inspect.custom](): string {
    return `${this.constructor.name} ${inspect({ ...this[kCounters](), connected: this.isConnected })}`;
  }
}

/** Times are of `process.hrtime.bigint()`; 0: has not come yet. */
export class DTLSEndpointStats extends Stats {
  get createdAt(): bigint {
    return this[kCounter]('createdAt');
  }
  get destroyedAt(): bigint {
    return this[kCounter]('destroyedAt');
  }
  get bytesReceived(): bigint {
    return this[kCounter]('bytesReceived');
  }
  get bytesSent(): bigint {
    return this[kCounter]('bytesSent');
  }
  get packetsReceived(): bigint {
    return this[kCounter]('packetsReceived');
  }
  get packetsSent(): bigint {
    return this[kCounter]('packetsSent');
  }
  get serverSessions(): bigint {
    return this[kCounter]('serverSessions');
  }
  get clientSessions(): bigint {
    return this[kCounter]('clientSessions');
  }
  /** Handshakes that were turned away while `busy` was set. */
  get serverBusyCount(): bigint {
    return this[kCounter]('serverBusyCount');
  }
  /** Datagrams that could not begin a handshake. */
  get serverRejectedCount(): bigint {
    return this[kCounter]('serverRejectedCount');
  }
  /** Handshakes that `maxSessions` or `maxSessionsPerHost` kept out. */
  get serverRefusedCount(): bigint {
    return this[kCounter]('serverRefusedCount');
  }
}

/** Bytes and messages are the application's. */
export class DTLSSessionStats extends Stats {
  get createdAt(): bigint {
    return this[kCounter]('createdAt');
  }
  get destroyedAt(): bigint {
    return this[kCounter]('destroyedAt');
  }
  get closingAt(): bigint {
    return this[kCounter]('closingAt');
  }
  get handshakeCompletedAt(): bigint {
    return this[kCounter]('handshakeCompletedAt');
  }
  get bytesReceived(): bigint {
    return this[kCounter]('bytesReceived');
  }
  get bytesSent(): bigint {
    return this[kCounter]('bytesSent');
  }
  get messagesReceived(): bigint {
    return this[kCounter]('messagesReceived');
  }
  get messagesSent(): bigint {
    return this[kCounter]('messagesSent');
  }
  get retransmitCount(): bigint {
    return this[kCounter]('retransmitCount');
  }
}
