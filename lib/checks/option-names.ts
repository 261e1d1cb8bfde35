/** The names of all options: what is not among them is refused, and told where it belongs. */

export const CONTEXT_OPTIONS = [
  'cert',
  'key',
  'pfx',
  'passphrase',
  'rawPublicKey',
  'ca',
  'crl',
  'allowPartialTrustChain',
  'ciphers',
  'sigalgs',
  'ecdhCurve',
  'dhparam',
  'minVersion',
  'maxVersion',
  'honorCipherOrder',
  'sessionIdContext',
  'sessionTimeout',
  'ticketKeys',
  'secureOptions',
] as const;

/** What counts for each session by itself, whoever its peer is. */
const SESSION_OPTIONS = [
  'handshakeTimeout',
  'retransmission',
  'mtu',
  'idleTimeout',
  'replayWindow',
  'borrowMessages',
  'copyMessages',
  'heartbeat',
  'srtpProfiles',
  'requireExtendedMasterSecret',
  'qlogDir',
] as const;

const COMMON_OPTIONS = [
  ...CONTEXT_OPTIONS,
  'secureContext',
  'rejectUnauthorized',
  'peerFingerprints',
  'peerPublicKeys',
  ...SESSION_OPTIONS,
  'ALPNProtocols',
  'psk',
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
  'blockList',
  'peers',
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
  'psk',
  'pskCallback',
  'pskIdentityHint',
  'ALPNProtocols',
  'ALPNCallback',
] as const;

/** What a server's `peers` may answer. */
export const PEER_OPTIONS = [
  ...NAMED_OPTIONS,
  ...SESSION_OPTIONS,
] as const;

export const LISTEN_OPTIONS = [
  'port', 'host', 'address', 'fd', 'exclusive', 'ipv6Only', 'reusePort', 'backlog', 'signal',
] as const;

/** What stands beside `dtls` in the options of `createSocket`: dgram's own. */
export const DGRAM_OPTIONS: readonly string[] = [
  'type',
  'reuseAddr',
  'reusePort',
  'ipv6Only',
  'recvBufferSize',
  'sendBufferSize',
  'lookup',
  'signal',
  'receiveBlockList',
  'sendBlockList',
];

/** The options that only `dtls` of createSocket has. */
export const OWN_OPTIONS = ['role', 'peers', 'maxQueueSize', 'clearMulticast'] as const;

const NOT_FOR_SOCKETS: readonly string[] = [
  ...DGRAM_OPTIONS,
  'transport',
  'cookieExchange',
  'blockList',
  'host',
  'port',
  'localAddress',
  'localPort',
  'family',
];

/** What `dtls` of `createSocket` takes. */
export const SOCKET_OPTIONS: readonly string[] = [
  ...new Set<string>([...SERVER_OPTIONS, ...CONNECT_OPTIONS, ...OWN_OPTIONS]),
].filter((name) => !NOT_FOR_SOCKETS.includes(name));

/** Names that other APIs have for options of ours; the first of them that is known at a place is meant there. */
const OTHER_NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  ['hostname', ['host', 'altNames']],
  ['address', ['host', 'altNames']],
  ['host', ['altNames']],
  ['hosts', ['altNames']],
  ['hostnames', ['altNames']],
  ['addresses', ['altNames']],
  ['names', ['altNames']],
  ['domains', ['altNames']],
  ['san', ['altNames']],
  ['subjectAltName', ['altNames']],
  ['subjectAltNames', ['altNames']],
  ['servername', ['altNames']],
  ['commonName', ['subject']],
  ['cn', ['subject']],
  ['validity', ['days']],
  ['identity', ['psk']],
  ['pskIdentity', ['psk']],
  ['pskKey', ['psk']],
  ['preSharedKey', ['psk']],
  ['sharedKey', ['psk']],
  ['preSharedKeys', ['pskCallback', 'psk']],
  ['certificate', ['cert']],
  ['certificates', ['cert']],
  ['privateKey', ['key']],
  ['caCert', ['ca']],
  ['caCerts', ['ca']],
  ['caCertificate', ['ca']],
  ['rootCerts', ['ca']],
  ['rootCertificates', ['ca']],
  ['authorities', ['ca']],
  ['context', ['secureContext']],
  ['timeout', ['handshakeTimeout', 'idleTimeout']],
  ['connectTimeout', ['handshakeTimeout']],
  ['alpn', ['ALPNProtocols']],
  ['protocols', ['ALPNProtocols']],
  ['applicationProtocols', ['ALPNProtocols']],
  ['sni', ['servername', 'SNICallback']],
  ['socket', ['transport']],
  ['maxConnections', ['maxSessions']],
  ['keepAlive', ['heartbeat']],
  ['replayProtectionWindow', ['replayWindow']],
  ['antiReplayWindow', ['replayWindow']],
  ['srtp', ['srtpProfiles']],
  ['useSrtp', ['srtpProfiles']],
  ['protectionProfiles', ['srtpProfiles']],
  ['fingerprint', ['peerFingerprints']],
  ['fingerprints', ['peerFingerprints']],
  ['cert', ['certFile']],
  ['key', ['keyFile']],
  ['ca', ['caFile']],
  ['crl', ['crlFile']],
  ['pfx', ['pfxFile']],
  ['certFile', ['cert']],
  ['keyFile', ['key']],
  ['caFile', ['ca']],
  ['crlFile', ['crl']],
  ['pfxFile', ['pfx']],
]);

/** Without what styles differ in: `psk_identity`, `PSK-Identity`. */
const plainName = (name: string): string => name.replace(/[-_]/g, '').toLowerCase();

let byPlainName: ReadonlyMap<string, readonly string[]> | undefined;

function namesFor(name: string): readonly string[] {
  // Made for the first mistake: it takes a twentieth of the time in which this package is loaded.
  byPlainName ??= new Map([...OTHER_NAMES].map(([other, ours]) => [plainName(other), ours]));
  return byPlainName.get(plainName(name)) ?? [];
}

/** What a name of another API's is called among the known names. */
export const oursFor = (name: string, known: readonly string[]): string[] =>
  namesFor(name).filter((ours) => known.includes(ours));

/** What a name of another API's is called here, wherever that belongs. */
export const oursAnywhere = (name: string): string[] => oursFor(name, ALL_OPTIONS);

const DOORS: readonly (readonly [door: string, names: readonly string[]])[] = [
  ['createSecureContext()', CONTEXT_OPTIONS],
  ['createServer()', SERVER_OPTIONS],
  ['listen()', LISTEN_OPTIONS],
  ['connect()', CONNECT_OPTIONS],
  ["'dtls' of createSocket()", SOCKET_OPTIONS],
  ["createSocket(), beside 'dtls'", DGRAM_OPTIONS],
  ['createSocket()', ['dtls']],
];

/** All options that there are. */
export const ALL_OPTIONS: readonly string[] = [...new Set(DOORS.flatMap(([, names]) => names))];

/**
 * The known names are those of sessions, servers, clients, sockets, contexts: who makes one of them may have meant an
 * option of another. Functions with a few options of their own are none of these.
 */
export const isDoor = (known: readonly string[]): boolean =>
  known === NAMED_OPTIONS || known === PEER_OPTIONS || DOORS.some(([, names]) => names === known);

/** Who takes an option of this name. */
export const doorsOf = (name: string): string[] =>
  DOORS.filter(([, names]) => names.includes(name)).map(([door]) => door);
