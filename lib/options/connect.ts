/** Checks a client's options and fills in defaults, as server.ts does for a server. */
import type { LookupFunction } from 'node:net';

import { kForKeyAlone, kTrustsSomebody } from '../base/internals';
import { late } from '../base/late';
import { shown } from '../errors/as-error';
import { usageError } from '../errors/errors';
import { readSession } from './resumption';
import { MAX_FRAGMENT_LENGTHS, type ClientPskCallback, type ConnectOptions } from './types';
import { callable, checkNames, checkObject, flag, port, PORT_OF_A_NAME, text, wrongForm } from '../checks/validate';
import { withoutObjectPrototype } from '../checks/no-inheritance';
import { CONNECT_OPTIONS } from '../checks/option-names';
import { resolveLocalAddress } from './local-address';
import { clientPsk, oneOf, requireName } from './psk';
import { requireKeysFor, requireSuiteFor, resolveContext, resolveSession, type ResolvedSession } from './session';
import { destinationOf } from '../transport/destination';
import { checkName } from '../endpoint/packet-peers';
import { isTransport } from '../transport/transport';
import { resolveUdp, type ResolvedUdp } from './udp';

export interface ResolvedConnect extends ResolvedSession, ResolvedUdp {
  readonly host: string;
  readonly port: number;
  readonly localAddress: string | undefined;
  readonly localPort: number;
  readonly servername: string | undefined;
  /** The host that the certificate must name. */
  readonly verifiedName: string;
  /** What a session is bound to on this side. */
  readonly sessionName: string;
  readonly checkServerIdentity: ConnectOptions['checkServerIdentity'];
  readonly pskCallback: ClientPskCallback | undefined;
  readonly lookup: LookupFunction | undefined;
  readonly family: 0 | 4 | 6;
  /** Suites of certificates were left out for want of anything to judge a certificate by. */
  readonly offersKeyAlone: boolean;
}

/** Of UDP, a port that somebody has; where peers have names, whatever the transport makes of it. */
export const serverPort = (given: unknown, transport: unknown): number =>
  isTransport(transport) ? port('port', given, 0, PORT_OF_A_NAME) : port('port', given, 1);

/** By which a client judges a certificate, or which it has asked for on account of one. */
const JUDGES = ['peerFingerprints', 'peerPublicKeys', 'checkServerIdentity', 'requestOCSP'] as const;

export function resolveConnectOptions(given: ConnectOptions): ResolvedConnect {
  checkObject('options', given);
  checkNames(given, CONNECT_OPTIONS);
  const options = withoutObjectPrototype(given, CONNECT_OPTIONS);
  const pskCallback = oneOf(options.pskCallback, clientPsk(options.psk));
  const named = text('host', options.host) ?? '';
  const meant = named === '' ? 'localhost' : named; // as net
  const host = isTransport(options.transport) ? meant : destinationOf(meant);
  if (isTransport(options.transport)) checkName('host', host);
  const servername = text('servername', options.servername);
  const name = servername ?? (isName(host, isTransport(options.transport)) ? host : '');
  if (late.net.isIP(name) !== 0) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'servername' cannot be an IP address (RFC 6066 section 3): ${name}`,
      "Leave 'servername' out: the certificate is then checked against 'host'.",
    );
  }
  if (Buffer.byteLength(name) > 255 || name.includes('\0')) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      "'servername' has at most 255 bytes and no NUL",
      "It is a host name, as a certificate has one: 'device.example'.",
    );
  }
  const family = options.family ?? 0;
  if (![0, 4, 6].includes(family)) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'family' must be 0, 4 or 6, not ${shown(family)}`,
      'It is the version of IP that the host is looked up for; 0, or left out, is either.',
    );
  }
  const hasKey = pskCallback !== undefined;
  const keyAlone = hasKey && JUDGES.every((judge) => options[judge] === undefined) && options.rejectUnauthorized !== false;
  const whole = resolveContext(options, 'client', hasKey);
  requireName(options.psk, whole);
  requireSuiteFor(whole, hasKey, !keyAlone || whole[kTrustsSomebody]);
  const context = requireKeysFor(keyAlone ? whole[kForKeyAlone]() : whole, hasKey);
  const verifiedName = servername === undefined || servername === '' ? host : servername;
  const sessionName = `${name} ${verifiedName}`;
  const session = readSession(options.session, sessionName);
  const requestOCSP = flag('requestOCSP', options.requestOCSP, false);
  const maxFragmentLength = resolveMaxFragmentLength(options.maxFragmentLength);
  if (maxFragmentLength !== undefined && options.minVersion === 'DTLSv1.3') {
    throw usageError(
      'ERR_DTLS_CONFLICTING_OPTIONS',
      "'maxFragmentLength' is asked for at DTLS 1.2 only, and 'minVersion' is 'DTLSv1.3'",
      "Keep messages small by yourself, or leave DTLS 1.2 in: `minVersion: 'DTLSv1.2'`.",
    );
  }
  const common = resolveSession(options, context, {
    requestCert: true,
    askPsk: hasKey,
    askIdentity: true,
    serverName: name,
    pskIdentityHint: '',
    more: (policy) => {
      if (session !== undefined) policy.setSession(session);
      if (requestOCSP) policy.requestOcsp();
      if (maxFragmentLength !== undefined) policy.setMaxFragmentLength(maxFragmentLength);
    },
  });
  return {
    verifiedName,
    sessionName,
    host,
    port: serverPort(options.port, options.transport),
    localAddress: resolveLocalAddress(options.localAddress),
    localPort: port('localPort', options.localPort ?? 0, 0),
    servername,
    checkServerIdentity: callable('checkServerIdentity', options.checkServerIdentity),
    pskCallback,
    lookup: callable('lookup', options.lookup),
    family,
    offersKeyAlone: context !== whole,
    // At the end: V8 takes a hundred times as long for an object that others are spread into first.
    ...resolveUdp(options),
    ...common,
  };
}

/**
 * What is asked for by its name (RFC 6066 section 3): neither an address nor, of whatever a transport of the user's calls its
 * peers, what cannot be a host. What UDP takes for a host is the resolver's business.
 */
function isName(host: string, onOwnTransport: boolean): boolean {
  return late.net.isIP(host) === 0 && (!onOwnTransport || HOST_NAME.test(host));
}

const HOST_NAME = /^(?:[a-z\d_](?:[a-z\d_-]*[a-z\d_])?\.)*[a-z\d_](?:[a-z\d_-]*[a-z\d_])?\.?$/i;

function resolveMaxFragmentLength(value: number | undefined): number | undefined {
  if (value === undefined || MAX_FRAGMENT_LENGTHS.some((known) => known === value)) return value;
  if (typeof value !== 'number') throw wrongForm('maxFragmentLength', 'a number', value, `It is ${MAX_FRAGMENT_LENGTHS.join(', ')}, or left out.`);
  throw usageError(
    'ERR_OUT_OF_RANGE',
    `'maxFragmentLength' must be ${MAX_FRAGMENT_LENGTHS.join(', ')} or left out, not ${shown(value)}`,
    'RFC 6066 section 4 has a code for these lengths and for no others.',
  );
}
