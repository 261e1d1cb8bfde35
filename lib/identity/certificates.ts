/** Certificates as tls shows them. */
import type { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';

import { late, loadTls } from '../base/late';

/**
 * A certificate as tls shows it. Node's `toLegacyObject` loads a module that node:tls needs, and that needs node:tls:
 * where node:tls is not there first, it lacks `createSecureContext` from then on, for the whole program (Node 20 to 26).
 */
function legacyObject(certificate: X509Certificate): PeerCertificate {
  loadTls();
  return certificate.toLegacyObject();
}

/**
 * The first certificate of a chain, in which each is issued by the next, linked by `issuerCertificate`; a
 * root that issued itself is its own issuer.
 */
export function detailedCertificate(
  ders: readonly Buffer[],
): DetailedPeerCertificate | undefined {
  return ders.reduceRight<DetailedPeerCertificate | undefined>((issuer, der) => {
    const certificate = new late.crypto.X509Certificate(der);
    const legacy = legacyObject(certificate) as DetailedPeerCertificate;
    // Only the last one can be its own issuer: the chain ends there.
    const issuedBy = issuer ?? (isSelfSigned(certificate) ? legacy : undefined);
    if (issuedBy !== undefined) legacy.issuerCertificate = issuedBy;
    return legacy;
  }, undefined);
}

/** `checkIssued` alone says no to one whose key usage is not to sign certificates. */
const isSelfSigned = (certificate: X509Certificate): boolean =>
  certificate.checkIssued(certificate) ||
  (certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey));

export const plainCertificate = (der: Buffer | undefined): PeerCertificate | undefined =>
  der === undefined ? undefined : legacyObject(new late.crypto.X509Certificate(der));

/** Node offers no way to make a certificate that knows its issuer, so each gets the property. */
export function linkedCertificate(ders: readonly Buffer[]): X509Certificate | undefined {
  return ders.reduceRight<X509Certificate | undefined>((issuer, der) => {
    const certificate = new late.crypto.X509Certificate(der);
    Object.defineProperty(certificate, 'issuerCertificate', { value: issuer, configurable: true });
    return certificate;
  }, undefined);
}
