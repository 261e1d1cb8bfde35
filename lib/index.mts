export {
  connect,
  createSecureContext,
  createServer,
  createSocket,
  DEFAULT_CIPHERS,
  DTLSError,
  DTLSServer,
  DTLSSocket,
  features,
  generateCertificate,
  SecureContext,
  SecureDgramSocket,
} from './index.js';
export type * from './index.js';
