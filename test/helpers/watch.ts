/** What happens to a socket of this package, noted from its first event on, and waited for. */
import type {
  AlertEvent,
  DTLSError,
  DTLSServer,
  DTLSSocket,
  HandshakeEvent,
} from '../../lib/index';
import { PATIENCE_MS } from './patience';

/** Waits until `ready` returns something; looks again whenever `notify` is called. */
class Watch {
  readonly #waiting = new Set<() => void>();

  protected notify(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  protected until<T>(
    what: string,
    ready: () => T | undefined,
    seen: () => string,
    patience = PATIENCE_MS,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const value = ready();
        if (value === undefined) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(value);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`no ${what}; seen: ${seen()}`));
      }, patience);
      this.#waiting.add(look);
      look();
    });
  }
}

export class WatchedSocket extends Watch {
  readonly socket: DTLSSocket;
  readonly messages: Buffer[] = [];
  readonly alerts: AlertEvent[] = [];
  readonly handshake: HandshakeEvent[] = [];
  #secure = false;
  #error: DTLSError | undefined;
  #closed: { hadError: boolean } | undefined;

  constructor(socket: DTLSSocket) {
    super();
    this.socket = socket;
    socket.on('handshake', (event) => {
      this.handshake.push(event);
    });
    socket.on('secureConnect', () => {
      this.#secure = true;
      this.notify();
    });
    socket.on('message', (message) => {
      this.messages.push(message);
      this.notify();
    });
    socket.on('alert', (event) => {
      this.alerts.push(event);
      this.notify();
    });
    socket.on('error', (error) => {
      this.fail(error);
    });
    socket.on('close', (hadError) => {
      this.#closed = { hadError };
      this.notify();
    });
  }

  fail(error: DTLSError): void {
    this.#error = error;
    this.notify();
  }

  /** The handshake is over; throws the error when it failed. */
  async secure(patience = PATIENCE_MS): Promise<void> {
    await this.until(
      'finished handshake',
      () => (this.#secure || (this.#error ?? this.#closed) !== undefined ? true : undefined),
      () => this.#summary(),
      patience,
    );
    if (!this.#secure) throw this.#error ?? new Error(`closed early; seen: ${this.#summary()}`);
  }

  /** The first message from now on, or the oldest that nobody has taken yet. */
  async message(): Promise<Buffer> {
    return this.until(
      'message',
      () => this.messages.shift(),
      () => this.#summary(),
    );
  }

  async error(): Promise<DTLSError> {
    return this.until(
      'error',
      () => this.#error,
      () => this.#summary(),
    );
  }

  /** Closed; whether it had an error. */
  async closed(): Promise<boolean> {
    const { hadError } = await this.until(
      'close',
      () => this.#closed,
      () => this.#summary(),
    );
    return hadError;
  }

  /** Names of the alerts that went in one direction. */
  alertNames(direction: 'in' | 'out'): string[] {
    return this.alerts.filter((it) => it.direction === direction).map((it) => it.description);
  }

  #summary(): string {
    const { handshake, messages, alerts } = this;
    return JSON.stringify({
      error: this.#error?.code,
      closed: this.#closed,
      alerts: alerts.map((it) => `${it.direction} ${it.description}`),
      handshake: handshake.map((it) => `${it.direction} ${it.message}`),
      messages: messages.length,
    });
  }
}

/** A server's sockets, watched from `connection` on. */
export class WatchedServer extends Watch {
  readonly sockets: WatchedSocket[] = [];

  constructor(server: DTLSServer) {
    super();
    server.on('connection', (socket) => {
      this.sockets.push(new WatchedSocket(socket));
      this.notify();
    });
    server.on('dtlsClientError', (error, socket) => {
      this.sockets.find((watched) => watched.socket === socket)?.fail(error);
    });
  }

  /** The first socket, or a later one. */
  async connection(index = 0): Promise<WatchedSocket> {
    return this.until(
      'connection',
      () => this.sockets[index],
      () => 'nothing',
    );
  }
}
