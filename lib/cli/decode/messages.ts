/** Bodies of handshake messages, and of records that are no handshake, in words. */
import { X509Certificate } from 'node:crypto';

import { AlertLevel, ContentType, HandshakeType, HeartbeatType, Version } from '../../base/protocol';
import { alertName } from '../../errors/names';
import {
  describeClientHello,
  describeExtensions,
  describeServerHello,
  readClientHello,
  readExtensions,
  readServerHello,
  text,
  type Fields,
} from './hello';
import { groupName, signatureName, versionName } from './names';
import { items, Malformed, Reader } from './reader';

function certificate(der: Buffer): Fields {
  try {
    const { subject, issuer, subjectAltName, validFrom, validTo } = new X509Certificate(der);
    return {
      subject: subject.replaceAll('\n', ', '),
      issuer: issuer.replaceAll('\n', ', '),
      ...(subjectAltName === undefined ? {} : { names: subjectAltName }),
      valid_from: validFrom,
      valid_to: validTo,
      length: der.length,
    };
  } catch {
    return { malformed: 'no X.509 certificate', length: der.length };
  }
}

export const certificateChain = (body: Buffer): Buffer[] =>
  items(new Reader(body).vector(3), (reader) => reader.vector(3));

/** What the ServerHello has agreed on: how the messages after it are to be read. */
export interface Agreed {
  readonly version: number;
  /** IANA's name. */
  readonly suite: string;
}

const NAMED_CURVE = 3;

const isPsk = (suite: string): boolean => /(^|_)PSK_/.test(suite);

/** Before TLS 1.2 signatures do not say how they were made (RFC 4346 section 7.4.3). */
const signatureAlgorithm = (reader: Reader, { version }: Agreed): Fields =>
  version !== Version.Dtls1 ? { signature_algorithm: signatureName(reader.number(2)) } : {};

/** RFC 5246 section 7.4.3, RFC 8422 section 5.4, RFC 4279 section 2. */
function serverKeyExchange(reader: Reader, agreed: Agreed): Fields {
  const { suite } = agreed;
  const hint = isPsk(suite) ? { psk_identity_hint: text(reader.vector(2)) } : {};
  let parameters: Fields = {};
  if (suite.includes('ECDH')) {
    const curveType = reader.number(1);
    if (curveType !== NAMED_CURVE) return { ...hint, curve_type: curveType };
    parameters = { curve: groupName(reader.number(2)), public_length: reader.vector(1).length };
  } else if (suite.includes('DHE_') || suite.includes('DH_anon')) {
    const p = reader.vector(2);
    reader.vector(2);
    parameters = { prime_length: p.length, public_length: reader.vector(2).length };
  }
  if (isPsk(suite) || suite.includes('anon') || reader.left === 0) return { ...hint, ...parameters };
  const algorithm = signatureAlgorithm(reader, agreed);
  return { ...hint, ...parameters, ...algorithm, signature_length: reader.vector(2).length };
}

/** RFC 5246 section 7.4.7. */
function clientKeyExchange(reader: Reader, { suite }: Agreed): Fields {
  const identity = isPsk(suite) ? { psk_identity: text(reader.vector(2)) } : {};
  if (suite.includes('ECDH')) return { ...identity, public_length: reader.vector(1).length };
  if (suite.includes('DHE_') || suite.includes('DH_anon')) {
    return { ...identity, public_length: reader.vector(2).length };
  }
  if (suite.includes('RSA_')) return { ...identity, encrypted_secret_length: reader.vector(2).length };
  return identity;
}

/** Messages that DTLS 1.3 has in a form of its own: RFC 8446 sections 4.3 to 4.6. */
function fields13(type: number, body: Buffer): Fields | undefined {
  const reader = new Reader(body);
  switch (type) {
    case HandshakeType.EncryptedExtensions:
      return { extensions: describeExtensions(readExtensions(reader, false)) };
    case HandshakeType.Certificate: {
      const context = reader.vector(1).toString('hex');
      const certificates = items(reader.vector(3), (one) => {
        const der = one.vector(3);
        one.vector(2);
        return certificate(der);
      });
      return { certificate_request_context: context, certificates };
    }
    case HandshakeType.CertificateRequest: {
      const context = reader.vector(1).toString('hex');
      return { certificate_request_context: context, extensions: describeExtensions(readExtensions(reader, true)) };
    }
    case HandshakeType.NewSessionTicket: {
      const lifetime = reader.number(4);
      const ageAdd = reader.number(4);
      const nonce = reader.vector(1).toString('hex');
      return { lifetime, age_add: ageAdd, nonce, ticket_length: reader.vector(2).length };
    }
    case HandshakeType.KeyUpdate:
      return { request_update: reader.number(1) === 1 };
    default:
      return undefined;
  }
}

