/**
 * Checks options and fills in defaults: everything is validated here, once. What comes out is complete and
 * right, so nobody further down asks again.
 */
import dgram from 'node:dgram';
import type { LookupFunction } from 'node:net';

import { encodeProtocols } from './alpn';
import { usageError } from './errors';
import { resolveFingerprints } from './fingerprints';
import { keylogFile } from './keylog';
import { native, type NativeSessionPolicy, type NativeTicketKeys } from './native';
import {
  MAX_HEARTBEAT_RETRIES,
  MAX_MESSAGE,
  MAX_PSK_IDENTITY,
  type ALPNCallback,
  type ClientPskCallback,
  type ConnectOptions,
  type HeartbeatOptions,
  type NamedServerOptions,
  type ServerOptions,
  type ServerPskCallback,
  type SNICallback,
  type SessionOptions,
  type TransportOption,
  type UdpSocketOptions,
} from './options';
import { qlogDirectory } from './qlog';
import { resolvePublicKeys } from './raw-public-keys';
import { makeTicketKeys, readSession } from './resumption';
import { CONTEXT_OPTIONS, SecureContext, type SecureContextOptions } from './secure-context';
import { resolveSrtpProfiles } from './srtp';
import { hasNativeUdp } from './native-udp';
import { isTransport, type DatagramTransport } from './transport';
import {
  bytes,
  callable,
  checkNames,
  checkObject,
  flag,
  inRange,
  integer,
  optionalInteger,
  port,
  text,
  wrongType,
} from './validate';

const COMMON_OPTIONS = [
  ...CONTEXT_OPTIONS,
  'secureContext',
  'rejectUnauthorized',
  'peerFingerprints',
  'peerPublicKeys',
  'handshakeTimeout',
  'retransmission',
  'mtu',
  'idleTimeout',
  'copyMessages',
  'heartbeat',
  'srtpProfiles',
  'requireExtendedMasterSecret',
  'ALPNProtocols',
  'qlogDir',
  'pskCallback',
  'transport',
  'reuseAddr',
  'reusePort',
  'ipv6Only',
  'recvBufferSize',
  'sendBufferSize',
  'signal',
] as const;

export const SERVER_OPTIONS = [
  ...COMMON_OPTIONS,
  'requestCert',
  'certificateExpiryNotice',
  'SNICallback',
  'ALPNCallback',
  'pskIdentityHint',
  'cookieExchange',
  'cookieLifetime',
  'cookieSecret',
  'maxSessions',
  'maxPendingHandshakes',
  'maxSessionsPerHost',
] as const;

export const CONNECT_OPTIONS = [
  ...COMMON_OPTIONS,
  'host',
  'port',
  'localAddress',
  'localPort',
  'servername',
  'checkServerIdentity',
  'requestOCSP',
  'session',
  'lookup',
  'family',
] as const;

const NAMED_OPTIONS = [
  ...CONTEXT_OPTIONS,
  'secureContext',
  'requestCert',
  'rejectUnauthorized',
  'peerFingerprints',
  'peerPublicKeys',
  'pskCallback',
  'pskIdentityHint',
  'ALPNProtocols',
  'ALPNCallback',
] as const;

const MIN_MTU = 256;

const longestWait = 0x7fffffff;

// ---- what comes out ----

export interface ResolvedHeartbeat {
  /** As HeartbeatMode in src-native/core/heartbeat.h. */
  readonly mode: 0 | 1 | 2;
  readonly interval: number;
  readonly timeout: number;
  readonly retries: number;
}

export interface ResolvedSession {
  readonly context: SecureContext;
  readonly rejectUnauthorized: boolean;
  readonly mtu: number;
  readonly heartbeat: ResolvedHeartbeat;
  readonly copyMessages: boolean;
  readonly qlogDir: string | undefined;
  /** `keylog`: secrets leave native code only when somebody listens, or SSLKEYLOGFILE is set. */
  policy(keylog: boolean): NativeSessionPolicy;
}

