/** What both ends of a session have: the context, and how a session behaves. */

import { kClientAuthorities, kHasIdentity, kKeysBarred, kNative, kVersions } from '../base/internals';
import type { SecureContextOptions } from '../identity/types';
import { encodeProtocols } from './alpn';
import { shown } from '../errors/as-error';
import { usageError } from '../errors/errors';
import { resolveFingerprints } from '../identity/fingerprints';
import { keylogFile } from '../diagnostics/keylog';
import { native, type NativeSessionPolicy } from '../core/native';
import {
  MAX_HEARTBEAT_RETRIES,
  MAX_MESSAGE,
  MAX_REPLAY_WINDOW,
  MIN_MTU,
  MIN_REPLAY_WINDOW,
  type HeartbeatOptions,
  type SessionOptions,
} from './types';
import { qlogDirectory } from '../diagnostics/qlog-directory';
import { resolvePublicKeys } from '../identity/raw-public-keys';
import { requireSecureContext, SecureContext } from '../identity/secure-context';
import { resolveSrtpProfiles } from './srtp';
import { checkNames, checkObject, flag, inRange, integer, text, wrongType } from '../checks/validate';
import { CONTEXT_OPTIONS } from '../checks/option-names';

const longestWait = 0x7fffffff;

export interface ResolvedHeartbeat {
  /** The mode, as the number that HeartbeatMode in src-native/core/session/heartbeat.h has for it. */
  readonly mode: 0 | 1 | 2;
  readonly interval: number;
  readonly timeout: number;
  readonly retries: number;
}

/**
 * @throws For a pre-shared key that no suite takes: a client would leave it out in silence, and a server have nothing else.
 * `otherwise`: a certificate may do in its place, at DTLS 1.3.
 */
export function requireSuiteFor(context: SecureContext, psk: boolean, otherwise: boolean): void {
  const barred = context[kKeysBarred];
  if (!psk || barred === undefined || (barred === 'at DTLS 1.3' && otherwise)) return;
  throw usageError(
    'ERR_DTLS_CONFLICTING_OPTIONS',
    "'ciphers' has no suite of DTLS 1.3 with SHA-256, and without one a pre-shared key is no use there",
    "Name TLS_AES_128_GCM_SHA256 (which '@SECLEVEL=4' does not permit) or TLS_CHACHA20_POLY1305_SHA256, too, or stay at DTLS 1.2.",
  );
}

/** @throws Where a server would have nothing that a handshake could be made with. */
export function requireCredentials(context: SecureContext, psk: boolean): void {
  requireSuiteFor(context, psk, context[kHasIdentity]);
  if (psk || context[kHasIdentity]) return;
  throw usageError(
    'ERR_DTLS_NO_CREDENTIALS',
    'a server needs a certificate or pre-shared keys',
    "Pass 'cert' and 'key', 'pfx', 'psk' or 'pskCallback'.",
  );
}

export interface ResolvedSession {
  readonly context: SecureContext;
  readonly rejectUnauthorized: boolean;
  readonly mtu: number;
  readonly heartbeat: ResolvedHeartbeat;
  readonly borrowMessages: boolean;
  readonly copyMessages: boolean;
  readonly qlogDir: string | undefined;
  /** `keylog`: secrets leave native code only when somebody listens, or SSLKEYLOGFILE is set. */
  policy(keylog: boolean): NativeSessionPolicy;
}

/** What the sessions of the two roles differ in. */
export interface SessionShape {
  requestCert: boolean;
  askPsk: boolean;
  askIdentity: boolean;
  serverName: string;
  pskIdentityHint: string;
  /** What only sessions of this role have in their policy. */
  more(policy: NativeSessionPolicy): void;
}

/** @throws Where every handshake would fail for want of a key: OpenSSL leaves out suites without theirs. */
export function requireKeysFor(context: SecureContext, psk: boolean): SecureContext {
  if (psk || !context[kNative].needsPsk()) return context;
  throw usageError(
    'ERR_DTLS_NO_CREDENTIALS',
    "'ciphers' names suites with a pre-shared key only, and no key is given",
    "Pass 'psk' or 'pskCallback', or have 'ciphers' name suites with certificates.",
  );
}

