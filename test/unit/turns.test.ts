/**
 * Protects: the order in which events, ticks, promise jobs and what is held back until the end come, by whatever way a
 * delivery goes on, and that the function which runs ticks is believed in only after it has been seen to.
 */
import { setImmediate as immediate } from 'node:timers/promises';
import vm from 'node:vm';
import { expect } from 'chai';
import { Ticks } from '../../lib/base/ticks';
import { Turns, type EventSource } from '../../lib/core/turns';

/** Events that are noted, with a tick and a promise job each. */
class Events implements EventSource {
  readonly log: string[] = [];
  readonly #events: (() => boolean)[] = [];

  get waiting(): number {
    return this.#events.length;
  }
  prepare(): void {
    this.log.push('prepare');
  }
  ready(): boolean {
    return this.#events.length > 0;
  }
  deliver(): boolean {
    return this.#events.shift()?.() ?? false;
  }

  put(...names: string[]): void {
    for (const name of names) this.#events.push(this.step(name));
  }
  act(act: () => boolean): void {
    this.#events.push(act);
  }
  step(name: string): () => boolean {
    return () => {
      this.log.push(name);
      process.nextTick(() => this.log.push(`tick of ${name}`));
      void Promise.resolve().then(() => this.log.push(`job of ${name}`));
      return true;
    };
  }
}

/** Each with what it has left to do. */
const all = (...names: string[]): string[] =>
  names.flatMap((name) => [name, `tick of ${name}`, `job of ${name}`]);

const real = (process as unknown as { _tickCallback: () => void })._tickCallback;

const kinds: readonly [name: string, make: () => Ticks][] = [
  ['with the function of Node', () => new Ticks()],
  ['with none', () => new Ticks(null)],
  ['with one that does something else', () => new Ticks(() => undefined)],
];

describe('turns', () => {
  for (const [name, make] of kinds) {
    describe(name, () => {
      it('come one by one from a callback of native code', async () => {
        const events = new Events();
        const turns = new Turns(events, make());
        events.put('a', 'b', 'c');
        await immediate(); // a callback with nobody's code on the stack
        process.nextTick(() => {
          turns.wake();
        });
        await immediate();
        await immediate();
        expect(events.log).to.deep.equal(all('a', 'b', 'c'));
      });

      it('come after the caller has returned from everywhere else', async () => {
        const events = new Events();
        const turns = new Turns(events, make());
        events.put('a', 'b');
        turns.soon();
        events.log.push('returned');
        await immediate();
        await immediate();
        expect(events.log).to.deep.equal(['prepare', 'returned', ...all('a', 'b')]);
      });

      it('steps come before the next event, afterwards comes last, and later within a delivery', async () => {
        const events = new Events();
        const turns = new Turns(events, make());
        events.act(() => {
          turns.add(events.step('step 1'));
          turns.add(events.step('step 2'));
          turns.afterwards(() => events.log.push('afterwards'));
          turns.later(() => events.log.push('later'));
          return events.step('a')();
        });
        events.put('b');
        turns.soon();
        await immediate();
        await immediate();
        await immediate();
        const last = ['b', 'afterwards', 'later', 'tick of b', 'job of b'];
        expect(events.log.slice(1)).to.deep.equal([...all('a', 'step 1', 'step 2'), ...last]);
      });

      it('a step that is added from outside is an event of its own', async () => {
        const events = new Events();
        const turns = new Turns(events, make());
        events.step('before')();
        turns.add(events.step('a'));
        turns.add(events.step('b'));
        events.log.push('returned');
        await immediate();
        await immediate();
        expect(events.log).to.deep.equal(['before', 'returned', 'tick of before', 'job of before', ...all('a', 'b')]);
      });
    });
  }

  it('later is the end of the tick where nothing is being delivered', async () => {
    const events = new Events();
    const turns = new Turns(events);
    turns.later(() => events.log.push('later'));
    events.log.push('returned');
    await immediate();
    expect(events.log).to.deep.equal(['returned', 'later']);
  });

  it('a caller that is ended in the middle (a timeout of node:vm) holds up nobody', async () => {
    /** A search for an event never ends while this is so. */
    let endless = true;
    let searches = 0;
    class Endless extends Events {
      override ready(): boolean {
        searches += 1;
        while (endless);
        return super.ready();
      }
    }
    const events = new Endless();
    const turns = new Turns(events);
    events.put('a');
    expect(() => { vm.runInNewContext('turns.soon()', { turns }, { timeout: 200 }); }).to.throw(/timed out/);
    endless = false;
    expect(searches, 'the call was ended within it').to.equal(1);
    events.put('b');
    turns.soon();
    await immediate();
    expect(events.log.filter((one) => one !== 'prepare')).to.deep.equal(all('a', 'b'));
  });

  it('what nobody listens to needs no turn', async () => {
    let calls = 0;
    const events = new Events();
    const turns = new Turns(
      events,
      new Ticks(() => {
        calls += 1;
        real();
      }),
    );
    for (let silent = 0; silent < 10; ++silent) events.act(() => false);
    process.nextTick(() => {
      turns.wake();
    });
    await immediate();
    expect({ calls, left: events.waiting }).to.deep.equal({ calls: 0, left: 0 });
  });

  it('an event that comes alone costs no turn', async () => {
    let calls = 0;
    const events = new Events();
    const turns = new Turns(
      events,
      new Ticks(() => {
        calls += 1;
        real();
      }),
    );
    events.put('a');
    process.nextTick(() => {
      turns.wake();
    });
    await immediate();
    expect(calls).to.equal(0);
    expect(events.log).to.deep.equal(all('a'));
  });

  it('the function of Node is found behind the wrapper of --pending-deprecation', () => {
    const inner = (): void => undefined;
    const wrapper = (): void => {
      throw new Error('this would have warned');
    };
    Object.setPrototypeOf(wrapper, inner);
    expect(new Ticks(wrapper).run()).to.equal(false); // it does not run ticks, and did not warn
  });
});
