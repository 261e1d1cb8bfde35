import { EventEmitter } from 'node:events';

import { kOnListener } from './internals';

type EventMap<T> = Record<keyof T, unknown[]>;

/**
 * An emitter that hears of its own new listeners, ahead of any event. Node's event `newListener` would be a listener for
 * each emitter, which users can see, and remove.
 */
export abstract class NoticingEmitter<T extends EventMap<T>> extends EventEmitter<T> {
  static {
    for (const name of ['on', 'addListener', 'prependListener'] as const) {
      // eslint-disable-next-line @typescript-eslint/unbound-method -- always called by `call`
      const add = EventEmitter.prototype[name];
      const noticing = function (
        this: NoticingEmitter<Record<string, unknown[]>>,
        event: string | symbol,
        listener: (...args: unknown[]) => void,
      ): EventEmitter {
        add.call(this, event, listener);
        this[kOnListener](event);
        return this;
      };
      Object.defineProperty(this.prototype, name, { value: noticing, writable: true, configurable: true });
    }
  }

  /** @internal There is one listener more for that event. */
  protected abstract [kOnListener](event: string | symbol): void;
}
