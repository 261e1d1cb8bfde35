export {
  connect,
  createSecureContext,
  DTLSEndpoint,
  DTLSSecureContext,
  DTLSSession,
  listen,
} from './index.js';
export type * from './index.js';
