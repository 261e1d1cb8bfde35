/** What a link is given, looked at before it is used: a probability of 10 would lose everything in silence. */
import { isIP } from 'node:net';

import { checkNames, checkObject, inRange, integer, port as checkPort, wrongType } from '../checks/validate';
import { shown } from '../errors/as-error';
import { usageError } from '../errors/errors';
import type { BurstLoss, LinkConditions } from './path';

const CONDITIONS = [
  'loss', 'burst', 'duplicate', 'reorder', 'delay', 'jitter', 'truncate', 'corrupt', 'mtu',
] as const satisfies readonly (keyof LinkConditions)[];
const BURST = ['enter', 'leave', 'loss'] as const satisfies readonly (keyof BurstLoss)[];
/** The longest time that a timer of Node's takes. */
const MOST_MS = 0x7fffffff;

const probability = (name: string, value: number | undefined): number => inRange(name, value, 0, 0, 1);
const milliseconds = (name: string, value: number | undefined): number => inRange(name, value, 0, 0, MOST_MS);

function checkBurst(burst: BurstLoss): void {
  checkObject('burst', burst);
  checkNames(burst, BURST);
  for (const name of ['enter', 'leave'] as const) {
    const value: unknown = burst[name];
    if (value === undefined) throw wrongType(`burst.${name}`, 'a number from 0 to 1', value, 'How likely it is with each datagram that a burst begins, or ends: { enter: 0.01, leave: 0.3 }.');
  }
  for (const name of BURST) probability(`burst.${name}`, burst[name]);
}

function checkDelay(delay: LinkConditions['delay']): void {
  if (typeof delay === 'number' || delay === undefined) {
    milliseconds('delay', delay);
    return;
  }
  const given: unknown = delay;
  if (!Array.isArray(given) || given.length !== 2 || given.includes(undefined)) {
    throw wrongType('delay', 'a number, or [least, most]', given, 'Milliseconds: 20, or [10, 30].');
  }
  const [least, most] = delay.map((value) => milliseconds('delay', value)) as [number, number];
  if (least > most) {
    throw usageError('ERR_OUT_OF_RANGE', `'delay' must be [least, most], not [${String(least)}, ${String(most)}]`, 'Write the smaller one first.');
  }
}

/** Each value of the conditions means something. */
function checkConditions(conditions: LinkConditions): void {
  checkObject('conditions', conditions);
  checkNames(conditions, CONDITIONS);
  for (const name of ['loss', 'duplicate', 'reorder', 'truncate', 'corrupt'] as const) {
    probability(name, conditions[name]);
  }
  if (conditions.burst !== undefined) checkBurst(conditions.burst);
  checkDelay(conditions.delay);
  milliseconds('jitter', conditions.jitter);
  integer('mtu', conditions.mtu, 0xffff, 1, 0xffff);
}

/**
 * An object that refuses values, and names, as they are set: an assignment to a property of a plain one says nothing. `kept`:
 * what is kept of a value.
 */
const watched = <T extends object>(
  own: T,
  check: (next: T) => void,
  kept: (name: string | symbol, value: unknown) => unknown = (_name, value) => value,
): T =>
  new Proxy(own, {
    set(target, name, value) {
      const next = (Array.isArray(target) ? [...(target as unknown[])] : { ...target }) as T;
      Reflect.set(next, name, value);
      check(next);
      return Reflect.set(target, name, kept(name, value));
    },
  });

/** A condition that has parts, as a copy that watches these. */
function withParts(name: string | symbol, value: unknown): unknown {
  if (name === 'burst' && value !== undefined) return watched({ ...(value as BurstLoss) }, checkBurst);
  if (name === 'delay' && Array.isArray(value)) return watched([...(value as [number, number])] as const, checkDelay);
  return value;
}

/**
 * A copy of the conditions, and what is shown of it: what is set there counts from then on, and is checked.
 *
 * @throws {@link DTLSError} for a condition that is unknown, of a wrong type or out of range.
 */
export function settable(conditions: LinkConditions): [own: LinkConditions, shown: LinkConditions] {
  checkConditions(conditions);
  const own: LinkConditions = Object.fromEntries(
    Object.entries(conditions).map(([name, value]) => [name, withParts(name, value)]),
  );
  return [own, watched(own, checkConditions, withParts)];
}

/** The port, as a number. */
export function checkPlace(address: string, port: unknown): number {
  if (typeof address !== 'string') throw wrongType('address', 'a string with an IP address', address, "Such as '192.0.2.1'.");
  if (isIP(address) === 0) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'address' must be an IP address, not ${shown(address)}`,
      "A link has no names: use an address such as '10.0.0.1'.",
    );
  }
  return checkPort('port', port, 1);
}
