/** Checks of arguments with the codes, and at the moments, that `node:dtls` has. */
import { isIP } from 'node:net';

import { bytesOf, secretCopy } from '../base/memory';
import { invalidArgType, invalidArgValue, outOfRange, plain, typeError } from '../errors/node-errors';

export type View = NodeJS.ArrayBufferView;

export function checkObject(name: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgType(name, 'of type object', value);
  }
}

export function checkFunction(name: string, value: unknown): asserts value is (...args: never[]) => unknown {
  if (typeof value !== 'function') throw invalidArgType(name, 'of type function', value);
}

export function checkString(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value);
}

/** What is left out, in places where `node:dtls` takes everything false for that. */
export const orUndefined = <T>(value: T): T | undefined => (value ? value : undefined);

export function optionalString(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  checkString(name, value);
  return value;
}

export function optionalBoolean(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value);
  return value;
}

export function integer(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < min || value > max) {
    throw outOfRange(name, `>= ${String(min)} && <= ${String(max)}`, value);
  }
  return value;
}

export const optionalInteger = (
  name: string,
  value: unknown,
  min: number,
  max: number,
): number | undefined => (value === undefined ? undefined : integer(name, value, min, max));

export const missingArgs = (name: string): Error =>
  typeError('ERR_MISSING_ARGS', `The "${name}" argument must be specified`);

export const invalidState = (message: string, cause?: unknown): Error => {
  const error = plain('ERR_INVALID_STATE', `Invalid state: ${message}`);
  if (cause !== undefined) error.cause = cause;
  return error;
};

export const illegalConstructor = (): Error =>
  typeError('ERR_ILLEGAL_CONSTRUCTOR', 'Illegal constructor');

export const cryptoFailed = (message: string): Error => plain('ERR_CRYPTO_OPERATION_FAILED', message);

/** A callback where there is none: it would never be called, and nobody would say so. */
export function noCallback(name: string, surplus: readonly unknown[]): void {
  if (!surplus.some((value) => typeof value === 'function')) return;
  throw typeError('ERR_INVALID_ARG_VALUE', `${name}() takes no callback there: what it returns, or the callbacks of the session, tell how it went`);
}

/** An IP address: names are not resolved here. */
export function address(name: string, what: string, value: string): string {
  if (isIP(value) === 0) throw invalidArgValue(name, `is invalid: ${what}`, value);
  return value;
}

export const isView = (value: unknown): value is View => ArrayBuffer.isView(value);

/** The bytes that a view covers, copied: the caller may change its memory, and they may be secret. */
export const copyOf = (view: View): Buffer => secretCopy(bytesOf(view));
