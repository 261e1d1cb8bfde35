/** Which peers that begin have this side's own key: a key that `pskCallback` gives for another identity is not that. */
import { late } from '../base/late';
import { bytes } from '../checks/validate';
import type { ClientPskCallback, PskCredentials, ServerOptions, ServerPskCallback } from '../options/types';
import type { DTLSSocket } from '../socket/socket';

export interface OwnKey {
  /** What the server asks. */
  readonly pskCallback: ServerOptions['pskCallback'];
  /** Whether a peer that began by a key has shown that it has the one with which this side would have begun. */
  readonly isShownBy: (session: DTLSSocket) => boolean;
}

/** `asked` gives the keys of peers, and `own` this side's. */
export function ownKey(asked: ServerPskCallback, own: ClientPskCallback | PskCredentials | undefined, credentials: ClientPskCallback | undefined): OwnKey {
  // A function says only when it is asked, and to whom, which key this side has.
  if (own === undefined || typeof own === 'function' || credentials === undefined) return { pskCallback: asked, isShownBy: () => false };
  const { identity, psk } = credentials('') as PskCredentials;
  const [name, key] = [bytes('identity', identity), bytes('psk', psk)];
  const shown = new WeakSet<DTLSSocket>();
  const note = <T>(session: DTLSSocket, asIdentity: string | Buffer, answer: T): T => {
    const isKey = typeof answer === 'string' || ArrayBuffer.isView(answer);
    if (isKey && name.equals(bytes('identity', asIdentity)) && same(key, bytes('psk', answer))) shown.add(session);
    else shown.delete(session);
    return answer;
  };
  return {
    pskCallback: (session, asIdentity) => {
      const answer = asked(session, asIdentity);
      return isPromise(answer) ? Promise.resolve(answer).then((key) => note(session, asIdentity, key)) : note(session, asIdentity, answer);
    },
    isShownBy: (session) =>
      session.pskIdentity !== null && name.equals(bytes('identity', session.pskIdentity)) && shown.has(session),
  };
}

const same = (a: Buffer, b: Buffer): boolean => a.length === b.length && late.crypto.timingSafeEqual(a, b);

const isPromise = <T>(value: T | PromiseLike<T>): value is PromiseLike<T> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
