/** UDP by a socket of node:dgram. */
import type * as dgram from 'node:dgram';
import type { AddressInfo } from 'node:net';

import { kMovePeer, kOverUdp, kSendAside } from '../base/internals';
import { late } from '../base/late';
import type { Peer } from '../base/peer';
import { native } from '../core/native';
import { ioError, usageError, type DTLSError } from '../errors/errors';
import { errnoOf, systemError } from '../errors/system-error';
import { spelling } from './addresses';
import { refusals } from './refusals';
import type { DatagramTransport, DatagramReceiver } from './transport';

/** Bytes that may wait in the socket before `send` asks the caller to wait. */
const HIGH_WATER_MARK = 256 * 1024;

/**
 * node:dgram as a transport. An owned socket is closed with it; one that the user brought already bound
 * is only let go.
 */
export class DgramTransport implements DatagramTransport {
  readonly [kOverUdp] = true;
  readonly #socket: dgram.Socket;
  readonly #owned: boolean;
  readonly #anyAddress: boolean;
  #connectedTo: Peer | undefined;
  #receiver: DatagramReceiver | undefined;
  #congested = false;

  /** `anyAddress`: it was bound to no address of this host. */
  constructor(socket: dgram.Socket, owned: boolean, connectedTo?: Peer, anyAddress = false) {
    this.#socket = socket;
    this.#owned = owned;
    this.#anyAddress = anyAddress;
    this.#connectedTo = connectedTo ?? (owned ? undefined : remoteOf(socket));
  }

  start(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
    this.#socket.on('message', this.#onMessage);
    this.#socket.on('error', this.#onError);
    this.#socket.on('close', this.#onClose);
  }

