/**
 * One question to a server: a ClientHello, the cookie if one is asked for, and the server's flight
 * up to ServerHelloDone. Then an alert ends it: there is no key, and no session.
 */
import { randomBytes } from 'node:crypto';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { AlertLevel, ContentType, HandshakeType, Version } from '../../base/protocol';
import { chosenVersion, readServerHello, type ServerHello } from '../decode/hello';
import { Malformed, Reader } from '../decode/reader';
import { Assembly, readFragments, readRecords, type DtlsRecord } from '../decode/records';
import { bytes, clientHello, type Offer } from './client-hello';

export interface Where {
  readonly address: string;
  readonly port: number;
  readonly family: 4 | 6;
}

export interface Answer {
  /** Undefined for a server that asked for no cookie. */
  readonly cookie: Buffer | undefined;
  readonly server: ServerHello | undefined;
  /** Bodies of the messages of the server's flight, by type. */
  readonly messages: ReadonlyMap<number, Buffer>;
  readonly alert: number | undefined;
  /** Sizes of the datagrams that came after the cookie, or at all where there is none. */
  readonly datagrams: readonly number[];
  /** Bytes of the first hello, and of what came back for it before there was a cookie. */
  readonly asked: number;
  readonly answered: number;
  /** Milliseconds until the answer was whole; undefined for one that was not. */
  readonly took: number | undefined;
}

export interface Question {
  readonly offer: Offer;
  /** Sent as if the server had given it. */
  readonly forgedCookie?: Buffer;
  /** The hello goes in fragments of so many bytes, each a datagram. */
  readonly fragment?: number;
}

const USER_CANCELED = 90;
const MOST_DATAGRAMS = 256;

class Probe {
  readonly #socket: dgram.Socket;
  readonly #question: Question;
  readonly #random = randomBytes(32);
  readonly #assembly = new Assembly();
  readonly #messages = new Map<number, Buffer>();
  readonly #datagrams: number[] = [];
  readonly #sequences = new Set<number>();
  #first: number | undefined;
  #last: number | undefined;
  #sequence = 0;
  #hello: Buffer[] = [];
  #cookie: Buffer | undefined;
  #server: ServerHello | undefined;
  #alert: number | undefined;
  #beforeCookie = 0;
  #asked = 0;
  #answered = 0;
  #progress: () => void = () => undefined;
  #over = false;

  constructor(socket: dgram.Socket, question: Question) {
    this.#socket = socket;
    this.#question = question;
    socket.on('message', (datagram) => {
      if (!this.#over && this.#datagrams.length < MOST_DATAGRAMS) this.#receive(datagram);
    });
  }

  async ask(waits: readonly number[]): Promise<Answer> {
    const started = performance.now();
    this.#say(this.#question.forgedCookie ?? Buffer.alloc(0));
    this.#asked = this.#hello.reduce((total, { length }) => total + length, 0);
    for (const wait of waits) {
      for (let before = -1; !this.#over && before !== this.#datagrams.length; ) {
        before = this.#datagrams.length;
        await this.#news(wait);
      }
      if (this.#over) break;
      this.#send();
    }
    const took = this.#over ? performance.now() - started : undefined;
    if (this.#server !== undefined && this.#alert === undefined) this.#cancel();
    return {
      cookie: this.#cookie,
      server: this.#server,
      messages: this.#messages,
      alert: this.#alert,
      datagrams: this.#cookie === undefined ? this.#datagrams : this.#datagrams.slice(this.#beforeCookie),
      asked: this.#asked,
      answered: this.#answered,
      took,
    };
  }

  #news(wait: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.#progress = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #say(cookie: Buffer): void {
    const { offer, fragment = Infinity, forgedCookie } = this.#question;
    const body = clientHello(offer, this.#random, cookie);
    const sequence = cookie.length === 0 || cookie === forgedCookie ? 0 : 1;
    this.#hello = [];
    for (let offset = 0; offset < body.length; offset += fragment) {
      const part = body.subarray(offset, offset + fragment);
      this.#hello.push(
        Buffer.concat([
          ...[bytes(HandshakeType.ClientHello, 1), bytes(body.length, 3), bytes(sequence, 2)],
          ...[bytes(offset, 3), bytes(part.length, 3), part],
        ]),
      );
    }
    this.#send();
  }

  #send(): void {
    for (const part of this.#hello) this.#record(ContentType.Handshake, part, Version.Dtls1);
  }

  #record(type: number, content: Buffer, version: number): void {
    const header = [bytes(type, 1), bytes(version, 2), bytes(0, 2), bytes(this.#sequence++, 6)];
    this.#socket.send(Buffer.concat([...header, bytes(content.length, 2), content]), (error) => {
      if (error !== null) this.#progress(); // the socket's own error event says what
    });
  }

  #cancel(): void {
    this.#record(ContentType.Alert, Buffer.from([AlertLevel.Fatal, USER_CANCELED]), this.#server?.version ?? Version.Dtls12);
  }

