/** Checks of arguments and options; each returns the value in its final form or throws a DTLSError. */
import { EventEmitter } from 'node:events';
import { types } from 'node:util';

import { shown } from '../errors/as-error';
import { usageError } from '../errors/errors';
import { isAbortSignal } from '../base/abort';
import { kNative } from '../base/internals';
import { bytesOf, encoded, isByteArray, lend } from '../base/memory';
import { insteadOf } from './not-here';
import { numberHint } from './number-hints';
import { ALL_OPTIONS, doorsOf, isDoor, oursAnywhere, oursFor } from './option-names';

/** How to make what is expected of what was given in its place; undefined where that is no matter of the form. */
function conversion(expected: string, value: unknown): string | undefined {
  if (types.isPromise(value)) return 'Await it.';
  if (expected.startsWith('an array') && typeof value === 'string') return 'One is an array, too: [it].';
  if (expected === 'a number') {
    if (typeof value === 'string') return 'A string that has a number becomes one by Number(it).';
    if (typeof value === 'bigint') return 'Number(it) makes one of it.';
  }
  if (expected === 'a boolean' && ['string', 'number'].includes(typeof value)) {
    return 'Write true or false: strings that are not empty would count as true, whatever they say.';
  }
  if (expected === 'a string' && typeof value === 'number') return 'String(it) makes one of it.';
  if (expected === 'a string' && value instanceof URL) return 'It is a URL: its host is url.hostname, and a file of it fileURLToPath(url).';
  if (expected === 'a function' && typeof value === 'object' && value !== null && 'then' in value) return 'Pass a function that returns it.';
  if (expected.startsWith('a string') && ArrayBuffer.isView(value)) return 'Its text is it.toString().';
  if (expected.startsWith('a Buffer') && typeof value === 'string') {
    return "Buffer.from(it, 'base64'), or 'hex', has the bytes that a string stands for.";
  }
  return undefined;
}

export function wrongType(name: string, expected: string, value: unknown, hint = conversion(expected, value)): Error {
  const received = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  return usageError('ERR_INVALID_ARG_TYPE', `'${name}' must be ${expected}, not ${received}`, hint);
}

/** `otherwise`: what to do where the form of what was given says nothing of it. */
export const wrongForm = (name: string, expected: string, value: unknown, otherwise: string | undefined): Error =>
  wrongType(name, expected, value, conversion(expected, value) ?? otherwise);

/** How many letters were left out, put in, changed, or swapped with the next one. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; ++i) {
    const next = [i];
    for (let j = 1; j <= b.length; ++j) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? (before[j - 2] ?? 0) + 1 : Infinity;
      next.push(Math.min(replace, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row.at(-1) ?? 0;
}

/** The name that looks most like this one. */
export function nearest(name: string, known: readonly string[]): { candidate: string; distance: number } {
  const lower = name.toLowerCase();
  return known
    .map((candidate) => ({ candidate, distance: editDistance(lower, candidate.toLowerCase()) }))
    .reduce((best, next) => (next.distance < best.distance ? next : best));
}

const inWords = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;

/** An option that there is, given to somebody who would leave it out in silence. */
export const misplaced = (name: string): Error =>
  usageError(
    'ERR_DTLS_UNKNOWN_OPTION',
    `'${name}' is no option here`,
    `It belongs to ${inWords(doorsOf(name))}.`,
  );

/** What to say of a name that is none here, and looks like none here. */
function adviceOn(name: string, known: readonly string[]): string {
  const advice = insteadOf(name);
  if (advice !== undefined) return advice;
  const list = `The options here are ${known.join(', ')}.`;
  if (!isDoor(known)) return list;
  const ours = oursAnywhere(name);
  if (ours.length === 0) {
    const { candidate, distance } = nearest(name, ALL_OPTIONS);
    if (distance > 1) return list;
    ours.push(candidate);
  }
  const doors = [...new Set(ours.flatMap(doorsOf))];
  return `Did you mean '${ours.join("' or '")}'? ${ours.length === 1 ? 'It belongs' : 'They belong'} to ${inWords(doors)}.`;
}

