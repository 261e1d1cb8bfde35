/**
 * The two foreign implementations, OpenSSL and GnuTLS: how their programs are told what to do, and
 * how they say what they did.
 */
import { createAuthority, type Certificate, type KeyType } from '../helpers/certificates';
import { freePort, type Cleanup, type PeerProcess, type TemporaryFiles } from '../helpers/peers';

export interface Suite {
  /** OpenSSL's name. */
  readonly name: string;
  /** GnuTLS's name, and its words for a priority string. */
  readonly gnutls: string;
  readonly cipher: string;
  readonly keyExchange: string;
  /** Of the certificates it takes; none for pre-shared keys. */
  readonly keyType?: KeyType;
}

const BULK = [
  { openssl: 'AES128-GCM-SHA256', gnutls: 'AES_128_GCM_SHA256', cipher: 'AES-128-GCM' },
  { openssl: 'AES256-GCM-SHA384', gnutls: 'AES_256_GCM_SHA384', cipher: 'AES-256-GCM' },
  { openssl: 'CHACHA20-POLY1305', gnutls: 'CHACHA20_POLY1305', cipher: 'CHACHA20-POLY1305' },
  { openssl: 'AES128-CCM', gnutls: 'AES_128_CCM', cipher: 'AES-128-CCM' },
  { openssl: 'AES128-CCM8', gnutls: 'AES_128_CCM_8', cipher: 'AES-128-CCM-8' },
];

function suites(keyExchange: string, keyType?: KeyType): Suite[] {
  return BULK.map(({ openssl, gnutls, cipher }) => ({
    name: `${keyExchange}-${openssl}`,
    gnutls: `${keyExchange.replace('-', '_')}_${gnutls}`,
    cipher,
    keyExchange,
    ...(keyType === undefined ? {} : { keyType }),
  }));
}

export const CERTIFICATE_SUITES: readonly Suite[] = [
  ...suites('ECDHE-ECDSA', 'ecdsa-p256'),
  // Nobody ever defined ECDHE_RSA with CCM.
  ...suites('ECDHE-RSA', 'rsa-2048').filter(({ cipher }) => !cipher.includes('CCM')),
];

export const PSK_SUITES: readonly Suite[] = [
  ...suites('PSK'),
  // The only one with forward secrecy that OpenSSL has without CBC.
  ...suites('ECDHE-PSK').filter(({ cipher }) => cipher === 'CHACHA20-POLY1305'),
];

export function suite(name: string): Suite {
  const found = [...CERTIFICATE_SUITES, ...PSK_SUITES].find((one) => one.name === name);
  if (found === undefined) throw new Error(`no suite ${name}`);
  return found;
}

export const PSK_IDENTITY = 'sensor-7';
export const PSK_HINT = 'plant-2';
export const PSK_KEY = Buffer.from('8d3ac4b1f0e2975613aa5c7e90d14f28', 'hex');

/** What a foreign program is to do. */
export interface Setup {
  /** The only suite it may use; by default any that it likes. */
  readonly suite?: Suite | undefined;
  readonly certificate?: Certificate | undefined;
  /** Verify the peer's certificate against this authority and, on a server, insist on one. */
  readonly trust?: string | undefined;
  readonly psk?: { readonly identity: string; readonly key: Buffer; readonly hint?: string };
  readonly mtu?: number;
  /** More words for GnuTLS's priority string. */
  readonly priority?: readonly string[];
  /** More arguments. */
  readonly extra?: readonly string[];
}

