/**
 * Protects: the types of certificates: what options take, what OCSP events carry; tls users' own listeners
 * fit. Checked by tsc, never run.
 */
import type { NonSharedBuffer } from '../../lib/base/non-shared-buffer';
import type { KeyObject, X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate } from 'node:tls';
import {
  connect,
  createSecureContext,
  createServer,
  features,
  type DTLSError,
  type DTLSServer,
  type DTLSSocket,
  type OcspCallback,
  type PeerFingerprint,
  type PfxObject,
  type PublicKey,
  type SecureContext,
} from '../../lib/index';
import { expectType } from './expect';

export function identities(pem: string, pfx: Buffer, object: PfxObject): void {
  createSecureContext({ cert: [pem, Buffer.from(pem)], key: [{ pem, passphrase: 'x' }, pem] });
  createSecureContext({ pfx, passphrase: 'x' });
  createSecureContext({ pfx: [pfx, object, { buf: pfx, passphrase: 'x' }] });
  // @ts-expect-error -- DER is no string
  createSecureContext({ pfx: 'pfx' });
}

export function peers(socket: DTLSSocket): void {
  expectType<DetailedPeerCertificate | Record<string, never>>()(socket.getPeerCertificate(true));
  expectType<X509Certificate | undefined>()(socket.getPeerX509Certificate());
}

export function ocsp(server: DTLSServer): void {
  server.on('OCSPRequest', (certificate, issuer, callback) => {
    expectType<NonSharedBuffer>()(certificate);
    expectType<NonSharedBuffer | null>()(issuer);
    expectType<OcspCallback>()(callback);
    callback(null, Buffer.alloc(1));
    callback(null, null);
    callback(new Error('no'));
    // @ts-expect-error -- not bytes
    callback(null, 'response');
  });
  connect({ port: 1, requestOCSP: true }).on('OCSPResponse', (response, waitUntil) => {
    expectType<NonSharedBuffer | null>()(response);
    waitUntil(Promise.resolve());
    // @ts-expect-error -- a verdict rejects; true may mean anything
    waitUntil(Promise.resolve(true));
  });
}

export function fingerprints(rtc: { algorithm: string; value: string }): void {
  const one: PeerFingerprint = 'sha-256 00';
  createServer({ peerFingerprints: rtc });
  connect({ port: 1, peerFingerprints: [one, rtc] });
  // @ts-expect-error -- neither a string nor an object
  connect({ port: 1, peerFingerprints: 7 });
}

export function reload(server: DTLSServer): void {
  server.watchSecureContext({ certFile: 'cert', keyFile: 'key', ciphers: 'x' }).close();
  // @ts-expect-error -- a file, not its content
  server.watchSecureContext({ cert: 'pem' });
  server.on('certificateExpiring', (certificate, left) => {
    expectType<X509Certificate>()(certificate);
    expectType<number>()(left);
  });
  server.on('secureContextReload', (context) => {
    expectType<SecureContext>()(context);
  });
  server.on('secureContextError', (error) => {
    expectType<DTLSError>()(error);
  });
}

export function rawPublicKeys(socket: DTLSSocket, key: KeyObject, pem: string): void {
  const one: PublicKey = key;
  createServer({ key: pem, rawPublicKey: true, peerPublicKeys: [one, pem] });
  connect({ port: 1, peerPublicKeys: Buffer.from(pem) });
  // @ts-expect-error -- a number is no key
  connect({ port: 1, peerPublicKeys: 7 });
  expectType<KeyObject | undefined>()(socket.getPeerPublicKey());
  expectType<boolean>()(features.rawPublicKeys);
}