/** The fields of a message; `undefined` where there is nothing to say beside its length. */
function fields(type: number, body: Buffer, agreed: Agreed | undefined): Fields | undefined {
  const newer = agreed?.version === Version.Dtls13 ? fields13(type, body) : undefined;
  if (newer !== undefined) return newer;
  const reader = new Reader(body);
  switch (type) {
    case HandshakeType.ClientHello:
      return describeClientHello(readClientHello(body));
    case HandshakeType.ServerHello:
      return describeServerHello(readServerHello(body));
    case HandshakeType.HelloVerifyRequest:
      return { version: versionName(reader.number(2)), cookie: reader.vector(1).toString('hex') };
    case HandshakeType.NewSessionTicket:
      return { lifetime_hint: reader.number(4), ticket_length: reader.vector(2).length };
    case HandshakeType.Certificate:
      return { certificates: certificateChain(body).map(certificate) };
    case HandshakeType.ServerKeyExchange:
      return agreed === undefined ? undefined : serverKeyExchange(reader, agreed);
    case HandshakeType.CertificateRequest: {
      const types = [...reader.vector(1)];
      const algorithms =
        agreed?.version === Version.Dtls12
          ? { signature_algorithms: items(reader.vector(2), (one) => signatureName(one.number(2))) }
          : {};
      return {
        certificate_types: types,
        ...algorithms,
        authorities: items(reader.vector(2), (one) => one.vector(2)).length,
      };
    }
    case HandshakeType.CertificateVerify:
      if (agreed === undefined) return undefined;
      return { ...signatureAlgorithm(reader, agreed), signature_length: reader.vector(2).length };
    case HandshakeType.ClientKeyExchange:
      return agreed === undefined ? undefined : clientKeyExchange(reader, agreed);
    case HandshakeType.Finished:
      return { verify_data: body.toString('hex') };
    default:
      return undefined;
  }
}

/** `agreed`: undefined where the capture does not show the ServerHello. */
export function describeMessage(type: number, body: Buffer, agreed?: Agreed): Fields | undefined {
  try {
    return fields(type, body, agreed);
  } catch (error) {
    if (error instanceof Malformed) return { malformed: error.message };
    throw error;
  }
}

const levelName = (level: number | undefined): string | number | undefined =>
  level === AlertLevel.Fatal ? 'fatal' : level === AlertLevel.Warning ? 'warning' : level;
const heartbeatName = (type: number | undefined): string | number | undefined =>
  type === HeartbeatType.Request ? 'request' : type === HeartbeatType.Response ? 'response' : type;

/** The records that arrived, as epoch and number: RFC 9147 section 7. */
function ack(content: Buffer): Fields {
  try {
    const numbers = items(new Reader(content).vector(2), (reader) => {
      const epoch = reader.bytes(8).readBigUInt64BE();
      return `${String(epoch)}/${String(reader.bytes(8).readBigUInt64BE())}`;
    });
    return { record_numbers: numbers };
  } catch (error) {
    if (error instanceof Malformed) return { malformed: error.message };
    throw error;
  }
}

/** Content of records that are in clear, or were decrypted; handshake records are told apart before. */
export function describeContent(type: number, content: Buffer): Fields {
  switch (type) {
    case ContentType.ChangeCipherSpec:
      return {};
    case ContentType.Alert:
      if (content.length !== 2) return { malformed: `an alert of ${String(content.length)} bytes` };
      return {
        alert: {
          level: levelName(content[0]),
          description: alertName(content[1] ?? 0),
          code: content[1],
        },
      };
    case ContentType.Ack:
      return ack(content);
    case ContentType.Heartbeat: {
      if (content.length < 3) return { malformed: 'a heartbeat without its header' };
      const payload = content.readUInt16BE(1);
      return {
        heartbeat: {
          type: heartbeatName(content[0]),
          payload_length: payload,
          padding_length: content.length - 3 - payload,
          // The shape of Heartbleed: more is claimed than there is (RFC 6520 section 4).
          ...(payload + 3 + 16 > content.length ? { malformed: 'payload_length beyond the message' } : {}),
        },
      };
    }
    default:
      return { data: content.toString('hex') };
  }
}
