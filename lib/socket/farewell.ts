/** How this side ends a session: what it says to the peer. */
import type { CoreSession } from '../endpoint/core-session';

export type Farewell = (session: CoreSession) => void;

export const NOTIFYING: Farewell = (session) => {
  session.close(true);
};
export const SILENTLY: Farewell = (session) => {
  session.close(false);
};
export const REFUSING_STAPLE: Farewell = (session) => {
  session.refuseStaple();
};