export interface Foreign {
  readonly name: string;
  readonly programs: readonly string[];
  readonly clientName: string;
  readonly serverName: string;
  /** Its server can only answer, and be closed. */
  readonly serverEchoes: boolean;
  client(cleanup: Cleanup, files: TemporaryFiles, port: number, setup: Setup): PeerProcess;
  /** A server that is ready for one client. */
  server(
    cleanup: Cleanup,
    files: TemporaryFiles,
    setup: Setup,
  ): Promise<{ peer: PeerProcess; port: number }>;
  /** The suite that it has negotiated, by its own words. */
  cipher(peer: PeerProcess): Promise<string>;
  cipherName(suite: Suite): string;
  /** The alert with which its client refuses a certificate of an unknown authority. */
  readonly clientDistrust: Alert;
  /** The alert with which its server, if it insists on one, answers no certificate; if any. */
  readonly missingCertificate: Alert | undefined;
  /** Its server has keys for some identities and not for others. */
  readonly serverKnowsIdentities: boolean;
  /** What it prints when an alert came in. */
  received(description: Alert): RegExp;
  /** What it prints when it sent one. */
  sent(description: Alert): RegExp;
}

/** The number, by which GnuTLS names it, and OpenSSL's words. */
const ALERTS = {
  close_notify: { number: 0, words: 'warning:close notify' },
  handshake_failure: { number: 40, words: 'fatal:handshake failure' },
  bad_certificate: { number: 42, words: 'fatal:bad certificate' },
  certificate_expired: { number: 45, words: 'fatal:certificate expired' },
  unknown_ca: { number: 48, words: 'fatal:unknown CA' },
  bad_certificate_status_response: {
    number: 113,
    words: 'fatal:bad certificate status response',
  },
  unknown_psk_identity: { number: 115, words: 'fatal:unknown PSK identity' },
} as const;

export type Alert = keyof typeof ALERTS;

const seclevel = (suite: Suite): string => (suite.name.endsWith('CCM8') ? ':@SECLEVEL=0' : '');

function opensslArguments(files: TemporaryFiles, setup: Setup): string[] {
  const { certificate, psk, mtu } = setup;
  const paths = certificate === undefined ? undefined : files.identity(certificate);
  return [
    '-dtls1_2',
    '-state',
    ...(setup.suite ? ['-cipher', `${setup.suite.name}${seclevel(setup.suite)}`] : []),
    ...(paths ? ['-cert', paths.cert, '-key', paths.key] : []),
    ...(setup.trust === undefined ? [] : ['-CAfile', files.file(setup.trust)]),
    ...(psk ? ['-psk', psk.key.toString('hex'), '-psk_identity', psk.identity] : []),
    ...(psk?.hint === undefined ? [] : ['-psk_hint', psk.hint]),
    ...(mtu === undefined ? [] : ['-mtu', `${mtu}`]),
    ...(setup.extra ?? []),
  ];
}

const openssl: Foreign = {
  name: 'OpenSSL',
  programs: ['openssl'],
  clientName: 'openssl s_client',
  serverName: 'openssl s_server',
  serverEchoes: false,
  clientDistrust: 'unknown_ca',
  missingCertificate: 'handshake_failure',
  serverKnowsIdentities: false, // warns, and takes its one key all the same
  client(cleanup, files, port, setup) {
    return cleanup.start('openssl', [
      's_client',
      '-connect',
      `127.0.0.1:${port}`,
      ...opensslArguments(files, setup),
      ...(setup.trust === undefined ? [] : ['-verify_return_error', '-verify_ip', '127.0.0.1']),
    ]);
  },
  async server(cleanup, files, setup) {
    const port = await freePort();
    const peer = cleanup.start('openssl', [
      's_server',
      '-accept',
      `127.0.0.1:${port}`,
      '-naccept',
      '1',
      ...opensslArguments(files, setup),
      ...(setup.certificate === undefined ? ['-nocert'] : []),
      ...(setup.trust === undefined ? [] : ['-Verify', '2', '-verify_return_error']),
    ]);
    await peer.sees(/^ACCEPT/m);
    return { peer, port };
  },
  async cipher(peer) {
    // The server prints its summary when it ends, the client at once.
    const [, name] = await peer.sees(/^(?:New, TLSv1\.2, Cipher|CIPHER) is (\S+)/m);
    return name ?? '';
  },
  cipherName: ({ name }) => name,
  received: (description) => new RegExp(`SSL3 alert read:${ALERTS[description].words}`),
  sent: (description) => new RegExp(`SSL3 alert write:${ALERTS[description].words}`),
};