export interface ResolvedUdp {
  readonly transport: 'native' | 'dgram' | dgram.Socket | DatagramTransport;
  readonly reuseAddr: boolean;
  readonly reusePort: boolean;
  readonly ipv6Only: boolean;
  readonly recvBufferSize: number | undefined;
  readonly sendBufferSize: number | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface ResolvedServer extends ResolvedSession, ResolvedUdp {
  readonly ticketKeys: NativeTicketKeys;
  readonly requestCert: boolean;
  readonly certificateExpiryNotice: number;
  readonly SNICallback: SNICallback | undefined;
  readonly ALPNCallback: ALPNCallback | undefined;
  readonly pskCallback: ServerPskCallback | undefined;
  readonly cookieExchange: boolean;
  readonly cookieLifetime: number;
  readonly cookieSecret: Buffer | undefined;
  readonly maxSessions: number;
  readonly maxPendingHandshakes: number;
  readonly maxSessionsPerHost: number;
}

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
}

interface SessionShape {
  requestCert: boolean;
  askPsk: boolean;
  askIdentity: boolean;
  serverName: string;
  pskIdentityHint: string;
}

function resolveContext(
  options: SecureContextOptions & { secureContext?: SecureContext | undefined },
  role: 'server' | 'client',
  psk: boolean,
): SecureContext {
  if (options.secureContext !== undefined) {
    if (!(options.secureContext instanceof SecureContext)) {
      throw wrongType('secureContext', 'a SecureContext', options.secureContext);
    }
    const beside = CONTEXT_OPTIONS.find((name) => options[name] !== undefined);
    if (beside !== undefined) {
      throw usageError(
        'ERR_DTLS_CONFLICTING_OPTIONS',
        `'${beside}' has no effect beside 'secureContext'`,
        `Pass '${beside}' to createSecureContext, or leave 'secureContext' out.`,
      );
    }
    return options.secureContext;
  }
  const hasKey = options.cert !== undefined || options.pfx !== undefined || options.rawPublicKey === true;
  if (role === 'server' && !psk && !hasKey) {
    throw usageError(
      'ERR_DTLS_NO_CREDENTIALS',
      'a server needs a certificate or pre-shared keys',
      "Pass 'cert' and 'key', 'pfx', or 'pskCallback'.",
    );
  }
  const given = Object.fromEntries(
    CONTEXT_OPTIONS.filter((name) => options[name] !== undefined).map((name) => [
      name,
      options[name],
    ]),
  );
  return new SecureContext(given);
}

