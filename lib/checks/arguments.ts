/** The arguments of functions that take several forms: none is left out in silence. */
import { usageError } from '../errors/errors';
import { wrongType } from './validate';

/** The value itself may be a key, or a passphrase, and is in no message. */
function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/**
 * The arguments of a function that takes `most` of them; what stands for none there (undefined) may follow.
 *
 * @throws For what would be left out in silence: a callback where a Promise is returned, as a rule.
 */
export function noMore(name: string, args: readonly unknown[], most: number): void {
  const surplus = args.slice(most).find((value) => value !== undefined);
  if (surplus === undefined) return;
  throw usageError(
    'ERR_INVALID_ARG_VALUE',
    `${name}() takes ${['no argument', 'one argument', 'two arguments', 'three arguments'][most] ?? `${String(most)} arguments`}, and ${kindOf(surplus)} is one too many`,
    typeof surplus === 'function'
      ? 'It calls nobody back there: what it does is done when it returns, or when the Promise that it returns settles.'
      : 'Leave it out.',
  );
}

/** A function; whoever asked for it knows what it is called with. */
export type Listener = (...args: never[]) => void;

export interface SplitArguments {
  readonly rest: readonly unknown[];
  readonly listener: Listener | undefined;
}

/**
 * The arguments without the listener at their end, and without what stands for none there (undefined and null).
 *
 * @throws For what stands behind the listener.
 */
export function splitListener(args: readonly unknown[], name: string): SplitArguments {
  const rest = [...args];
  const trim = (): void => {
    while (rest.length > 0 && (rest.at(-1) ?? undefined) === undefined) rest.pop();
  };
  trim();
  const at = rest.findIndex((value) => typeof value === 'function');
  if (at >= 0 && at < rest.length - 1) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'${name}' is the last argument, and ${kindOf(rest[at + 1])} stands behind it`,
      'Leave it out, or put it in front.',
    );
  }
  if (at < 0) return { rest, listener: undefined };
  const listener = rest.pop() as Listener;
  trim();
  return { rest, listener };
}

/**
 * The listener of a function that takes an object with options, and then nothing else.
 *
 * @throws For everything behind the options that is none.
 */
export function listenerAfterOptions(args: readonly unknown[], name: string, hint?: string): Listener | undefined {
  const [, ...behind] = args;
  const { rest, listener } = splitListener(behind, name);
  if (rest.length > 0) throw wrongType(name, 'a function', rest[0], hint);
  return listener;
}