export function resolveContext(
  options: SecureContextOptions & { secureContext?: SecureContext | undefined },
  role: 'server' | 'client',
  psk: boolean,
): SecureContext {
  if (options.secureContext !== undefined) {
    requireSecureContext('secureContext', options.secureContext);
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
      "Pass 'cert' and 'key', 'pfx', 'psk' or 'pskCallback'. Those of generateCertificate() come with a Promise: await it.",
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
    if ((option as unknown) !== undefined && typeof option !== 'boolean') {
      const hint =
        typeof option === 'number'
          ? `Milliseconds between two heartbeats are { interval: ${String(option)} }.`
          : "Write true to answer the peer's, or { interval: 20000 } to send some, too; left out, it is false.";
      throw wrongType('heartbeat', 'a boolean, or an object', option, hint);
    }
    return { mode: option ? 1 : 0, interval: 0, timeout: 1000, retries: 3 };
  }
  checkObject('heartbeat', option);
  checkNames(option, ['mode', 'interval', 'timeout', 'retries']);
  const { mode = 'peer_allowed_to_send' } = option;
  if (mode !== 'peer_allowed_to_send' && (mode as string) !== 'peer_not_allowed_to_send') {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'heartbeat.mode' cannot be ${shown(mode)}`,
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

function resolveReplayWindow(option: number | undefined): number {
  const size = integer('replayWindow', option, MIN_REPLAY_WINDOW, 0, MAX_REPLAY_WINDOW);
  if (size === 0 || size >= MIN_REPLAY_WINDOW) return size;
  throw usageError(
    'ERR_OUT_OF_RANGE',
    `'replayWindow' must be 0, or between ${String(MIN_REPLAY_WINDOW)} and ${String(MAX_REPLAY_WINDOW)}, not ${String(size)}`,
    "Leave it out for 64, the least that RFC 6347 recommends; 0 delivers messages however often they come.",
  );
}

/** In milliseconds; 0: there is none. */
export const resolveHandshakeTimeout = ({ handshakeTimeout }: Pick<SessionOptions, 'handshakeTimeout'>): number =>
  inRange('handshakeTimeout', handshakeTimeout, 30000, 0, longestWait);

export function resolveSession(
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
  const handshakeTimeout = resolveHandshakeTimeout(options);
  const copyMessages = flag('copyMessages', options.copyMessages, false);
  const borrowMessages = flag('borrowMessages', options.borrowMessages, false);
  if (borrowMessages && copyMessages) {
    throw usageError(
      'ERR_DTLS_CONFLICTING_OPTIONS',
      "'borrowMessages' asks for messages without memory of their own, 'copyMessages' for such with it",
      'Leave one of them out.',
    );
  }
  const idleTimeout = inRange('idleTimeout', options.idleTimeout, 0, 0, longestWait);
  const replayWindow = resolveReplayWindow(options.replayWindow);
  const heartbeat = resolveHeartbeat(options.heartbeat);
  if (options.heartbeat !== undefined && options.heartbeat !== false && context[kVersions].minVersion === 'DTLSv1.3') {
    throw usageError(
      'ERR_DTLS_CONFLICTING_OPTIONS',
      "'heartbeat' is of DTLS 1.2, and 'minVersion' is 'DTLSv1.3'",
      "Let messages of your own show that the peer is there, or leave DTLS 1.2 in: `minVersion: 'DTLSv1.2'`.",
    );
  }
  const extendedMasterSecret = flag(
    'requireExtendedMasterSecret',
    options.requireExtendedMasterSecret,
    false,
  );
  const srtpProfiles = resolveSrtpProfiles(options.srtpProfiles);
  const mtu = integer('mtu', options.mtu, 1200, MIN_MTU, MAX_MESSAGE);
  const protocols = encodeProtocols('ALPNProtocols', options.ALPNProtocols);
  // What few programs give is not asked for, and so not loaded (scripts/bundle.mjs), where it is not given.
  const { peerFingerprints, peerPublicKeys } = options;
  const fingerprints = peerFingerprints === undefined ? [] : resolveFingerprints(peerFingerprints);
  const publicKeys = peerPublicKeys === undefined ? [] : resolvePublicKeys(peerPublicKeys);
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
    borrowMessages,
    copyMessages,
    qlogDir: qlogDirectory(text('qlogDir', options.qlogDir)),
    policy: (keylog) => {
      const policy = new native.SessionPolicy();
      policy.setTimeouts(handshakeTimeout, idleTimeout);
      policy.setRetransmission(initial, Math.max(initial, max), backoff);
      policy.setMtu(mtu);
      policy.setReplayWindow(replayWindow);
      policy.setPeerCertificate(shape.requestCert, rejectUnauthorized);
      if (shape.askPsk) policy.askPsk(shape.pskIdentityHint);
      if (askIdentity) policy.askIdentity();
      const authorities = askIdentity ? context[kClientAuthorities]() : undefined;
      if (authorities !== undefined) policy.setAuthorities(authorities);
      if (keylog || keylogFile() !== undefined) policy.reportKeys();
      if (shape.serverName !== '') policy.setServerName(shape.serverName);
      policy.setHeartbeat(heartbeat.mode, heartbeat.interval, heartbeat.timeout, heartbeat.retries);
      if (srtpProfiles !== '') policy.setSrtpProfiles(srtpProfiles);
      if (extendedMasterSecret) policy.requireExtendedMasterSecret();
      if (protocols !== undefined) policy.setProtocols(protocols);
      for (const key of publicKeys) policy.addPublicKey(key);
      for (const value of fingerprints) policy.addFingerprint(value);
      shape.more(policy);
      return policy;
    },
  };
}
