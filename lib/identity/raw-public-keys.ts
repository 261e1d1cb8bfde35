/** Raw public keys (RFC 7250): keys without certificates, where OpenSSL has them. */
import type { KeyObject } from 'node:crypto';

import { late } from '../base/late';
import { asError } from '../errors/as-error';
import { usageError } from '../errors/errors';
import { native } from '../core/native';
import { bytes } from '../checks/validate';
import type { Bytes } from './types';

/** PEM, or a public `crypto.KeyObject`. */
export type PublicKey = Bytes | KeyObject;

export function requireRawPublicKeys(option: string): void {
  if (native.rawPublicKeys) return;
  throw usageError(
    'ERR_DTLS_UNSUPPORTED',
    `'${option}' needs raw public keys, which this OpenSSL (${native.openssl}) does not have`,
    "OpenSSL has them from 3.2 on, which Node has from 22.20 and 24.5 on; see 'features.rawPublicKeys'. Certificates do the same with 'peerFingerprints'.",
  );
}

/** SubjectPublicKeyInfo in DER, as it is on the wire. */
export function resolvePublicKeys(given: PublicKey | readonly PublicKey[]): Buffer[] {
  requireRawPublicKeys('peerPublicKeys');
  const all = (Array.isArray(given) ? given : [given]) as readonly PublicKey[];
  if (all.length === 0) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      "'peerPublicKeys' cannot be empty",
      'No key would do: leave it out, or name the keys of the peer.',
    );
  }
  return all.map((key) => {
    const object = key instanceof late.crypto.KeyObject ? key : parse(bytes('peerPublicKeys', key));
    if (object.type !== 'public') {
      throw usageError(
        'ERR_INVALID_ARG_VALUE',
        `'peerPublicKeys' cannot have a ${object.type} key`,
        object.type === 'private' ? PUBLIC_HALF : "A key that both sides have is 'psk'.",
      );
    }
    return object.export({ type: 'spki', format: 'der' });
  });
}

const PUBLIC_HALF = 'createPublicKey(it) of node:crypto makes the public key of it.';

function parse(pem: Buffer): KeyObject {
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      "'peerPublicKeys' has something that is no public key in PEM",
      /-----BEGIN (\w+ )?(PRIVATE KEY|CERTIFICATE)-----/.test(pem.toString('latin1'))
        ? PUBLIC_HALF
        : "It begins with '-----BEGIN PUBLIC KEY-----'.",
    );
  }
  try {
    return late.crypto.createPublicKey(pem);
  } catch (error) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'peerPublicKeys' has a key that cannot be read: ${asError(error).message}`,
      'What stands between the two lines is damaged, or of an algorithm that this OpenSSL does not have.',
    );
  }
}
