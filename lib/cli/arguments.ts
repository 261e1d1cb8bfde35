/** What several commands take: addresses, credentials and parameters of the handshake. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

import type { SecureContextOptions } from '../identity/types';
import type { ConnectOptions, ServerOptions } from '../options/types';
import type { ProtocolVersion } from '../identity/secure-context';
import { CommandLineError, fileError } from './exit';

export interface Address {
  /** Undefined where none was given: `:5684`, or a port alone. */
  readonly host: string | undefined;
  readonly port: number;
}

const PORTS = 'A port is a whole number from 0 to 65535';

/** What an address has too much or too little of. */
function mistakeIn(text: string): string {
  if (text.includes('://')) return ` Leave out '${text.slice(0, text.indexOf('://') + 3)}'.`;
  const [, address, port] = /^(?:(.*):)?(\d+)$/.exec(text) ?? [];
  if (Number(port) > 65535 && isIP(address ?? '') !== 6) return ` ${PORTS}, not ${port ?? ''}.`;
  if (isIP(text) === 6 || (address !== undefined && isIP(address) === 6)) return ' An IPv6 address stands in brackets.';
  if (/^(?:[^:[\]]+:?|\[[^\]]*\]:?)$/.test(text)) return ' The port is missing.';
  const [, behind = ''] = /^(?:[^:[\]]*|\[[^\]]*\]):(.+)$/.exec(text) ?? [];
  if (/^\d+\//.test(behind)) return ` Leave out '${behind.slice(behind.indexOf('/'))}'.`;
  if (behind.includes(':')) return ' There is one colon, in front of the port.';
  return behind === '' ? '' : ` ${PORTS}, not '${behind}'.`;
}

/** `host:port`, `[2001:db8::1]:port`, `:port` or `port`. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]:|([^:]*):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new InvalidArgumentError(`Write host:port, or [address]:port for IPv6.${mistakeIn(text)}`);
  }
  const host = match[1] ?? match[2] ?? '';
  if (match[1] !== undefined && isIP(host) !== 6) {
    throw new InvalidArgumentError(`${host} in brackets is no IPv6 address.`);
  }
  return { host: host === '' ? undefined : host, port };
}

export function parseTarget(text: string): Address {
  const address = parseAddress(text);
  if (address.port === 0) throw new InvalidArgumentError('Port 0 cannot be reached.');
  return address;
}

/** A number from `least` to `most`. */
export const numberFrom =
  (least: number, most: number, whole = true) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
      throw new InvalidArgumentError(
        `It must be a ${whole ? 'whole ' : ''}number from ${String(least)} to ${String(most)}.`,
      );
    }
    return value;
  };

function parseKey(text: string): Buffer {
  if (/^[0-9a-f]+$/i.test(text) && text.length % 2 !== 0) {
    const { length } = text;
    throw new InvalidArgumentError(
      `A pre-shared key has two hexadecimal digits for each byte, and this has ${length === 1 ? 'one digit' : `${String(length)} digits`}: an even number is needed.`,
    );
  }
  if (!/^([0-9a-f]{2})+$/i.test(text)) {
    throw new InvalidArgumentError('A pre-shared key is written in hexadecimal, such as 0011aabb.');
  }
  return Buffer.from(text, 'hex');
}

export const parseList = (text: string): string[] => text.split(',').filter(Boolean);

export interface SecurityFlags {
  readonly psk?: Buffer;
  readonly pskIdentity?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string[];
  readonly ciphers?: string;
  readonly curves?: string;
  readonly sigalgs?: string;
  readonly minVersion?: ProtocolVersion;
  readonly maxVersion?: ProtocolVersion;
  readonly alpn?: string[];
  readonly srtp?: string[];
  /** A number: keep-alive, after so many milliseconds without hearing from the peer. */
  readonly heartbeat?: boolean | number;
  readonly timeout?: number;
  readonly mtu?: number;
  readonly keylog?: string;
  readonly qlog?: string;
}

export interface ClientFlags extends SecurityFlags {
  readonly servername?: string;
  readonly insecure?: boolean;
}

const VERSIONS = ['DTLSv1', 'DTLSv1.2', 'DTLSv1.3'];

