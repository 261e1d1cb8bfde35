/** Hellos and their extensions: RFC 5246 section 7.4.1, RFC 6347 section 4.2.1. */
import { extensionName, ExtensionType, groupName, signatureName, srtpName, versionName } from './names';
import { items, Malformed, Reader } from './reader';
import { suiteName } from './suites';

export interface Extension {
  readonly type: number;
  readonly name: string;
  readonly length: number;
  /** What it says, where this program can read it. */
  readonly value?: string | string[];
  readonly data: Buffer;
}

export interface ClientHello {
  readonly version: number;
  readonly random: Buffer;
  readonly sessionId: Buffer;
  readonly cookie: Buffer;
  readonly suites: number[];
  readonly compression: number[];
  readonly extensions: Extension[];
}

export interface ServerHello {
  readonly version: number;
  readonly random: Buffer;
  readonly sessionId: Buffer;
  readonly suite: number;
  readonly compression: number;
  readonly extensions: Extension[];
}

const numbers = (bytes: Buffer, size: 1 | 2): number[] => items(bytes, (reader) => reader.number(size));

export const text = (bytes: Buffer): string => bytes.toString('latin1').replace(/[^\x20-\x7e]/g, '.');

/** The values of extensions are read as a service: one that is malformed is still an extension. */
function extensionValue(type: number, data: Buffer, fromClient: boolean): string | string[] | undefined {
  const reader = new Reader(data);
  switch (type) {
    case ExtensionType.ServerName:
      return data.length === 0
        ? undefined
        : items(reader.vector(2), (name) => {
            name.number(1);
            return text(name.vector(2));
          });
    case ExtensionType.MaxFragmentLength:
      return String(2 ** (8 + reader.number(1)));
    case ExtensionType.SupportedGroups:
      return numbers(reader.vector(2), 2).map(groupName);
    case ExtensionType.EcPointFormats:
      return numbers(reader.vector(1), 1).map((format) => (format === 0 ? 'uncompressed' : String(format)));
    case ExtensionType.SignatureAlgorithms:
      return numbers(reader.vector(2), 2).map(signatureName);
    case ExtensionType.UseSrtp:
      return numbers(reader.vector(2), 2).map(srtpName);
    case ExtensionType.Heartbeat: {
      const mode = reader.number(1);
      return mode === 1 ? 'peer_allowed_to_send' : mode === 2 ? 'peer_not_allowed_to_send' : String(mode);
    }
    case ExtensionType.Alpn:
      return items(reader.vector(2), (name) => text(name.vector(1)));
    case ExtensionType.RecordSizeLimit:
      return String(reader.number(2));
    case ExtensionType.SupportedVersions:
      return fromClient ? numbers(reader.vector(1), 2).map(versionName) : versionName(reader.number(2));
    case ExtensionType.KeyShare:
      return fromClient
        ? items(reader.vector(2), (share) => {
            const group = groupName(share.number(2));
            share.vector(2);
            return group;
          })
        : groupName(reader.number(2));
    case ExtensionType.ConnectionId:
      return reader.vector(1).toString('hex');
    default:
      return undefined;
  }
}

export function readExtensions(reader: Reader, fromClient: boolean): Extension[] {
  if (reader.left === 0) return [];
  return items(reader.vector(2), (one) => {
    const type = one.number(2);
    const data = one.vector(2);
    let value: string | string[] | undefined;
    try {
      value = extensionValue(type, data, fromClient);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      value = `malformed: ${error.message}`;
    }
    const name = extensionName(type);
    return { type, name, length: data.length, data, ...(value === undefined ? {} : { value }) };
  });
}

export function readClientHello(body: Buffer): ClientHello {
  const reader = new Reader(body);
  return {
    version: reader.number(2),
    random: reader.bytes(32),
    sessionId: reader.vector(1),
    cookie: reader.vector(1),
    suites: numbers(reader.vector(2), 2),
    compression: numbers(reader.vector(1), 1),
    extensions: readExtensions(reader, true),
  };
}

/** What a HelloRetryRequest has in the place of its random: RFC 8446 section 4.1.3. */
const RETRY_RANDOM = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex');

export const isHelloRetryRequest = ({ random }: ServerHello): boolean => random.equals(RETRY_RANDOM);

/** The version that the server chose: supported_versions has it from DTLS 1.3 on (RFC 8446 section 4.2.1). */
export function chosenVersion({ version, extensions }: ServerHello): number {
  const chosen = extensions.find(({ type }) => type === ExtensionType.SupportedVersions)?.data;
  return chosen?.length === 2 ? chosen.readUInt16BE(0) : version;
}

export function readServerHello(body: Buffer): ServerHello {
  const reader = new Reader(body);
  return {
    version: reader.number(2),
    random: reader.bytes(32),
    sessionId: reader.vector(1),
    suite: reader.number(2),
    compression: reader.number(1),
    extensions: readExtensions(reader, false),
  };
}

export type Fields = Record<string, unknown>;

export const describeExtensions = (extensions: readonly Extension[]): Fields[] =>
  extensions.map(({ type, name, length, value }) => ({
    type,
    name,
    length,
    ...(value === undefined ? {} : { value }),
  }));

export function describeClientHello(hello: ClientHello): Fields {
  return {
    version: versionName(hello.version),
    random: hello.random.toString('hex'),
    session_id: hello.sessionId.toString('hex'),
    cookie: hello.cookie.toString('hex'),
    cipher_suites: hello.suites.map(suiteName),
    compression_methods: hello.compression,
    extensions: describeExtensions(hello.extensions),
  };
}

export function describeServerHello(hello: ServerHello): Fields {
  return {
    ...(isHelloRetryRequest(hello) ? { hello_retry_request: true } : {}),
    version: versionName(hello.version),
    random: hello.random.toString('hex'),
    session_id: hello.sessionId.toString('hex'),
    cipher_suite: suiteName(hello.suite),
    compression_method: hello.compression,
    extensions: describeExtensions(hello.extensions),
  };
}
