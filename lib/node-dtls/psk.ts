/** Pre-shared keys as `node:dtls` takes them: a map or a function on a server, one key or a function on a client. */
import { bytesOf, keptSecret } from '../base/memory';
import { invalidArgType, invalidArgValue, outOfRange, typeError } from '../errors/node-errors';
import { MAX_PSK, MAX_PSK_IDENTITY } from '../options/types';
import { checkObject, isView, type View } from './checks';

export interface ClientPsk {
  identity: string;
  key: View;
}
export type ServerPskOption =
  | Readonly<Record<string, View>>
  | ((identity: string) => View | null | undefined);
export type ClientPskOption = ClientPsk | ((hint: string | undefined) => ClientPsk);

/** What is asked during a handshake; synchronous. */
export type ServerPskLookup = (identity: string) => Buffer | undefined;
export type ClientPskLookup = (hint: string | undefined) => { identity: string; psk: Buffer };

function sizedKey(name: string, key: View): Buffer {
  const { length } = bytesOf(key);
  if (length === 0) throw invalidArgValue(name, 'must not be empty', key);
  if (length > MAX_PSK) throw typeError('ERR_INVALID_ARG_VALUE', `${name}: the key is too long`);
  return keptSecret(bytesOf(key));
}

function returnedKey(key: unknown): Buffer | undefined {
  if (key === undefined || key === null) return undefined;
  if (!isView(key)) {
    throw typeError(
      'ERR_INVALID_RETURN_VALUE',
      'The psk callback must return a TypedArray, a DataView or undefined',
    );
  }
  const { length } = bytesOf(key);
  if (length > MAX_PSK) throw typeError('ERR_INVALID_RETURN_VALUE', 'key is too long');
  return length === 0 ? undefined : keptSecret(bytesOf(key));
}

export function serverPsk(option: unknown): ServerPskLookup {
  if (typeof option === 'function') {
    const ask = option as (identity: string) => unknown;
    return (identity) => returnedKey(ask(identity));
  }
  checkObject('options.psk', option);
  const entries = Object.entries(option);
  if (entries.length === 0) throw invalidArgValue('options.psk', 'must not be empty', option);
  const keys = new Map<string, Buffer>();
  for (const [identity, key] of entries) {
    const name = `options.psk['${identity}']`;
    if (!isView(key)) {
      throw invalidArgType(name, 'an instance of Buffer, TypedArray, or DataView', key);
    }
    keys.set(identity, sizedKey(name, key));
  }
  return (identity) => keys.get(identity);
}

function returnedPair(pair: unknown): { identity: string; psk: Buffer } {
  if (typeof pair !== 'object' || pair === null) {
    throw typeError('ERR_INVALID_RETURN_VALUE', 'The psk callback must return an object');
  }
  const { identity, key } = pair as Partial<Record<'identity' | 'key', unknown>>;
  if (typeof identity !== 'string' || !isView(key)) {
    throw typeError(
      'ERR_INVALID_RETURN_VALUE',
      "The psk callback must return an object with a string 'identity' and a TypedArray or DataView 'key'",
    );
  }
  if (Buffer.byteLength(identity) > MAX_PSK_IDENTITY) {
    throw typeError('ERR_INVALID_RETURN_VALUE', 'identity is too long');
  }
  if (bytesOf(key).length > MAX_PSK) throw typeError('ERR_INVALID_RETURN_VALUE', 'key is too long');
  return { identity, psk: keptSecret(bytesOf(key)) };
}

export function clientPsk(option: unknown): ClientPskLookup {
  if (typeof option === 'function') {
    const ask = option as (hint: string | undefined) => unknown;
    return (hint) => returnedPair(ask(hint));
  }
  checkObject('options.psk', option);
  const { identity, key } = option as Partial<Record<'identity' | 'key', unknown>>;
  if (typeof identity !== 'string') {
    throw invalidArgType('options.psk.identity', 'of type string', identity);
  }
  if (!isView(key)) {
    throw invalidArgType('options.psk.key', 'an instance of Buffer, TypedArray, or DataView', key);
  }
  if (Buffer.byteLength(identity) > MAX_PSK_IDENTITY) {
    throw outOfRange('options.psk.identity', `at most ${String(MAX_PSK_IDENTITY)} bytes`, identity);
  }
  const pair = { identity, psk: sizedKey('options.psk.key', key) };
  return () => pair;
}
