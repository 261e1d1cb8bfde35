/** What a proxy reads from files and the resolver: when it begins, and again whenever it is told to. */
import { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';

import type { Peer } from '../../base/peer';
import { ioError } from '../../errors/errors';
import type { SecureContextOptions } from '../../identity/types';
import type { ConnectOptions, ServerOptions } from '../../options/types';
import { CONTEXT_OPTIONS } from '../../checks/option-names';
import { destinationOf } from '../../transport/destination';
import { createSecureContext, type SecureContext } from '../../identity/secure-context';
import { clientOptions, serverOptions, type Address, type ClientFlags } from '../arguments';
import { CommandLineError } from '../exit';
import { readPskFile } from './psk-file';

export interface ProxyFlags extends ClientFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly listen: Address;
  readonly target: Address;
  readonly client?: boolean;
  readonly shared?: boolean;
  readonly queue?: number;
  readonly syslog?: boolean;
  readonly pskFile?: string;
  readonly idle: number;
  readonly drain: number;
  readonly maxSessions: number;
  readonly maxSessionsPerHost?: number;
  readonly maxPending: number;
  readonly maxPendingPerHost?: number;
  readonly metrics?: Address;
  readonly watch: boolean;
}

export interface Settings {
  readonly context: SecureContext;
  readonly target: Peer;
  readonly keys: ReadonlyMap<string, Buffer>;
  /** When the own certificate ends. */
  readonly validTo: Date | undefined;
}

/** @throws CommandLineError, or a DTLSError, for a file that is no use; a DTLSError for a name that does not resolve. */
export async function readSettings(flags: ProxyFlags): Promise<Settings> {
  const keys = flags.pskFile === undefined ? new Map<string, Buffer>() : readPskFile(flags.pskFile);
  if (flags.pskFile !== undefined && keys.size === 0 && flags.psk === undefined && flags.cert === undefined) {
    throw new CommandLineError(
      `--psk-file: there is no key in ${flags.pskFile}, and no client could come in`,
      'Write identity:key on each line, the key in hexadecimal, such as lamp-7:0011aabb.',
    );
  }
  const given = contextPart(flags.client === true ? clientOptions(flags.target, flags) : serverOptions(flags));
  return {
    context: createSecureContext(given),
    keys,
    validTo: validTo(given.cert),
    target: await resolve(flags.target),
  };
}

/** The options that last as long as the proxy. */
export function serverSettings(flags: ProxyFlags, keys: () => ReadonlyMap<string, Buffer>): ServerOptions {
  const options = sessionPart(serverOptions(flags));
  const one = options.pskCallback;
  if (flags.pskFile !== undefined) {
    options.pskCallback = (socket, identity) =>
      (typeof identity === 'string' ? keys().get(identity) : undefined) ?? one?.(socket, identity);
  }
  return { ...options, idleTimeout: flags.idle, recvBufferSize: 1 << 20 };
}

export function clientSettings(flags: ProxyFlags): ConnectOptions {
  return { ...sessionPart(clientOptions(flags.target, flags)), idleTimeout: flags.idle };
}

/** The files that are read again when they change. */
export const watchedFiles = ({ cert, key, ca = [], pskFile }: ProxyFlags): string[] =>
  [cert, key, pskFile, ...ca].filter((file) => file !== undefined);

type ContextName = (typeof CONTEXT_OPTIONS)[number];
const isContext = (name: string): boolean => (CONTEXT_OPTIONS as readonly string[]).includes(name);

function contextPart(options: SecureContextOptions): SecureContextOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => isContext(name)));
}

/** The options that are none of a context's: `secureContext` stands for those, and they cannot be given beside it. */
function sessionPart<T extends object>(options: T): Omit<T, ContextName> {
  const others = Object.entries(options).filter(([name]) => !isContext(name));
  return Object.fromEntries(others) as Omit<T, ContextName>;
}

function validTo(cert: unknown): Date | undefined {
  return cert instanceof Buffer ? new Date(new X509Certificate(cert).validTo) : undefined;
}

async function resolve({ host, port }: Address): Promise<Peer> {
  if (host === undefined) throw new CommandLineError('--target needs a host', 'Write host:port.');
  try {
    const { address, family } = await lookup(host);
    return { address: destinationOf(address), port, family: family === 6 ? 'IPv6' : 'IPv4' };
  } catch (error) {
    throw ioError(error);
  }
}
