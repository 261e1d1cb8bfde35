/**
 * Protects: the types of resumption: events, their callbacks, keys and sessions. Checked by tsc, never run.
 */
import type { NonSharedBuffer } from '../../lib/base/non-shared-buffer';
import { connect, type DTLSServer, type DTLSSocket, type ResumeSessionCallback } from '../../lib/index';
import { expectType } from './expect';

export function stores(server: DTLSServer, sessions: Map<string, Buffer>): void {
  server.on('newSession', (id, session, callback) => {
    expectType<NonSharedBuffer>()(id);
    expectType<NonSharedBuffer>()(session);
    expectType<() => void>()(callback);
    callback();
  });
  server.on('resumeSession', (id, callback) => {
    expectType<NonSharedBuffer>()(id);
    expectType<ResumeSessionCallback>()(callback);
    callback(null, sessions.get(id.toString('hex')));
    callback(null, null);
    callback(null, new Uint8Array(1));
    callback(new Error('no'));
    callback();
    // @ts-expect-error -- bytes, not text
    callback(null, 'session');
  });
  expectType<NonSharedBuffer>()(server.getTicketKeys());
  server.setTicketKeys(new Uint8Array(48));
  // @ts-expect-error -- bytes, not text
  server.setTicketKeys('x');
}

export function sockets(socket: DTLSSocket): void {
  socket.on('session', (session) => {
    expectType<NonSharedBuffer>()(session);
    connect({ port: 5684, session });
  });
  expectType<NonSharedBuffer | undefined>()(socket.getSession());
  expectType<NonSharedBuffer | undefined>()(socket.getTLSTicket());
  expectType<boolean>()(socket.isSessionReused());
  connect({ port: 5684, session: socket.getSession() });
}