/** @throws For a name that is not among the known ones. */
export function checkNames(options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const ours = oursFor(name, known);
    if (ours.length > 0) {
      throw usageError('ERR_DTLS_UNKNOWN_OPTION', `unknown option '${name}'`, `Here it is '${ours.join("' or '")}'${ours.includes('psk') ? ": psk: { identity, psk }, the name of the key and the key" : ''}.`);
    }
    const { candidate, distance } = nearest(name, known);
    // A function with a few options of its own is not where sessions are made: 'peers' of updateKeys() is its 'peer'.
    const isSlip = !isDoor(known) && distance === 1;
    if (doorsOf(name).length > 0 && !isSlip) throw misplaced(name);
    const meant = distance <= Math.max(2, name.length / 4) ? candidate : undefined;
    throw usageError(
      'ERR_DTLS_UNKNOWN_OPTION',
      `unknown option '${name}'`,
      meant === undefined || insteadOf(name) !== undefined ? adviceOn(name, known) : `Did you mean '${meant}'?`,
    );
  }
}

/** A SecureContext: of this copy of the package, also of a class that extends it; else one of another copy, or of node:tls. */
function isContext(value: object): boolean {
  return kNative in value || (value.constructor as { name?: unknown } | undefined)?.name === 'SecureContext';
}

/** What to do with what was given in place of options. */
const INSTEAD: Readonly<Record<string, string>> = {
  'a SecureContext': 'A context is an option of connect(), createServer() and of dtls in createSocket(): { secureContext }. It has to be one that createSecureContext() of this package has made.',
  'a Promise': 'Await it.',
  'a URL': 'Pass { host: url.hostname, port: url.port }; of an IPv6 address without its brackets.',
};

/** What has no options in it, and would be taken for an object without any. */
const NO_OPTIONS: readonly [name: string, is: (value: object) => boolean][] = [
  ['a SecureContext', isContext],
  ['an array', Array.isArray],
  ['a Promise', types.isPromise],
  ['a Date', types.isDate],
  ['a RegExp', types.isRegExp],
  ['a Map', types.isMap],
  ['a Set', types.isSet],
  ['a URL', (value) => value instanceof URL],
  ['a String, Number or the like', types.isBoxedPrimitive],
  ['an ArrayBuffer', types.isAnyArrayBuffer],
  ['an EventEmitter (a socket, a server)', (value) => value instanceof EventEmitter],
  ['a Buffer, TypedArray or DataView', (value) => ArrayBuffer.isView(value)],
];

/** `instead`: what to do with something else than options, where that is a matter of this place. */
export function checkObject(name: string, value: unknown, hint?: string, instead: Readonly<Record<string, string>> = {}): asserts value is object {
  if (typeof value !== 'object' || value === null) throw wrongType(name, 'an object', value, hint);
  const [other] = NO_OPTIONS.find(([, is]) => is(value)) ?? [];
  if (other === undefined) return;
  throw usageError(
    'ERR_INVALID_ARG_TYPE',
    `'${name}' must be an object with options, not ${other}`,
    instead[other] ?? INSTEAD[other] ?? hint,
  );
}

export function flag(name: string, value: boolean | undefined, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') {
    throw wrongForm(name, 'a boolean', value, `Left out, it is ${String(fallback)}.`);
  }
  return value;
}

export function abortSignal(name: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  if (!isAbortSignal(value)) {
    throw wrongType(name, 'an AbortSignal', value, value instanceof AbortController ? 'Pass its signal: controller.signal.' : "It is 'signal' of an AbortController, or AbortSignal.timeout(ms).");
  }
  return value;
}

export function text(name: string, value: string | undefined, hint?: string): string | undefined {
  if (value !== undefined && typeof value !== 'string') throw wrongType(name, 'a string', value, hint);
  return value;
}

export function callable<T>(name: string, value: T | undefined, hint?: string): T | undefined {
  if (value !== undefined && typeof value !== 'function') {
    throw wrongType(name, 'a function', value, hint);
  }
  return value;
}

/** `fallback`: undefined where one has to be given. */
export function inRange(
  name: string,
  value: number | undefined,
  fallback: number | undefined,
  min: number,
  max: number,
): number {
  if (value === undefined && fallback !== undefined) return fallback;
  if (typeof value !== 'number') {
    throw wrongForm(name, 'a number', value, numberHint(name, fallback));
  }
  if (!(value >= min && value <= max)) {
    throw usageError(
      'ERR_OUT_OF_RANGE',
      `'${name}' must be between ${String(min)} and ${String(max)}, not ${String(value)}`,
      numberHint(name, fallback),
    );
  }
  return value;
}

/** As {@link inRange}. */
export function integer(
  name: string,
  value: number | undefined,
  fallback: number | undefined,
  min: number,
  max: number,
): number {
  const checked = inRange(name, value, fallback, min, max);
  if (!Number.isInteger(checked)) {
    throw usageError('ERR_OUT_OF_RANGE', `'${name}' must be an integer, not ${String(value)}`, numberHint(name, fallback));
  }
  return checked;
}