function resolveHeartbeat(option: boolean | HeartbeatOptions | undefined): ResolvedHeartbeat {
  if (typeof option !== 'object') {
    const on = flag('heartbeat', option, false);
    return { mode: on ? 1 : 0, interval: 0, timeout: 1000, retries: 3 };
  }
  checkObject('heartbeat', option);
  checkNames(option, ['mode', 'interval', 'timeout', 'retries']);
  const { mode = 'peer_allowed_to_send' } = option;
  if (mode !== 'peer_allowed_to_send' && (mode as string) !== 'peer_not_allowed_to_send') {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'heartbeat.mode' cannot be '${mode as string}'`,
      "Use 'peer_allowed_to_send' or 'peer_not_allowed_to_send'.",
    );
  }
  return {
    mode: mode === 'peer_allowed_to_send' ? 1 : 2,
    interval: inRange('heartbeat.interval', option.interval, 0, 0, longestWait),
    timeout: inRange('heartbeat.timeout', option.timeout, 1000, 1, longestWait),
    retries: integer('heartbeat.retries', option.retries, 3, 0, MAX_HEARTBEAT_RETRIES),
  };
}

function resolveSession(
  options: SessionOptions,
  context: SecureContext,
  shape: SessionShape,
): ResolvedSession {
  const { retransmission = {} } = options;
  checkObject('retransmission', retransmission);
  checkNames(retransmission, ['initial', 'max', 'backoff']);
  const initial = inRange('retransmission.initial', retransmission.initial, 1000, 1, longestWait);
  // OpenSSL counts microseconds in 32 bits.
  const max = inRange('retransmission.max', retransmission.max, 60000, 1, 4000000);
  const backoff = inRange('retransmission.backoff', retransmission.backoff, 2, 1, 100);
  const rejectUnauthorized = flag('rejectUnauthorized', options.rejectUnauthorized, true);
  const handshakeTimeout = inRange(
    'handshakeTimeout',
    options.handshakeTimeout,
    30000,
    0,
    longestWait,
  );
  const copyMessages = flag('copyMessages', options.copyMessages, false);
  const idleTimeout = inRange('idleTimeout', options.idleTimeout, 0, 0, longestWait);
  const heartbeat = resolveHeartbeat(options.heartbeat);
  const extendedMasterSecret = flag(
    'requireExtendedMasterSecret',
    options.requireExtendedMasterSecret,
    false,
  );
  const srtpProfiles = resolveSrtpProfiles(options.srtpProfiles);
  const mtu = integer('mtu', options.mtu, 1200, MIN_MTU, MAX_MESSAGE);
  const protocols = encodeProtocols('ALPNProtocols', options.ALPNProtocols);
  const fingerprints = resolveFingerprints(options.peerFingerprints);
  const publicKeys = resolvePublicKeys(options.peerPublicKeys);
  if (fingerprints.length > 0 && publicKeys.length > 0) {
    throw usageError(
      'ERR_DTLS_CONFLICTING_OPTIONS',
      "'peerFingerprints' has no effect beside 'peerPublicKeys': a raw public key comes without certificate",
      'Leave one of them out.',
    );
  }
  const askIdentity = shape.askIdentity && fingerprints.length === 0 && publicKeys.length === 0;
  return {
    context,
    rejectUnauthorized,
    mtu,
    heartbeat,
    copyMessages,
    qlogDir: qlogDirectory(text('qlogDir', options.qlogDir)),
    policy: (keylog) => {
      const policy = new native.SessionPolicy(
        handshakeTimeout,
        idleTimeout,
        initial,
        Math.max(initial, max),
        backoff,
        mtu,
        shape.requestCert,
        rejectUnauthorized,
        shape.askPsk,
        askIdentity,
        keylog || keylogFile() !== undefined,
        shape.serverName,
        shape.pskIdentityHint,
        heartbeat.mode,
        heartbeat.interval,
        heartbeat.timeout,
        heartbeat.retries,
        askIdentity ? context.clientAuthorities() : undefined,
      );
      if (srtpProfiles !== '') policy.setSrtpProfiles(srtpProfiles);
      if (extendedMasterSecret) policy.requireExtendedMasterSecret();
      if (protocols !== undefined) policy.setProtocols(protocols);
      for (const key of publicKeys) policy.addPublicKey(key);
      for (const value of fingerprints) policy.addFingerprint(value);
      return policy;
    },
  };
}

function supportsReusePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}

/** `DGRAM_DTLS_TRANSPORT=dgram` says it for a whole process: the tests run over both. */
export function automaticTransport(): 'native' | 'dgram' {
  return hasNativeUdp && process.env.DGRAM_DTLS_TRANSPORT !== 'dgram' ? 'native' : 'dgram';
}

function resolveUdp(options: UdpSocketOptions & { transport?: TransportOption | undefined }): ResolvedUdp {
  const transport = options.transport ?? 'auto';
  if (transport === 'native' && !hasNativeUdp) {
    throw usageError(
      'ERR_DTLS_UNSUPPORTED',
      `'transport' cannot be 'native' on ${process.platform}`,
      "It needs Linux; 'auto' takes what there is.",
    );
  }
  if (transport !== 'auto' && transport !== 'dgram' && transport !== 'native') {
    if (typeof transport === 'string') {
      throw usageError(
        'ERR_INVALID_ARG_VALUE',
        `'transport' cannot be '${String(transport)}'`,
        "Use 'auto', 'native', 'dgram', a bound dgram.Socket, or an object with start, send, address and close.",
      );
    }
    if (!(transport instanceof dgram.Socket) && !isTransport(transport)) {
      throw wrongType('transport', "'auto', 'dgram', a dgram.Socket or a DatagramTransport", transport);
    }
  }
  const reusePort = flag('reusePort', options.reusePort, false);
  const isNative = (transport === 'auto' ? automaticTransport() : transport) === 'native';
  if (reusePort && !isNative && !supportsReusePort()) {
    throw usageError(
      'ERR_DTLS_UNSUPPORTED',
      `'reusePort' is not supported by node:dgram of Node ${process.versions.node}`,
      "Use Node 22.12 or later, or on Linux 'transport: 'native''.",
    );
  }
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) {
    throw wrongType('signal', 'an AbortSignal', options.signal);
  }
  return {
    transport: transport === 'auto' ? automaticTransport() : transport,
    reuseAddr: flag('reuseAddr', options.reuseAddr, false),
    reusePort,
    ipv6Only: flag('ipv6Only', options.ipv6Only, false),
    recvBufferSize: optionalInteger('recvBufferSize', options.recvBufferSize),
    sendBufferSize: optionalInteger('sendBufferSize', options.sendBufferSize),
    signal: options.signal,
  };
}

export function resolveServerOptions(
  options: ServerOptions,
  sharedKeys?: NativeTicketKeys,
): ResolvedServer {
  checkObject('options', options);
  checkNames(options, SERVER_OPTIONS);
  const pskCallback = callable('pskCallback', options.pskCallback);
  const hint = text('pskIdentityHint', options.pskIdentityHint) ?? '';
  if (Buffer.byteLength(hint) > MAX_PSK_IDENTITY || hint.includes('\0')) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'pskIdentityHint' has at most ${String(MAX_PSK_IDENTITY)} bytes and no NUL`,
    );
  }
  const secret =
    options.cookieSecret === undefined ? undefined : bytes('cookieSecret', options.cookieSecret);
  if (secret !== undefined && secret.length < 32) {
    throw usageError(
      'ERR_OUT_OF_RANGE',
      `'cookieSecret' has ${String(secret.length)} bytes and needs 32 or more`,
      'Make one with crypto.randomBytes(32) and give it to every server of the fleet.',
    );
  }
  const expected = (['peerFingerprints', 'peerPublicKeys'] as const).find(
    (name) => options[name] !== undefined,
  );
  const requestCert = flag('requestCert', options.requestCert, expected !== undefined);
  if (!requestCert && expected !== undefined) {
    throw usageError(
      'ERR_DTLS_CONFLICTING_OPTIONS',
      `'${expected}' has no effect when 'requestCert' is false`,
      'Leave one of them out.',
    );
  }
  const alpnCallback = callable('ALPNCallback', options.ALPNCallback);
  if (alpnCallback !== undefined && options.ALPNProtocols !== undefined) {
    throw usageError(
      'ERR_DTLS_CONFLICTING_OPTIONS',
      "'ALPNProtocols' has no effect beside 'ALPNCallback'",
      'Leave one of them out.',
    );
  }
  const context = resolveContext(options, 'server', pskCallback !== undefined);
  const session = resolveSession(options, context, {
    requestCert,
    askPsk: pskCallback !== undefined,
    askIdentity: false,
    serverName: '',
    pskIdentityHint: hint,
  });
  const ticketKeys = sharedKeys ?? makeTicketKeys(context);
  return {
    ...resolveUdp(options),
    ...session,
    policy: (keylog) => {
      const policy = session.policy(keylog);
      policy.setTicketKeys(ticketKeys);
      return policy;
    },
    ticketKeys,
    requestCert,
    certificateExpiryNotice: inRange(
      'certificateExpiryNotice',
      options.certificateExpiryNotice,
      14 * 86400000,
      0,
      Number.MAX_SAFE_INTEGER,
    ),
    SNICallback: callable('SNICallback', options.SNICallback),
    ALPNCallback: alpnCallback,
    pskCallback,
    cookieExchange: flag('cookieExchange', options.cookieExchange, true),
    cookieLifetime: inRange('cookieLifetime', options.cookieLifetime, 30000, 100, 86400000),
    cookieSecret: secret,
    maxSessions: integer('maxSessions', options.maxSessions, 10000, 0, 0xffffffff),
    maxPendingHandshakes: integer(
      'maxPendingHandshakes',
      options.maxPendingHandshakes,
      1000,
      0,
      0xffffffff,
    ),
    maxSessionsPerHost: integer(
      'maxSessionsPerHost',
      options.maxSessionsPerHost,
      1000,
      0,
      0xffffffff,
    ),
  };
}