  send(
    datagrams: readonly Uint8Array[],
    peer: Peer,
    done?: (error: Error | null) => void,
  ): boolean {
    const last = datagrams.length - 1;
    datagrams.forEach((datagram, index) => {
      const callback = index === last && done !== undefined ? this.#reporting(done) : this.#onSent;
      if (this.#connectedTo !== undefined) this.#socket.send(datagram, callback);
      else this.#socket.send(datagram, peer.port, peer.address, callback);
    });
    return this.#noticeQueue();
  }

  /** What is none of DTLS: nobody but `done` hears of its errors. */
  [kSendAside](datagram: Uint8Array, peer: Peer, done: (error: Error | null) => void): boolean {
    const sent = (error: Error | null): void => {
      this.#noticeRoom();
      done(error);
    };
    if (this.#connectedTo !== undefined) this.#socket.send(datagram, sent);
    else this.#socket.send(datagram, peer.port, this.#asItTakes(peer.address), sent);
    return this.#noticeQueue();
  }

  /** A socket of IPv6 takes an IPv4 address in the form in which it gives one. */
  #asItTakes(address: string): string {
    const { type } = this.#socket as dgram.Socket & { readonly type: dgram.SocketType };
    return type === 'udp6' && late.net.isIPv4(address) ? `::ffff:${address}` : address;
  }

  /** False when whoever sends should wait. */
  #noticeQueue(): boolean {
    if (!this.#congested && this.#socket.getSendQueueSize() > HIGH_WATER_MARK) this.#congested = true;
    return !this.#congested;
  }

  #noticeRoom(): void {
    // A socket that has closed calls back for what has not left, and has no queue that could be asked for.
    if (!this.#congested || bindingOf(this.#socket) === 'closed' || this.#socket.getSendQueueSize() !== 0) return;
    this.#congested = false;
    this.#receiver?.drain();
  }

  address(): AddressInfo {
    return this.#socket.address();
  }

  close(done: () => void): void {
    this.#receiver = undefined;
    this.#socket.off('message', this.#onMessage);
    this.#socket.off('close', this.#onClose);
    if (!this.#owned) {
      this.#socket.off('error', this.#onError);
      process.nextTick(done);
      return;
    }
    this.#closeWhenSent(done, 100);
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  /** Node would have to disconnect the socket before, and Linux then takes its port back. */
  [kMovePeer](peer: Peer): void {
    if (!this.#owned) {
      const refusal = elsewhere(this.#socket, peer); // its owner may have connected it to the new place
      if (refusal !== undefined) throw refusal;
      this.#connectedTo = remoteOf(this.#socket);
      return;
    }
    if (this.#connectedTo === undefined) return;
    const errno = native.reconnect(handleOf(this.#socket)?.fd ?? -1, peer.address, peer.port, this.#anyAddress);
    if (errno !== 0) throw systemError(errno, 'connect', peer.address, peer.port);
    this.#connectedTo = peer;
  }

  setDontFragment(on: boolean): boolean {
    const fd = handleOf(this.#socket)?.fd;
    if (fd === undefined || fd < 0) return false;
    return native.setDontFragment(fd, this.#socket.address().family === 'IPv6', on);
  }

  // Closing a libuv socket drops what waits in its queue, and the last thing in it is a close_notify.
  #closeWhenSent(done: () => void, turns: number): void {
    if (turns > 0 && this.#socket.getSendQueueCount() > 0) {
      setImmediate(() => {
        this.#closeWhenSent(done, turns - 1);
      });
      return;
    }
    this.#socket.close(done);
  }

  #reporting(done: (error: Error | null) => void): (error: Error | null) => void {
    return (error) => {
      this.#onSent(error);
      done(error);
    };
  }

  readonly #onSent = (error: Error | null): void => {
    if (error !== null) {
      noteRefusal(error);
      this.#receiver?.error(error, this.#connectedTo ?? peerOf(error));
    }
    this.#noticeRoom();
  };

  readonly #onMessage = (datagram: Buffer, info: dgram.RemoteInfo): void => {
    this.#receiver?.receive(datagram, info);
  };

  readonly #onError = (error: Error): void => {
    this.#receiver?.error(error, this.#connectedTo);
  };

  readonly #onClose = (): void => {
    this.#receiver?.closed();
  };
}

/** dgram says in the error itself whom it could not send to. */
function peerOf(error: Error): Peer | undefined {
  const { address, port } = error as Error & Partial<Peer>;
  if (address === undefined || port === undefined) return undefined;
  return { address, port, family: late.net.isIPv6(address) ? 'IPv6' : 'IPv4' };
}

/**
 * What `send` of dgram's calls back with is about its own datagram, unless the socket is connected: such a call may tell
 * what ICMP said of an earlier one, and its error names nobody.
 */
export function noteRefusal(error: Error): void {
  if (peerOf(error) !== undefined) refusals.add(error);
}

/** Sockets of createSocket: what goes over them is encrypted by them. */
export const encrypting = new WeakSet<dgram.Socket>();

/** The one peer of a socket that its owner has connected. */
export function remoteOf(socket: dgram.Socket): Peer | undefined {
  try {
    const { address, port } = socket.remoteAddress();
    return { address, port, family: late.net.isIPv6(address) ? 'IPv6' : 'IPv4' };
  } catch {
    return undefined; // it is not connected, or closed, which its owner's next call says
  }
}

const isAt = (remote: Peer, peer: Peer): boolean => remote.port === peer.port && spelling(remote.address) === spelling(peer.address);

/** Why a socket that its owner has connected is no way to that peer; undefined where it may be one. */
export function elsewhere(socket: dgram.Socket, peer: Peer): DTLSError | undefined {
  const remote = remoteOf(socket);
  return remote === undefined || isAt(remote, peer) ? undefined : connectedElsewhere(peer);
}

/** It is connected to another peer. */
export const connectedElsewhere = (peer: Peer): DTLSError =>
  ioError(
    systemError(errnoOf('EISCONN'), 'send', peer.address, peer.port),
    peer,
    "The dgram.Socket given as 'transport' is connected to another peer: disconnect() it, or use another one.",
  );

/** How far a socket is with its bind, in words of dgram's own. It tells the first and the last of these only by what `address()` throws. */
export function bindingOf(socket: dgram.Socket): 'bound' | 'binding' | 'unbound' | 'closed' {
  try {
    socket.address();
    return 'bound';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SOCKET_DGRAM_NOT_RUNNING') return 'closed';
    return stateOf(socket)?.bindState === BIND_STATE_BINDING ? 'binding' : 'unbound';
  }
}

/**
 * A port that workers of `node:cluster` share, as they do with plain UDP: any of them gets any datagram. The cluster
 * module gives the handle of such a socket a `close` of its own.
 */
export function isShared(socket: dgram.Socket): boolean {
  const handle = late.cluster.isWorker ? handleOf(socket) : undefined;
  return handle !== undefined && Object.hasOwn(handle, 'close');
}

export const sharedTransport = (): DTLSError =>
  usageError(
    'ERR_DTLS_UNSUPPORTED',
    "the dgram.Socket given as 'transport' shares its port with other workers of the cluster",
    "Any of them would get the datagrams of a session that lives in one: bind it with 'exclusive: true', or with 'reusePort', by which the system keeps each peer with one worker.",
  );

/** The number that Node's lib/dgram.js has for it. */
const BIND_STATE_BINDING = 1;

/** What Node moves datagrams with. */
interface DgramHandle {
  readonly fd?: number;
  recvStop?(): void;
  /** Returns the system's error number, or 0. */
  bind?(address: string, port: number, flags: number): number;
  bind6?(address: string, port: number, flags: number): number;
}

/**
 * Node has no option for the don't-fragment bit and no public way to a socket's descriptor; its getter
 * `_handle` warns (DEP0112). Undefined where Node keeps it elsewhere: what needs it then goes without.
 */
export function handleOf(socket: dgram.Socket): DgramHandle | undefined {
  return stateOf(socket)?.handle ?? undefined;
}

interface DgramState {
  readonly handle?: DgramHandle | null;
  readonly bindState?: number;
}

function stateOf(socket: dgram.Socket): DgramState | undefined {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  return key === undefined ? undefined : (socket as unknown as Record<symbol, DgramState | undefined>)[key];
}
