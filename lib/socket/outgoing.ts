/** What a socket sends, from its calls to the endpoint: what waits for a session, what is refused, and who is told. */
import { kMessageLimit } from '../base/internals';
import { sizeOf } from '../base/memory';
import { SendOutcome } from '../core/outcomes';
import type { CoreSession } from '../endpoint/core-session';
import type { DrainHandler } from '../endpoint/handlers';
import { unsent, type DTLSError } from '../errors/errors';
import { EarlyMessages, type EarlyMessage } from './early-messages';
import { inItsContext, tooBig, type SendCallback } from './messages';
import { SendCallbacks } from './send-callbacks';
import type { SessionFacts } from './session-info';
import { notOpen, queueFull } from './socket-errors';

/** The socket, as what it sends knows it. Its endpoint calls it when there is room again. */
interface Sender extends DrainHandler {
  readonly [kMessageLimit]: number;
}

export class Outgoing {
  readonly #known: SessionFacts;
  readonly #socket: Sender;
  #needDrain = false;
  // What few sessions have a use for.
  #early: EarlyMessages | undefined;
  #earlyPackets: EarlyMessages | undefined;
  #callbacks: SendCallbacks<Parameters<SendCallback>> | undefined;

  constructor(known: SessionFacts, socket: Sender) {
    this.#known = known;
    this.#socket = socket;
  }

  /** A call has returned false, and `drain` has yet to come. */
  get needDrain(): boolean {
    return this.#needDrain;
  }

  /** What is to be called in place of `callback`. */
  expect(callback: SendCallback | undefined): SendCallback | undefined {
    if (callback === undefined) return undefined;
    this.#callbacks ??= new SendCallbacks();
    return this.#callbacks.expect(inItsContext(callback));
  }

  /** A message. False when the caller should wait for `drain`. */
  send(message: Uint8Array, callback: SendCallback | undefined): boolean {
    if (this.#known.state === 'opening') return this.#enqueue(message, callback);
    if (this.#known.state !== 'open' || this.#known.session === undefined) {
      return this.#refuse(notOpen('send'), callback);
    }
    return this.#write(this.#known.session, message, callback);
  }

  /** What is none of DTLS. False when the caller should wait for `drain`. */
  sendPacket(packet: Uint8Array, callback: SendCallback | undefined): boolean {
    const { state, session } = this.#known;
    if (state !== 'opening' && state !== 'open') return this.#refuse(notOpen('send a packet'), callback);
    if (session !== undefined) return this.#writePacket(session, packet, callback);
    this.#earlyPackets ??= new EarlyMessages();
    if (this.#earlyPackets.add(packet, callback)) return !this.#earlyPackets.aboveHighWaterMark || this.#waitForDrain();
    return this.#refuse(queueFull(this.#known.peer), callback);
  }

  /** The handshake is over: what has waited for it leaves. */
  sendEarly(session: CoreSession): void {
    for (const { message, callback } of this.#takeEarly()) {
      const most = this.#socket[kMessageLimit];
      // Nobody knew when it was sent.
      if (message.length > most) this.#refuse(tooBig(message.length, most), callback);
      else this.#write(session, message, callback);
    }
  }

  /** There is a session: the packets that have waited for it leave. True: there is room for more, and `drain` is due. */
  sendEarlyPackets(session: CoreSession): boolean {
    if (this.#earlyPackets === undefined) return false;
    for (const { message, callback } of this.#takeEarlyPackets()) this.#writePacket(session, message, callback);
    return this.#needDrain && !session.endpoint.congested;
  }

  /** The endpoint takes more. False where nobody waits for `drain`. */
  drained(): boolean {
    const { state } = this.#known;
    const early = state === 'opening' && this.#early?.aboveHighWaterMark === true; // which leaves when the session is open
    if (!this.#needDrain || early || (state !== 'open' && state !== 'opening')) return false;
    this.#needDrain = false;
    return true;
  }

  /** The session has ended, for this reason if there is one: what has waited for it does not leave any more. */
  refuseEarly(error: DTLSError | undefined): void {
    for (const { callback } of [...this.#takeEarlyPackets(), ...this.#takeEarly()]) {
      if (callback !== undefined) process.nextTick(callback, error ?? notOpen('send'));
    }
  }

  /** Calls `then` when all callbacks have been called. */
  settle(then: () => void): void {
    if (this.#callbacks === undefined) then();
    else this.#callbacks.settle(then, unsent());
  }

  #write(session: CoreSession, message: Uint8Array, callback: SendCallback | undefined): boolean {
    const outcome = session.endpoint.send(session.slot, session.generation, message, callback);
    if (outcome !== SendOutcome.Sent) {
      const error =
        outcome === SendOutcome.TooBig ? tooBig(sizeOf(message), this.#socket[kMessageLimit]) : notOpen('send');
      return this.#refuse(error, callback);
    }
    this.#known.idle?.touch();
    if (!session.endpoint.congested) return true;
    session.endpoint.awaitDrain(this.#socket);
    return this.#waitForDrain();
  }

  #writePacket({ endpoint, slot, generation }: CoreSession, packet: Uint8Array, callback: SendCallback | undefined): boolean {
    if (!endpoint.sendPacket(slot, generation, packet, callback)) return this.#refuse(notOpen('send a packet'), callback);
    if (!endpoint.congested) return true;
    endpoint.awaitDrain(this.#socket);
    return this.#waitForDrain();
  }

  #enqueue(message: Uint8Array, callback: SendCallback | undefined): boolean {
    this.#early ??= new EarlyMessages();
    if (!this.#early.add(message, callback)) return this.#refuse(queueFull(this.#known.peer), callback);
    return !this.#early.aboveHighWaterMark || this.#waitForDrain();
  }

  #waitForDrain(): false {
    this.#needDrain = true;
    return false;
  }

  #refuse(error: DTLSError, callback: SendCallback | undefined): boolean {
    if (callback !== undefined) process.nextTick(callback, error);
    return false;
  }

  /** What has waited for the handshake; nothing does any more. */
  #takeEarly(): readonly EarlyMessage[] {
    const messages = this.#early?.take() ?? [];
    this.#early = undefined;
    return messages;
  }

  #takeEarlyPackets(): readonly EarlyMessage[] {
    const packets = this.#earlyPackets?.take() ?? [];
    this.#earlyPackets = undefined;
    return packets;
  }
}
