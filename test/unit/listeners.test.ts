/**
 * Protects: that an emitter which keeps its listeners sparingly is to its users what any other is.
 */
import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { listenSparingly } from '../../lib/base/listeners';

const INHERITED = ['constructor', 'toString', 'hasOwnProperty', '__proto__', 'valueOf'];
const symbol = Symbol('event');

/** All that can be seen of an emitter while this is done with it. */
function story(emitter: EventEmitter): unknown[] {
  const seen: unknown[] = [];
  const look = (what: string): void => {
    const names = emitter.eventNames();
    seen.push([what, names, names.map((name) => emitter.listenerCount(name)), names.map((name) => emitter.rawListeners(name).length)]);
  };
  const plain = (value: unknown): unknown =>
    value instanceof Error ? value.message : typeof value === 'function' ? value.name : value;
  const one = (...values: unknown[]): void => void seen.push(['one', ...values.map(plain)]);
  const other = (...values: unknown[]): void => void seen.push(['other', ...values.map(plain)]);
  const emit = (name: string | symbol, ...values: unknown[]): void => {
    try {
      seen.push(['emitted', name, emitter.emit(name, ...values)]);
    } catch (error) {
      seen.push(['thrown', (error as Error).message]);
    }
  };

  look('new');
  for (const name of INHERITED) emit(name);
  emit('error', new Error('nobody listens'));
  for (const name of [...INHERITED, 'message', symbol]) emitter.on(name, one);
  look('on');
  for (const name of [...INHERITED, 'message', symbol]) emit(name, 1);
  emitter.once('message', other).prependListener('message', other);
  emit('message', 2);
  emit('message', 3);
  look('once');
  emitter.on('newListener', one).on('removeListener', other);
  emitter.on('close', one).off('message', one).off('message', other);
  look('off');
  for (const name of INHERITED) emitter.off(name, one);
  emitter.removeAllListeners('close');
  look('few');
  emitter.removeAllListeners();
  look('none');
  emitter.on(EventEmitter.errorMonitor, one).on('error', other);
  emit('error', new Error('heard'));
  emitter.off('error', other).off(EventEmitter.errorMonitor, one);
  look('none again');
  emitter.on('message', one);
  emit('message', 4);
  look('one again');
  return seen;
}

describe('an emitter that keeps its listeners sparingly', () => {
  it('does all that one of Node’s does', () => {
    const sparing = new EventEmitter();
    listenSparingly(sparing);
    const usual = story(new EventEmitter());
    expect(story(sparing)).to.deep.equal(usual);
    expect(usual).to.have.length.above(40);
  });

  it('shares nothing with another', () => {
    const emitters = [new EventEmitter(), new EventEmitter()];
    for (const emitter of emitters) listenSparingly(emitter);
    emitters[0]?.on('message', () => undefined);
    expect(emitters.map((emitter) => emitter.listenerCount('message'))).to.deep.equal([1, 0]);
  });
});