function gnutlsArguments(files: TemporaryFiles, setup: Setup): string[] {
  const { certificate, mtu, psk } = setup;
  const paths = certificate === undefined ? undefined : files.identity(certificate);
  const priority = [
    'NORMAL:-VERS-ALL:+VERS-DTLS1.2',
    ...(setup.suite
      ? [`-CIPHER-ALL:+${setup.suite.cipher}:-KX-ALL:+${setup.suite.keyExchange}`]
      : psk
        ? ['-KX-ALL:+PSK:+ECDHE-PSK']
        : []),
    ...(setup.priority ?? []),
  ];
  return [
    '--udp',
    '--debug=5', // says which suite it chose, and all alerts
    `--priority=${priority.join(':')}`,
    ...(paths ? [`--x509certfile=${paths.cert}`, `--x509keyfile=${paths.key}`] : []),
    ...(setup.trust === undefined ? [] : [`--x509cafile=${files.file(setup.trust)}`]),
    ...(mtu === undefined ? [] : [`--mtu=${mtu}`]),
    ...(setup.extra ?? []),
  ];
}

const gnutlsAlert = (description: Alert): string => {
  const { number } = ALERTS[description];
  return `Alert\\[${number === 0 ? 1 : 2}\\|${number}\\] - `;
};

const gnutls: Foreign = {
  name: 'GnuTLS',
  programs: ['gnutls-cli', 'gnutls-serv'],
  clientName: 'gnutls-cli',
  serverName: 'gnutls-serv',
  serverEchoes: true,
  clientDistrust: 'bad_certificate',
  missingCertificate: undefined, // falls silent
  serverKnowsIdentities: true,
  client(cleanup, files, port, setup) {
    const { psk } = setup;
    return cleanup.start('gnutls-cli', [
      ...gnutlsArguments(files, setup),
      ...(psk ? [`--pskusername=${psk.identity}`, `--pskkey=${psk.key.toString('hex')}`] : []),
      ...(setup.trust === undefined && psk === undefined ? ['--insecure'] : []),
      `--port=${port}`,
      '127.0.0.1',
    ]);
  },
  async server(cleanup, files, setup) {
    const port = await freePort();
    const { psk } = setup;
    const passwords = psk ? files.file(`${psk.identity}:${psk.key.toString('hex')}\n`) : '';
    const peer = cleanup.start('gnutls-serv', [
      ...gnutlsArguments(files, setup),
      '--echo',
      ...(setup.trust === undefined
        ? ['--disable-client-cert']
        : ['--require-client-cert', '--verify-client-cert']),
      ...(psk ? [`--pskpasswd=${passwords}`] : []),
      ...(psk?.hint === undefined ? [] : [`--pskhint=${psk.hint}`]),
      `--port=${port}`,
    ]);
    await peer.sees(/listening on IPv4 .*done/);
    return { peer, port };
  },
  async cipher(peer) {
    const [, name] = await peer.sees(/Selected cipher suite: GNUTLS_(\S+)/);
    return name ?? '';
  },
  cipherName: (suite) => suite.gnutls,
  received: (description) => new RegExp(`${gnutlsAlert(description)}.* - was received`),
  sent: (description) => new RegExp(`Sending ${gnutlsAlert(description)}`),
};

export const FOREIGN: readonly Foreign[] = [openssl, gnutls];

const NAMES = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] };

/** The certificates of all these tests come from here. */
export async function serverCertificate(
  keyType: KeyType = 'ecdsa-p256',
  more: { extraBytes?: number; notBefore?: Date; notAfter?: Date } = {},
): Promise<Certificate> {
  const authority = await createAuthority();
  return authority.issue({ commonName: 'interop server', keyType, ...NAMES, ...more });
}

export async function clientCertificate(
  keyType: KeyType = 'ecdsa-p256',
  more: { extraBytes?: number; notBefore?: Date; notAfter?: Date } = {},
): Promise<Certificate> {
  const authority = await createAuthority();
  return authority.issue({ commonName: 'interop client', keyType, clientAuth: true, ...more });
}
