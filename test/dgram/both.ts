/** The same program on a plain socket and on one that encrypts. */
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { within } from '../helpers/pair';
import { PSK, secure, track } from './support';

export type Make = (options?: Partial<dgram.SocketOptions>) => dgram.Socket;

export const plainSocket: Make = (options = {}) => track(dgram.createSocket({ type: 'udp4', ...options }));
export const secureSocket: Make = (options = {}) => secure(PSK, options);
export const both: [string, Make][] = [
  ['plain', plainSocket],
  ['secure', secureSocket],
];

/** What a call does, in a form that can be compared. */
export function outcome(call: () => unknown): unknown {
  try {
    const value = call();
    return value instanceof dgram.Socket ? 'this' : value;
  } catch (error) {
    const { name, code, message } = error as NodeJS.ErrnoException;
    return { name, code, message };
  }
}

/** The same program on both; what they saw must be the same. */
export async function same(program: (make: Make) => unknown): Promise<void> {
  const [plain, encrypting] = [await program(plainSocket), await program(secureSocket)];
  expect(encrypting).to.deep.equal(plain);
}

export const ended = (socket: dgram.Socket): Promise<unknown> => within(once(socket, 'close'), 'close');

export async function closedSocket(make: Make): Promise<dgram.Socket> {
  const socket = make();
  const end = ended(socket);
  socket.close();
  await end;
  return socket;
}
