/** What a peer can be known by without an authority, and when rules within a server's rules put an authority in its place. */

export const PROOFS = ['peerFingerprints', 'peerPublicKeys'] as const;

type Bag = Readonly<Record<string, unknown>>;

/**
 * The rules name an authority, and no fingerprint: that says whom to trust as well, and would not be asked beside the
 * fingerprints of the server. As these had a certificate demanded, the authority is to judge one then.
 */
export const byAuthority = (own: Bag, beneath: Bag): boolean =>
  own.ca !== undefined &&
  PROOFS.some((name) => beneath[name] !== undefined) &&
  PROOFS.every((name) => own[name] === undefined);
