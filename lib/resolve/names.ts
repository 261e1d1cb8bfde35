/** The names of all options: what is not among them is refused. */
import { CONTEXT_OPTIONS } from '../secure-context';

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
  'borrowMessages',
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
  'maxPendingHandshakesPerHost',
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
  'maxFragmentLength',
  'session',
  'lookup',
  'family',
] as const;

export const NAMED_OPTIONS = [
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
