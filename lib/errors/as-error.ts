/** What others throw, and what they say in it. Anything can be thrown: also what throws when it is looked at. */
import { inspect } from 'node:util';

import { printable } from './printable';

/** What an error says; what it has not, or what cannot be read, is undefined. */
interface Words {
  readonly message: string;
  readonly code: string | undefined;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;
}

/** What was thrown, as an Error whose words {@link wordsOf} can read. */
export const asError = (thrown: unknown): Error => (isA(thrown, Error) ? thrown : new Error(inWords(thrown)));

/** `instanceof` asks a Proxy for its prototype, and a Proxy may throw. */
export function isA<T>(value: unknown, type: abstract new (...args: never[]) => T): value is T {
  return attempt(() => value instanceof type) === true;
}

/** Any value as `String` has it. */
export const inWords = (value: unknown): string => attempt(() => String(value)) ?? shown(value);

/** Any value as `inspect` has it, which quotes strings and lets nothing of theirs begin a line, though it begins lines of its own. */
export const shown = (value: unknown): string =>
  attempt(() => inspect(value, { customInspect: false }).split('\n').map(printable).join('\n')) ??
  'something that cannot be shown';

/** Getters of a user's Error may throw; each property is read once. */
export function wordsOf(error: Error): Words {
  const read = (name: string): unknown => attempt(() => (error as unknown as Record<string, unknown>)[name]);
  const [message, code, errno, syscall] = ['message', 'code', 'errno', 'syscall'].map(read);
  return {
    message: message === undefined ? 'an error whose message cannot be read' : inWords(message),
    code: typeof code === 'string' ? code : undefined,
    errno: typeof errno === 'number' ? errno : undefined,
    syscall: typeof syscall === 'string' ? syscall : undefined,
  };
}

/** What `look` returns; undefined when it throws. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