export const optionalInteger = (name: string, value: number | undefined): number | undefined =>
  value === undefined ? undefined : integer(name, value, undefined, 1, 0xffffffff);

/** A name, a URL, or an address of either version, with a port or without; what begins with digits is a port with something behind it. */
const LIKE_A_HOST = /^[a-z][\w.+-]*(:|$)|^[\w-]+(\.[\w-]+)*\.[a-z]|^\d+(\.\d+){3}|^\[|^[\da-f]*:[\da-f:.]/i;

/** What stands in place of a port: a host as a rule, or a path of net's. */
function portHint(value: unknown, min: number, zero: string): string {
  if (typeof value === 'string' && /^\.{0,2}[\\/]/.test(value)) {
    return 'It looks like a path, and there are no Unix datagram sockets in Node: pass a port, and an address behind it.';
  }
  if (typeof value === 'string' && LIKE_A_HOST.test(value)) {
    return 'It looks like a host: as arguments the port comes first and the host behind it, and as options they are apart.';
  }
  return min === 0 ? `A number, or a string that is one, as in node:net; 0 is ${zero}.` : 'A number, or a string that is one, as in node:net.';
}

/** What 0 is as the port of a peer. */
export const PORT_OF_A_NAME = 'for transports of your own, whose peers have names';

/** `zero`: what 0 means, where it may be given. */
export function port(name: string, value: unknown, min: number, zero = 'any port that is free'): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (
    typeof number !== 'number' ||
    !Number.isInteger(number) ||
    number < min ||
    number > 0xffff
  ) {
    throw usageError(
      'ERR_SOCKET_BAD_PORT',
      `'${name}' must be an integer from ${String(min)} to 65535, not ${shown(value)}`,
      portHint(value, min, zero),
    );
  }
  return number;
}

/** The bytes that were given, not copied; their `length` can be believed. Those of a string are in memory of their own. */
export function bytes(name: string, value: unknown): Buffer {
  if (typeof value === 'string') return encoded(value);
  if (ArrayBuffer.isView(value)) return bytesOf(value);
  throw wrongType(name, 'a string, Buffer, TypedArray or DataView', value, hintForBytes(name, value));
}

/** How to get bytes out of what was given in their place. */
export function hintForBytes(name: string, value: unknown): string | undefined {
  if (name === 'message') return hintForMessage(value);
  if (typeof value !== 'object' || value === null) return undefined;
  if (types.isPromise(value)) return 'Await it.';
  if (types.isAnyArrayBuffer(value)) return 'Buffer.from(it) makes a Buffer of it.';
  if (types.isKeyObject(value)) return `Pass its PEM: ${name}.export({ type: 'pkcs8', format: 'pem' }).`;
  if ((value.constructor as { name?: unknown } | undefined)?.name === 'X509Certificate') return `Pass its PEM: ${name}.toString().`;
  if ('cert' in value && 'key' in value) return "It has a 'cert' and a 'key' of its own: pass those.";
  if ('passphrase' in value) return "A key with a passphrase of its own is { pem, passphrase }, a PKCS #12 file { buf, passphrase }.";
  return undefined;
}

/** A message is bytes; what else a program has becomes bytes in a way that the peer has to know. */
function hintForMessage(value: unknown): string | undefined {
  if (types.isPromise(value)) return 'Await it.';
  if (types.isAnyArrayBuffer(value)) return 'Buffer.from(it) makes a Buffer of it.';
  if (typeof value === 'object' && value !== null) return 'JSON.stringify(it) makes a string of it, and JSON.parse(message) at the other end an object again.';
  return value === undefined || value === null ? undefined : 'String(it) makes a string of it; Buffer.of(it) is one byte.';
}

/** Lends what was given as a secret. Bytes that are made of a string for that are wiped afterwards. */
export const lendBytes = <T>(name: string, value: unknown, use: (bytes: Uint8Array) => T): T =>
  lend(typeof value === 'string' ? value : bytes(name, value), use);

/**
 * The same for messages, and for whoever asks `sizeOf` alone: a view of bytes is taken as it is, since another one costs
 * some time, as memory of its own for a string does.
 */
export function payload(name: string, value: unknown): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  return ArrayBuffer.isView(value) && isByteArray(value) ? value : bytes(name, value);
}
