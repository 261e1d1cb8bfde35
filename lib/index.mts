export {
  connect,
  createSecureContext,
  createServer,
  DEFAULT_CIPHERS,
  DTLSError,
  DTLSServer,
  DTLSSocket,
  features,
  SecureContext,
} from './index.js';
export type * from './index.js';
