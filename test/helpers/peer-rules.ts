/** Rules by peer in tests: answers one after the other, certificates and their fingerprints, and a peer that is refused. */
import { X509Certificate } from 'node:crypto';
import type { ConnectOptions, DTLSError, DTLSServer, Peer, PeerOptions } from '../../lib/index';
import { dial, failure, next } from './pair';

interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** One answer for each handshake, in their order; beyond the last one peers are refused. */
export const inTurn =
  (...answers: (PeerOptions | null)[]) =>
  (): PeerOptions | null | undefined =>
    answers.shift();

/** Of SHA-256, as SDP has it. */
export const fingerprintOf = ({ cert }: Credentials): string => `sha-256 ${new X509Certificate(cert).fingerprint256}`;
/** A fingerprint that no certificate has. */
export const NOBODYS = `sha-256 ${'AB:'.repeat(31)}AB`;
export const identityOf = ({ cert, key }: Credentials): Credentials => ({ cert, key });

/** A peer for whom the server gets no rules: what the server hears of that, and what the client does, which gets no answer. */
export async function withoutRules(
  server: DTLSServer,
  options: Partial<ConnectOptions>,
): Promise<{ error: DTLSError; peer: Peer; client: DTLSError }> {
  const heard = next(server, 'peerError');
  const ended = failure(await dial(server, { handshakeTimeout: 150, ...options }));
  const [error, peer] = await heard;
  return { error, peer, client: await ended };
}