  #receive(datagram: Buffer): void {
    this.#datagrams.push(datagram.length);
    if (this.#cookie === undefined) this.#answered += datagram.length;
    for (const record of readRecords(datagram).records) {
      try {
        this.#read(record);
      } catch (error) {
        if (!(error instanceof Malformed)) throw error; // not what a server sends; perhaps the next is
      }
    }
    this.#progress();
  }

  #read({ type, epoch, fragment }: DtlsRecord): void {
    if (epoch !== 0) return;
    if (type === ContentType.Alert && fragment[0] === AlertLevel.Fatal) {
      this.#alert = fragment[1];
      this.#over = true;
    }
    if (type !== ContentType.Handshake) return;
    for (const part of readFragments(fragment)) {
      const body = this.#assembly.add(part);
      if (body === undefined || this.#messages.has(part.type)) continue;
      const { sequence } = part;
      if (part.type === HandshakeType.HelloVerifyRequest) {
        this.#onCookie(body);
        continue;
      }
      this.#messages.set(part.type, body);
      this.#sequences.add(sequence);
      if (part.type === HandshakeType.ServerHello) {
        this.#server = readServerHello(body);
        this.#first = sequence;
      } else if (part.type === HandshakeType.ServerHelloDone) {
        this.#last = sequence;
      }
      this.#over = this.#isWhole() || this.#is13();
    }
  }

  /** What follows such a ServerHello is encrypted; behind a HelloRetryRequest nothing follows. */
  #is13(): boolean {
    return this.#server !== undefined && chosenVersion(this.#server) === Version.Dtls13;
  }

  /** The flight's messages may come in any order. */
  #isWhole(): boolean {
    const [first, last] = [this.#first, this.#last];
    if (first === undefined || last === undefined) return false;
    return [...this.#sequences].filter((one) => one >= first && one <= last).length === last - first + 1;
  }

  #onCookie(body: Buffer): void {
    if (this.#cookie !== undefined) return;
    const reader = new Reader(body);
    reader.number(2);
    this.#cookie = Buffer.from(reader.vector(1));
    this.#beforeCookie = this.#datagrams.length;
    if (this.#question.forgedCookie !== undefined) this.#over = true;
    else this.#say(this.#cookie);
  }
}

/**
 * @param waits - Milliseconds: after each of them, when nothing came, the question is put again or given up.
 * @throws What the system says, such as ECONNREFUSED.
 */
export async function probe(
  { address, port, family }: Where,
  question: Question,
  waits: readonly number[],
): Promise<Answer> {
  const socket = dgram.createSocket(family === 6 ? 'udp6' : 'udp4');
  const failed = new Promise<never>((_, reject) => {
    socket.once('error', reject);
  });
  try {
    socket.connect(port, address);
    await Promise.race([once(socket, 'connect'), failed]);
    const answer = await Promise.race([new Probe(socket, question).ask(waits), failed]);
    await sleep(1); // the alert leaves
    return answer;
  } finally {
    failed.catch(() => undefined);
    socket.on('error', () => undefined);
    socket.close();
  }
}
