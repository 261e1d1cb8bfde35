/** Bodies of handshake messages, and of records that are no handshake, in words. */
import { X509Certificate } from 'node:crypto';

import { alertName } from '../../names';
import { describeClientHello, describeServerHello, readClientHello, readServerHello, type Fields } from './hello';
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

/** The fields of a message; `undefined` where there is nothing to say beside its length. */
function fields(type: number, body: Buffer): Fields | undefined {
  const reader = new Reader(body);
  switch (type) {
    case 1:
      return describeClientHello(readClientHello(body));
    case 2:
      return describeServerHello(readServerHello(body));
    case 3:
      return { version: versionName(reader.number(2)), cookie: reader.vector(1).toString('hex') };
    case 4:
      return { lifetime_hint: reader.number(4), ticket_length: reader.vector(2).length };
    case 11:
      return { certificates: certificateChain(body).map(certificate) };
    case 12:
      // Named curves only: what else there is depends on the suite.
      return body[0] === 3 ? { curve: groupName(body.readUInt16BE(1)) } : undefined;
    case 13: {
      const types = [...reader.vector(1)];
      const algorithms = items(reader.vector(2), (one) => signatureName(one.number(2)));
      return {
        certificate_types: types,
        signature_algorithms: algorithms,
        authorities: items(reader.vector(2), (one) => one.vector(2)).length,
      };
    }
    case 15:
      return { signature_algorithm: signatureName(reader.number(2)), signature_length: reader.vector(2).length };
    case 20:
      return { verify_data: body.toString('hex') };
    default:
      return undefined;
  }
}

export function describeMessage(type: number, body: Buffer): Fields | undefined {
  try {
    return fields(type, body);
  } catch (error) {
    // RangeError: a Buffer was read beyond its end.
    if (error instanceof Malformed || error instanceof RangeError) return { malformed: error.message };
    throw error;
  }
}

/** Content of records that are in clear, or were decrypted; handshake records are told apart before. */
export function describeContent(type: number, content: Buffer): Fields {
  switch (type) {
    case 20:
      return {};
    case 21:
      if (content.length !== 2) return { malformed: `an alert of ${String(content.length)} bytes` };
      return {
        alert: {
          level: content[0] === 2 ? 'fatal' : content[0] === 1 ? 'warning' : content[0],
          description: alertName(content[1] ?? 0),
          code: content[1],
        },
      };
    case 24: {
      if (content.length < 3) return { malformed: 'a heartbeat without its header' };
      const payload = content.readUInt16BE(1);
      return {
        heartbeat: {
          type: content[0] === 1 ? 'request' : content[0] === 2 ? 'response' : content[0],
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
