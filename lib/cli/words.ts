/** The library's errors speak of its options. Here they are flags, and what has none is left out. */
const WORDS: readonly [option: RegExp, flag: string][] = [
  [/, and that 'pskCallback' takes \(socket, identity\) in that order/, ''],
  [/^'heartbeat' is of DTLS 1\.2, and 'minVersion' is/, 'heartbeats are of DTLS 1.2, and --min-version is'],
  [/^Let messages of your own show that the peer is there, or leave DTLS 1\.2 in/, 'Leave DTLS 1.2 in'],
  [/ A createSocket\(\) that has a certificate asks for one, too, unless it has role: 'server'\./, ''],
  [/ \(no root, fewer names\), or set 'secureOptions: \S+ on the server/, ' (no root, fewer names)'],
  [/; 'secureOptions: \S+ connects to it all the same/, ''],
  [/, give the certificate fewer names, or use 'rawPublicKey' or 'peerFingerprints'/, ', or give the certificate fewer names'],
  [/The private key or the PFX file is encrypted, and 'passphrase' is missing or wrong\./, "Commands take keys that are not encrypted: 'openssl pkey -in FILE -out NEW-FILE' makes one."],
  [/is not used where 'rejectUnauthorized' demands a proof/, 'is not used without --insecure'],
  [/'maxPendingHandshakes', 'maxSessions'/, '--max-pending, --max-sessions'],
  [/'idleTimeout' milliseconds/, 'the time that --idle has'],
  [/\b(min|max)Version: '(DTLSv[\d.]+)'/g, '--$1-version $2'],
  [/\('psk' or 'pskCallback'\)/g, '(--psk)'],
  [/, or one took a key in hexadecimal for text, as a string is taken: Buffer\.from\(key, 'hex'\)/g, '; --psk is in hexadecimal'],
  [/^There is no key for this identity here \(.*\): see 'cause' if there is one, else check (.*), whether it is registered/, 'There is no key for this identity here: check --psk-identity, which is Client_identity where it is not given (or the file of --psk-file), $1, and whether it is registered'],
  [/: see '(?:reason|cause)'/g, ''],
  [/pskCallback gave no identity and key: return \{ identity, psk \}/g, 'no key was given: --psk, with --psk-identity'],
  [/'requestCert' and 'rejectUnauthorized' ask/g, '--ca asks'],
  [/'ecdhCurve'/g, '--curves'],
  [/'ALPNProtocols', and what 'ALPNCallback' returns/g, '--alpn of both'],
  [/'ALPNProtocols'/g, '--alpn'],
  [/'minVersion'/g, '--min-version'],
  [/'maxVersion'/g, '--max-version'],
  [/'handshakeTimeout'/g, '--timeout'],
  [/'qlogDir'/g, '--qlog'],
  [/'session' must be all the bytes that a client's getSession\(\) or 'session' event gave/g, '--sess-in must be a file as --sess-out writes it'],
  [/'session'/g, '--sess-in'],
  [/'(psk|cert|key|ca|ciphers|sigalgs|servername|mtu)'/g, '--$1'],
];

export const inFlags = (text: string): string =>
  WORDS.reduce((so, [option, flag]) => so.replace(option, flag), text);
