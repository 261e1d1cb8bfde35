/** `DTLSSecureContext`: credentials and algorithms, and the rules that `node:dtls` keeps with them. */
import { createHash } from 'node:crypto';
import tls from 'node:tls';

import { DTLSError } from '../errors/errors';
import { bytesOf, secretCopy } from '../base/memory';
import { invalidArgType, invalidArgValue, outOfRange, plain } from '../errors/node-errors';
import { defaultAuthorities, SecureContext } from '../identity/secure-context';
import type { SrtpProfile } from '../options/srtp';
import {
  checkObject,
  copyOf,
  cryptoFailed,
  illegalConstructor,
  isView,
  noCallback,
  optionalBoolean,
  optionalString,
  orUndefined,
  type View,
} from './checks';
import {
  clientPsk,
  serverPsk,
  type ClientPskLookup,
  type ClientPskOption,
  type ServerPskLookup,
  type ServerPskOption,
} from './psk';
import { resolveSni, type SniLookup } from './sni';

export type SniIdentity = DTLSSecureContext | DTLSContextOptions;

export type SniOption =
  | Readonly<Record<string, SniIdentity>>
  | ((servername: string | undefined) => SniIdentity | null | undefined);

export interface DTLSContextOptions {
  isServer?: boolean | undefined;
  cert?: string | Buffer | undefined;
  key?: string | Buffer | undefined;
  passphrase?: string | null | undefined;
  ca?: string | Buffer | readonly (string | Buffer)[] | undefined;
  ciphers?: string | undefined;
  ecdhCurve?: string | null | undefined;
  alpn?: readonly string[] | Buffer | undefined;
  srtp?: string | undefined;
  rejectUnauthorized?: boolean | undefined;
  requestCert?: boolean | undefined;
  sessionIdContext?: string | undefined;
  ticketKeys?: View | undefined;
  psk?: ServerPskOption | ClientPskOption | undefined;
  pskIdentityHint?: string | undefined;
  sni?: SniOption | undefined;
}

export const CONTEXT_OPTIONS = [
  'cert',
  'key',
  'passphrase',
  'ca',
  'ciphers',
  'ecdhCurve',
  'alpn',
  'srtp',
  'rejectUnauthorized',
  'requestCert',
  'sessionIdContext',
  'ticketKeys',
  'psk',
  'pskIdentityHint',
  'sni',
] as const;

const SERVER_ONLY = ['requestCert', 'sessionIdContext', 'ticketKeys', 'pskIdentityHint', 'sni'] as const;

/** Forward secrecy first; RSA-PSK needs a certificate and has none. */
const PSK_SUITES = 'kECDHEPSK:kDHEPSK:kPSK:!kRSAPSK';
/** OpenSSL's layout: a name of 16 bytes, an HMAC key and an AES key of 32. */
const TICKET_KEYS_SIZE = 80;

/** A context's rules in the form that lib/node-dtls/endpoint.ts hands on. */
export interface ContextRules {
  readonly isServer: boolean;
  readonly context: SecureContext;
  /** The same for an endpoint that asks for certificates: trusts whom tls trusts where the options name nobody. */
  readonly asking: () => SecureContext;
  /** The protocols in the form that the wire has. */
  readonly alpn: Buffer | undefined;
  readonly srtp: SrtpProfile[] | undefined;
  readonly rejectUnauthorized: boolean;
  readonly requestCert: boolean;
  readonly serverPsk: ServerPskLookup | undefined;
  readonly clientPsk: ClientPskLookup | undefined;
  readonly pskIdentityHint: string | undefined;
  readonly sni: SniLookup | undefined;
}

const isPem = (value: unknown): value is string | Buffer =>
  typeof value === 'string' || Buffer.isBuffer(value);

function pem(name: 'cert' | 'key', value: unknown): string | Buffer | undefined {
  if (value === undefined) return undefined;
  if (!isPem(value)) {
    throw invalidArgType(`options.${name}`, 'of type string or an instance of Buffer', value);
  }
  return value;
}

function authorities(value: unknown): readonly (string | Buffer)[] | undefined {
  if (value === undefined) return undefined;
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  list.forEach((one, index) => {
    if (isPem(one)) return;
    const name = Array.isArray(value) ? `options.ca[${String(index)}]` : 'options.ca';
    throw invalidArgType(name, 'of type string or an instance of Buffer', one);
  });
  return list as readonly (string | Buffer)[];
}