/** A name of a server's that was made with `server`: what it does not say is as there, but no credentials. */
export function resolveNamedOptions(
  options: NamedServerOptions | SecureContext,
  server: ServerOptions,
  ticketKeys: NativeTicketKeys,
): ResolvedServer {
  const own = options instanceof SecureContext ? { secureContext: options } : options;
  checkObject('context', own);
  checkNames(own, NAMED_OPTIONS);
  const replaced: string[] = [...CONTEXT_OPTIONS, 'secureContext'];
  if (own.ALPNProtocols !== undefined || own.ALPNCallback !== undefined) {
    replaced.push('ALPNProtocols', 'ALPNCallback');
  }
  const inherited = Object.entries(server).filter(([name]) => !replaced.includes(name));
  return resolveServerOptions({ ...Object.fromEntries(inherited), ...own }, ticketKeys);
}

export function resolveConnectOptions(
  options: ConnectOptions,
  isIP: (host: string) => number,
): ResolvedConnect {
  checkObject('options', options);
  checkNames(options, CONNECT_OPTIONS);
  const pskCallback = callable('pskCallback', options.pskCallback);
  const host = text('host', options.host) ?? 'localhost';
  const servername = text('servername', options.servername);
  const name = servername ?? (isIP(host) === 0 ? host : '');
  if (isIP(name) !== 0) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'servername' cannot be an IP address (RFC 6066 section 3): ${name}`,
      "Leave 'servername' out: the certificate is then checked against 'host'.",
    );
  }
  if (Buffer.byteLength(name) > 255 || name.includes('\0')) {
    throw usageError('ERR_INVALID_ARG_VALUE', "'servername' has at most 255 bytes and no NUL");
  }
  const family = options.family ?? 0;
  if (![0, 4, 6].includes(family)) {
    throw usageError('ERR_INVALID_ARG_VALUE', `'family' must be 0, 4 or 6, not ${String(family)}`);
  }
  const context = resolveContext(options, 'client', pskCallback !== undefined);
  const common = resolveSession(options, context, {
    requestCert: true,
    askPsk: pskCallback !== undefined,
    askIdentity: true,
    serverName: name,
    pskIdentityHint: '',
  });
  const verifiedName = servername === undefined || servername === '' ? host : servername;
  const sessionName = `${name} ${verifiedName}`;
  const session = readSession(options.session, sessionName);
  const requestOCSP = flag('requestOCSP', options.requestOCSP, false);
  return {
    ...resolveUdp(options),
    ...common,
    policy: (keylog) => {
      const policy = common.policy(keylog);
      if (session !== undefined) policy.setSession(session);
      if (requestOCSP) policy.requestOcsp();
      return policy;
    },
    verifiedName,
    sessionName,
    host,
    port: port('port', options.port, 1),
    localAddress: text('localAddress', options.localAddress),
    localPort: port('localPort', options.localPort ?? 0, 0),
    servername,
    checkServerIdentity: callable('checkServerIdentity', options.checkServerIdentity),
    pskCallback,
    lookup: callable('lookup', options.lookup),
    family,
  };
}
