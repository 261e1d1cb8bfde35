/** Errors as Node throws them, for the parts that stand in for modules of Node's: same class, same code. */

import { shown } from './as-error';

export interface NodeError extends Error {
  code: string;
}

const coded = (error: Error, code: string): NodeError => Object.assign(error, { code });

/** What is given for these is a secret, or has one in it: whoever gives it in a wrong form is told of which type it is, and no more. */
const SECRETS = /^options\.(ca|cert|key|passphrase|psk|secureContext|session|sni|ticketKeys)\b/;

function received(name: string, value: unknown): string {
  if (value === null || value === undefined) return ` Received ${String(value)}`;
  if (typeof value === 'function') {
    return ` Received function ${value.name}`;
  }
  if (typeof value === 'object') {
    const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
    return typeof name === 'string' && name !== ''
      ? ` Received an instance of ${name}`
      : ' Received [Object: null prototype] {}';
  }
  return ` Received type ${typeof value}${SECRETS.test(name) ? '' : ` (${shown(value)})`}`;
}

const named = (name: string): string =>
  name.endsWith(' argument')
    ? `The ${name}`
    : `The "${name}" ${name.includes('.') ? 'property' : 'argument'}`;

/** `expected` begins with "of type" or "an instance of". */
export const invalidArgType = (name: string, expected: string, value: unknown): NodeError =>
  coded(
    new TypeError(`${named(name)} must be ${expected}.${received(name, value)}`),
    'ERR_INVALID_ARG_TYPE',
  );

export const invalidArgValue = (name: string, reason: string, value: unknown): NodeError =>
  coded(
    new TypeError(`${named(name)} ${reason}.${received(name, value)}`),
    'ERR_INVALID_ARG_VALUE',
  );

export const outOfRange = (name: string, range: string, value: unknown): NodeError =>
  coded(
    new RangeError(`The value of "${name}" is out of range. It must be ${range}. Received ${String(value)}`),
    'ERR_OUT_OF_RANGE',
  );

export const badPort = (name: string, value: unknown): NodeError =>
  coded(
    new RangeError(`${name} should be > 0 and < 65536.${received(name, value)}.`),
    'ERR_SOCKET_BAD_PORT',
  );

export const plain = (code: string, message: string): NodeError => coded(new Error(message), code);

export const typeError = (code: string, message: string): NodeError =>
  coded(new TypeError(message), code);
