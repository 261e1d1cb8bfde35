/** What is said of a number that will not do, beside its range: what it counts, what 0 is, and what it is where none is given. */

const MILLISECONDS = [
  'handshakeTimeout',
  'idleTimeout',
  'heartbeat.interval',
  'heartbeat.timeout',
  'retransmission.initial',
  'retransmission.max',
  'cookieLifetime',
  'certificateExpiryNotice',
  'interval',
  'timeout',
  'ms',
  'jitter',
];
const BYTES = ['mtu', 'min', 'max', 'length', 'offset', 'maxQueueSize', 'recvBufferSize', 'sendBufferSize', 'readableHighWaterMark'];

const UNITS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(MILLISECONDS.map((name) => [name, 'milliseconds'])),
  ...Object.fromEntries(BYTES.map((name) => [name, 'bytes'])),
  sessionTimeout: 'seconds',
  days: 'days',
  writableHighWaterMark: 'messages',
};

const NO_LIMIT = '0 is no limit';

const ZERO: Readonly<Record<string, string>> = {
  handshakeTimeout: "0 is no limit but OpenSSL's own",
  idleTimeout: '0 is never',
  'heartbeat.interval': '0 is none',
  certificateExpiryNotice: '0 is never',
  maxSessions: NO_LIMIT,
  maxPendingHandshakes: NO_LIMIT,
  maxSessionsPerHost: NO_LIMIT,
  maxPendingHandshakesPerHost: NO_LIMIT,
  ms: '0 switches it off',
};

/** `fallback`: undefined where one has to be given. */
export function numberHint(name: string, fallback: number | undefined): string | undefined {
  const unit = UNITS[name];
  const facts = [unit === undefined ? undefined : `It counts ${unit}`, ZERO[name]].filter((fact) => fact !== undefined);
  const first = facts.length === 0 ? undefined : `${facts.join('; ')}.`;
  const last = fallback === undefined ? undefined : `Left out, it is ${String(fallback)}.`;
  const sentences = [first, last].filter((sentence) => sentence !== undefined).join(' ');
  if (sentences === '') return undefined;
  return sentences.charAt(0).toUpperCase() + sentences.slice(1);
}