function alpnWire(value: unknown): Buffer | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value)) {
    const names = value.map((name: unknown, index) => {
      const where = `options.alpn[${String(index)}]`;
      if (typeof name !== 'string') throw invalidArgType(where, 'of type string', name);
      const bytes = Buffer.from(name);
      if (bytes.length < 1 || bytes.length > 255) {
        throw outOfRange(where, '>= 1 && <= 255 bytes', bytes.length);
      }
      return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    });
    return names.length === 0 ? undefined : Buffer.concat(names);
  }
  if (!Buffer.isBuffer(value)) {
    throw invalidArgType('options.alpn', 'an instance of Array or Buffer', value);
  }
  const wire = copyOf(value);
  for (let at = 0; at < wire.length; ) {
    const size = wire.readUInt8(at);
    if (size === 0) {
      throw invalidArgValue('options.alpn', 'contains a zero-length protocol name', value);
    }
    at += 1 + size;
    if (at > wire.length) {
      throw invalidArgValue('options.alpn', 'has a protocol name that runs past the end', value);
    }
  }
  return wire.length === 0 ? undefined : wire;
}

function ciphersOf(options: DTLSContextOptions, isServer: boolean): string {
  const given = optionalString('options.ciphers', options.ciphers);
  if (given !== undefined) return given;
  if (options.psk === undefined) return 'DEFAULT';
  // A client that has a key and no authority means the key.
  return isServer ? `DEFAULT:${PSK_SUITES}` : PSK_SUITES;
}

/** The default is that of `tls.createServer`: sessions of one program belong together. */
const defaultSessionIdContext = (): string =>
  createHash('sha1').update(process.argv.join(' ')).digest('hex').slice(0, 32);

function sessionIdContextOf(value: unknown, isServer: boolean): string | undefined {
  const given = optionalString('options.sessionIdContext', value);
  if (given === undefined) return isServer ? defaultSessionIdContext() : undefined;
  if (Buffer.byteLength(given) > 32) {
    throw outOfRange('options.sessionIdContext', '<= 32 bytes', Buffer.byteLength(given));
  }
  return given;
}

function ticketKeysOf(value: unknown): Buffer | undefined {
  if (value === undefined) return undefined;
  if (!isView(value)) {
    throw invalidArgType('options.ticketKeys', 'an instance of Buffer, TypedArray, or DataView', value);
  }
  if (bytesOf(value).length !== TICKET_KEYS_SIZE) {
    throw invalidArgValue('options.ticketKeys', `must be exactly ${String(TICKET_KEYS_SIZE)} bytes`, value);
  }
  return copyOf(value);
}

/**
 * Node's own words for what OpenSSL does not take: tls, given the same, throws just that error. Ours
 * where it has none.
 */
function asNodeError(error: unknown, options: DTLSContextOptions): unknown {
  if (!(error instanceof DTLSError)) return error;
  const { cert, key, passphrase, ca } = options;
  try {
    tls.createSecureContext({
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(typeof passphrase === 'string' ? { passphrase } : {}),
      ...(ca === undefined ? {} : { ca: [...authorities(ca) ?? []] }),
    });
  } catch (cause) {
    return cause;
  }
  // tls takes such a key and never uses it.
  if (key !== undefined && cert === undefined) {
    return plain('ERR_SSL_NO_CERTIFICATE_ASSIGNED', 'error:0A0000B1:SSL routines::no certificate assigned');
  }
  const newer = / names .*, of DTLS 1\.3/.exec(error.message);
  if (newer !== null) return cryptoFailed(`${error.message.slice(0, newer.index)}${newer[0]}, ${NOT_HERE}`);
  return cryptoFailed(error.message);
}

const NOT_HERE = "and this module speaks DTLS 1.2, as node:dtls does: DTLS 1.3 is the main entry's, 'dgram-dtls'";

/** It has no such options, and passes over what it does not know: who asks for DTLS 1.3 by one should not get 1.2 in silence. */
function requireNoDtls13(options: object): void {
  for (const name of ['minVersion', 'maxVersion']) {
    const value: unknown = Object.hasOwn(options, name) ? Reflect.get(options, name) : undefined;
    if (value === 'DTLSv1.3') throw invalidArgValue(`options.${name}`, `is none here, ${NOT_HERE}`, value);
  }
}