/** What the two ends of a handshake agree on, and with what. */
export function addHandshakeOptions(command: Command): Command {
  return command
    .option('--psk <hex>', 'pre-shared key', parseKey)
    .option('--psk-identity <name>', 'identity of the key (default: Client_identity)')
    .option('--cert <file>', 'own certificate chain, PEM')
    .option('--key <file>', 'its private key, PEM')
    .option('--ciphers <list>', 'cipher suites, as OpenSSL names them')
    .option('--curves <list>', 'groups, such as X25519:P-256')
    .option('--sigalgs <list>', 'signature algorithms, such as ECDSA+SHA256')
    .addOption(new Option('--min-version <version>', 'lowest version').choices(VERSIONS))
    .addOption(new Option('--max-version <version>', 'highest version').choices(VERSIONS))
    .option('--timeout <ms>', 'time for the handshake', numberFrom(1, 0x7fffffff))
    .option('--mtu <bytes>', 'largest datagram of the handshake', numberFrom(256, 16384));
}

export function addSecurityOptions(command: Command): Command {
  return addHandshakeOptions(command)
    .option('--ca <file...>', 'authorities to trust, PEM')
    .option('--alpn <names>', 'application protocols, separated by commas', parseList)
    .option('--srtp <profiles>', 'SRTP profiles, separated by commas', parseList)
    .option('--keylog <file>', 'append the secrets to a key log, for Wireshark and decode')
    .option('--qlog <folder>', 'write a qlog file for each session');
}

export function addClientOptions(command: Command): Command {
  return addSecurityOptions(command)
    .option('--servername <name>', 'name to ask for and to verify')
    .option('--insecure', 'accept a certificate that does not verify');
}

export function readNamed(option: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw fileError(option, error, 'reading');
  }
}

/** OpenSSL's own words on a file that is something else name neither the option nor the file. */
function readPem(option: string, file: string, what: 'CERTIFICATE' | 'PRIVATE KEY'): Buffer {
  const pem = readNamed(option, file);
  if (!new RegExp(`^-----BEGIN [A-Z0-9 ]*${what}-----`, 'm').test(pem.toString('latin1'))) {
    throw new CommandLineError(`${option}: there is no ${what.toLowerCase()} in ${file}`, `It must be PEM: a line '-----BEGIN ${what}-----', base64, and '-----END ${what}-----'.`);
  }
  return pem;
}

/** The options that servers and clients have in common. What is not given is not there. */
function security(flags: SecurityFlags): SecureContextOptions & Partial<ConnectOptions & ServerOptions> {
  if ((flags.cert === undefined) !== (flags.key === undefined)) {
    throw new CommandLineError('--cert and --key belong together', "Give both; 'dgram-dtls cert' makes such a pair for development.");
  }
  if (flags.pskIdentity !== undefined && flags.psk === undefined) {
    throw new CommandLineError('--psk-identity is the name of a key, and --psk is not given', 'Give the key in hexadecimal: --psk 0011aabb.');
  }
  const given = {
    cert: flags.cert === undefined ? undefined : readPem('--cert', flags.cert, 'CERTIFICATE'),
    key: flags.key === undefined ? undefined : readPem('--key', flags.key, 'PRIVATE KEY'),
    ca: flags.ca?.map((file) => readPem('--ca', file, 'CERTIFICATE')),
    ciphers: flags.ciphers,
    ecdhCurve: flags.curves,
    sigalgs: flags.sigalgs,
    minVersion: flags.minVersion,
    maxVersion: flags.maxVersion,
    handshakeTimeout: flags.timeout,
    mtu: flags.mtu,
    qlogDir: flags.qlog,
    ALPNProtocols: flags.alpn,
    srtpProfiles: flags.srtp as ConnectOptions['srtpProfiles'],
    heartbeat: typeof flags.heartbeat === 'number' ? { interval: flags.heartbeat } : flags.heartbeat,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

export function clientOptions(
  target: Address,
  flags: ClientFlags,
): ConnectOptions {
  const { psk, pskIdentity = 'Client_identity', servername, insecure } = flags;
  return {
    ...security(flags),
    host: target.host ?? 'localhost',
    port: target.port,
    ...(servername === undefined ? {} : { servername }),
    ...(insecure === true ? { rejectUnauthorized: false } : {}),
    ...(psk === undefined ? {} : { pskCallback: () => ({ identity: pskIdentity, psk }) }),
  };
}

export function serverOptions(flags: SecurityFlags): ServerOptions {
  const { psk, pskIdentity = 'Client_identity' } = flags;
  return {
    ...security(flags),
    ...(flags.ca === undefined ? {} : { requestCert: true }),
    ...(psk === undefined
      ? {}
      : { pskCallback: (_socket, identity) => (identity === pskIdentity ? psk : null) }),
  };
}
