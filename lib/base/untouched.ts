/**
 * Functions of the language's and of Node's as they were when this package was loaded, called so that nothing that a
 * program has put in their place since runs. For what is asked while datagrams are being received.
 */
import { EventEmitter } from 'node:events';

/* eslint-disable @typescript-eslint/unbound-method -- they are only ever applied */
const { apply } = Reflect;
const { listenerCount } = EventEmitter.prototype;
const { indexOf, slice } = String.prototype;

/** Also where a class that extends the emitter counts for itself. */
export const listenersOf = (emitter: EventEmitter, event: string): number => apply(listenerCount, emitter, [event]);

/** What stands before the first `mark`, or all of it. */
export function before(text: string, mark: string): string {
  const end = apply(indexOf, text, [mark]);
  return end < 0 ? text : apply(slice, text, [0, end]);
}

/** Calls `method` of `self`, whatever has become of Function.prototype.call. */
export const applied = apply;
