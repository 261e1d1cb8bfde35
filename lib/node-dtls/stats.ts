/** Statistics in the shape of `node:dtls`: live while what they count lives, then the last state of it. */
import { inspect } from 'node:util';

type Counters = Readonly<Record<string, bigint>>;

/** Reads through to `read` until `freeze` is called. */
class Stats {
  #read: (() => Counters) | undefined;
  #last: Counters = {};

  /** @internal */
  constructor(read: () => Counters) {
    this.#read = read;
  }

  /** False: what it counted is gone, and the numbers stay as they are. */
  get isConnected(): boolean {
    return this.#read !== undefined;
  }

  /** @internal */
  freeze(): void {
    this.#last = this.counters();
    this.#read = undefined;
  }

  /** @internal */
  protected counters(): Counters {
    return this.#read?.() ?? this.#last;
  }

  /** @internal */
  protected counter(name: string): bigint {
    return this.counters()[name] ?? 0n;
  }

  toJSON(): Record<string, string | boolean> {
    const texts = Object.entries(this.counters()).map(([name, value]) => [name, String(value)]);
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
    return `${this.constructor.name} ${inspect({ ...this.counters(), connected: this.isConnected })}`;
  }
}

/** Times are of `process.hrtime.bigint()`; 0: has not come yet. */
export class DTLSEndpointStats extends Stats {
  get createdAt(): bigint {
    return this.counter('createdAt');
  }
  get destroyedAt(): bigint {
    return this.counter('destroyedAt');
  }
  get bytesReceived(): bigint {
    return this.counter('bytesReceived');
  }
  get bytesSent(): bigint {
    return this.counter('bytesSent');
  }
  get packetsReceived(): bigint {
    return this.counter('packetsReceived');
  }
  get packetsSent(): bigint {
    return this.counter('packetsSent');
  }
  get serverSessions(): bigint {
    return this.counter('serverSessions');
  }
  get clientSessions(): bigint {
    return this.counter('clientSessions');
  }
  /** Handshakes that were turned away while `busy` was set. */
  get serverBusyCount(): bigint {
    return this.counter('serverBusyCount');
  }
  /** Datagrams that could not begin a handshake. */
  get serverRejectedCount(): bigint {
    return this.counter('serverRejectedCount');
  }
  /** Handshakes that `maxSessions` or `maxSessionsPerHost` kept out. */
  get serverRefusedCount(): bigint {
    return this.counter('serverRefusedCount');
  }
}

/** Bytes and messages are the application's. */
export class DTLSSessionStats extends Stats {
  get createdAt(): bigint {
    return this.counter('createdAt');
  }
  get destroyedAt(): bigint {
    return this.counter('destroyedAt');
  }
  get closingAt(): bigint {
    return this.counter('closingAt');
  }
  get handshakeCompletedAt(): bigint {
    return this.counter('handshakeCompletedAt');
  }
  get bytesReceived(): bigint {
    return this.counter('bytesReceived');
  }
  get bytesSent(): bigint {
    return this.counter('bytesSent');
  }
  get messagesReceived(): bigint {
    return this.counter('messagesReceived');
  }
  get messagesSent(): bigint {
    return this.counter('messagesSent');
  }
  get retransmitCount(): bigint {
    return this.counter('retransmitCount');
  }
}
