/** Protects: the ways in which a CommonJS module imports the package. Checked by tsc, never run. */
import assigned = require('../../lib/index');
import { connect, createServer, type DTLSSocket, type ServerOptions } from '../../lib/index';

export const options: ServerOptions = { pskCallback: () => null };
export const server: assigned.DTLSServer = createServer(options);
export const socket: DTLSSocket = connect({ port: 5684 });
export const same: typeof connect = assigned.connect;
export const error: assigned.DTLSErrorCategory = 'io';

// The ES module can be loaded from here as well.
export const later = import('../../lib/index.mjs').then((module) => module.createServer(options));