function ownContext(options: DTLSContextOptions, isServer: boolean, asking: boolean): SecureContext {
  const ca = authorities(options.ca);
  const cert = pem('cert', options.cert);
  const key = pem('key', options.key);
  const { passphrase } = options;
  if (passphrase !== undefined && passphrase !== null && typeof passphrase !== 'string') {
    throw invalidArgType('options.passphrase', 'of type string', passphrase);
  }
  const ciphers = ciphersOf(options, isServer);
  const ecdhCurve = optionalString('options.ecdhCurve', orUndefined(options.ecdhCurve));
  const sessionIdContext = sessionIdContextOf(options.sessionIdContext, isServer);
  const ticketKeys = ticketKeysOf(options.ticketKeys);
  // A client's default is that already.
  const trusted = ca === undefined && isServer && asking ? defaultAuthorities() : undefined;
  const own = {
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(typeof passphrase === 'string' ? { passphrase } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(ecdhCurve === undefined ? {} : { ecdhCurve }),
    ...(sessionIdContext === undefined ? {} : { sessionIdContext }),
    ...(ticketKeys === undefined ? {} : { ticketKeys: ownTicketKeys(ticketKeys) }),
    ciphers,
  };
  try {
    return new SecureContext(own, trusted);
  } catch (error) {
    throw asNodeError(error, options);
  } finally {
    own.ticketKeys?.fill(0);
  }
}

/** Both layouts are a name and two keys; tls's has 16 bytes for each. */
function ownTicketKeys(keys: Buffer): Buffer {
  const own = secretCopy(Buffer.alloc(48));
  keys.copy(own, 0, 0, 16);
  for (const [from, to] of [[16, 16], [48, 32]] as const) {
    const digest = createHash('sha256').update(keys.subarray(from, from + 32)).digest();
    digest.copy(own, to, 0, 16);
    digest.fill(0);
  }
  keys.fill(0);
  return own;
}

export function resolveContext(options: DTLSContextOptions, isServer: boolean): ContextRules {
  requireNoDtls13(options);
  if (!isServer) {
    const misplaced = SERVER_ONLY.find((name) => options[name] !== undefined);
    if (misplaced !== undefined) {
      throw invalidArgValue(`options.${misplaced}`, 'is for servers only', options[misplaced]);
    }
  }
  const requestCert = optionalBoolean('options.requestCert', options.requestCert, false);
  const rejectUnauthorized = optionalBoolean(
    'options.rejectUnauthorized',
    options.rejectUnauthorized,
    true,
  );
  const pskIdentityHint = optionalString('options.pskIdentityHint', options.pskIdentityHint);
  if (pskIdentityHint !== undefined && options.psk === undefined) {
    throw invalidArgValue('options.pskIdentityHint', "has no effect without 'psk'", pskIdentityHint);
  }
  const srtp = optionalString('options.srtp', options.srtp);
  const context = ownContext(options, isServer, requestCert);
  const given = { ...options };
  let asking = requestCert || options.ca !== undefined ? context : undefined;
  return {
    isServer,
    context,
    asking: () => (asking ??= ownContext(given, isServer, true)),
    alpn: alpnWire(options.alpn),
    // Names are judged where the session is made; an empty string asks for none.
    srtp: srtp === undefined || srtp === '' ? undefined : (srtp.split(':') as SrtpProfile[]),
    rejectUnauthorized,
    requestCert,
    serverPsk: isServer && options.psk !== undefined ? serverPsk(options.psk) : undefined,
    clientPsk: !isServer && options.psk !== undefined ? clientPsk(options.psk) : undefined,
    pskIdentityHint,
    sni: options.sni === undefined ? undefined : resolveSni(options.sni, requestCert, rulesFor),
  };
}

const rulesByContext = new WeakMap<DTLSSecureContext, ContextRules>();
const TOKEN = Symbol('made by createSecureContext');

/** Credentials and settings to share. Made by {@link createSecureContext}. */
export class DTLSSecureContext {
  constructor(token: unknown, rules: ContextRules) {
    if (token !== TOKEN) throw illegalConstructor();
    rulesByContext.set(this, rules);
  }

  get isServer(): boolean {
    return rulesOf(this).isServer;
  }
}

export function rulesOf(context: DTLSSecureContext): ContextRules {
  const rules = rulesByContext.get(context);
  if (rules === undefined) throw invalidArgType('secureContext', 'an instance of DTLSSecureContext', context);
  return rules;
}

/**
 * Does what `dtls.createSecureContext` of Node does: PEM credentials, trust, algorithms, and with them the rules for
 * ALPN, SRTP, pre-shared keys and server names.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; `ERR_OSSL_…` for credentials
 * that OpenSSL does not take; `ERR_CRYPTO_OPERATION_FAILED` for ciphers and the rest.
 */
export function createSecureContext(options?: DTLSContextOptions): DTLSSecureContext;
export function createSecureContext(...args: [DTLSContextOptions?, ...unknown[]]): DTLSSecureContext {
  const [options = {}, ...surplus] = args;
  noCallback('createSecureContext', surplus);
  checkObject('options', options);
  const isServer = optionalBoolean('options.isServer', options.isServer, false);
  return new DTLSSecureContext(TOKEN, resolveContext(options, isServer));
}

function rulesFor(name: string, identity: unknown): ContextRules {
  if (identity instanceof DTLSSecureContext) {
    const rules = rulesOf(identity);
    if (!rules.isServer) throw invalidArgValue(name, 'must have been made with isServer: true', identity);
    return rules;
  }
  if (typeof identity !== 'object' || identity === null) {
    throw invalidArgType(name, 'an instance of DTLSSecureContext or Object', identity);
  }
  return resolveContext(identity, true);
}
