/** The library's errors speak of its options. Here they are flags. */
const WORDS: readonly [option: RegExp, flag: string][] = [
  [/\('psk' or 'pskCallback'\)/g, '(--psk)'],
  [/, or one took a key in hexadecimal for text, as a string is taken: Buffer\.from\(key, 'hex'\)/g, '; --psk is in hexadecimal'],
  [/^There is no key for this identity here \(.*\): see 'cause' if there is one, else check/, 'There is no key for this identity here: check --psk-identity, which is Client_identity where it is not given (or the file of --psk-file), and'],
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
