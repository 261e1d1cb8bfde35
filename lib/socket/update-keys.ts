/** New keys in the middle of a session: DTLS 1.3, RFC 9147 section 8. */
import { checkNames, checkObject, flag } from '../checks/validate';
import { KeyUpdateOutcome } from '../core/outcomes';
import type { CoreSession } from '../endpoint/core-session';
import { notOpen, notUpdated } from './socket-errors';

export interface UpdateKeysOptions {
  /** Have the peer change the keys that it seals with, too. Default false. */
  peer?: boolean | undefined;
}

export function updateKeys(session: CoreSession | undefined, protocol: string | null, options: UpdateKeysOptions): boolean {
  checkObject('options', options);
  checkNames(options, ['peer']);
  const outcome = session?.updateKeys(flag('peer', options.peer, false)) ?? KeyUpdateOutcome.NotOpen;
  if (outcome === KeyUpdateOutcome.Sent) return true;
  if (outcome === KeyUpdateOutcome.UnderWay) return false;
  throw outcome === KeyUpdateOutcome.NotOpen ? notOpen('update keys') : notUpdated(outcome, protocol);
}
