/** The UDP socket in C++: moves many datagrams with one system call and wakes JavaScript once for all of them. */
import type { AddressInfo } from 'node:net';

import { late } from '../base/late';
import type { Peer } from '../base/peer';
import { native, type NativeEndpoint, type NativeUdpSocket, type UdpStats } from '../core/native';
import { outbox, turns } from '../core/outbox';
import { systemError } from '../errors/system-error';
import { checkNetPermission } from './permission';
import { sendBatch } from '../core/send-batch';
import type { Driver, DriverHost } from './driver';
import type { UdpOptions } from './transport';

/** Bytes that may wait in the queue before `send` asks the caller to wait. */
const HIGH_WATER_MARK = 256 * 1024;
/** How often, and how many milliseconds apart, close() tries to send what the system does not take. */
const CLOSE_TURNS = 100;
const CLOSE_PAUSE = 10;

const toPeer = ([address, port, ipv6]: [string, number, boolean]): Peer => ({
  address,
  port,
  family: ipv6 ? 'IPv6' : 'IPv4',
});

function nativeSocket(): NonNullable<typeof native.UdpSocket> {
  if (native.UdpSocket === undefined) throw new Error('there is no native UDP socket on this platform');
  return native.UdpSocket;
}

/** Whether this platform has the native UDP socket. */
export const hasNativeUdp = native.UdpSocket !== undefined;

/**
 * The native UDP socket as a driver: it brings datagrams to the core by itself, and sends what the core has to send,
 * without a call of JavaScript's for any of them.
 */
export class NativeDriver implements Driver {
  readonly overUdp = true;
  readonly gathers = true;
  readonly answersWhileClosing = true;
  readonly #queued: Uint32Array; // what waits: bytes, datagrams
  readonly #socket: NativeUdpSocket;
  #core: NativeEndpoint | undefined;
  #host: DriverHost | undefined;
  /** It was bound to no address of this host. */
  readonly #anyAddress: boolean;
  #connected = false;
  #sendScheduled = false;
  #closed = false;

  private constructor(socket: NativeUdpSocket, queued: Uint32Array, anyAddress: boolean) {
    this.#socket = socket;
    this.#queued = queued;
    this.#anyAddress = anyAddress;
  }

  /**
   * Binds at once, or takes what is bound.
   *
   * @throws What the system says, with `code`, `errno` and `syscall`; `ERR_ACCESS_DENIED`.
   */
  static bind(options: UdpOptions): NativeDriver {
    const UdpSocket = nativeSocket();
    const queued = new Uint32Array(2);
    const address = options.address ?? (options.family === 6 ? '::' : '0.0.0.0');
    checkNetPermission(address);
    const { fd, recvBufferSize = 0, sendBufferSize = 0 } = options;
    const buffers = { receiveBuffer: recvBufferSize, sendBuffer: sendBufferSize };
    try {
      const socket =
        fd !== undefined
          ? new UdpSocket({ kind: 'adopt', descriptor: fd, ...buffers }, queued)
          : new UdpSocket(
              {
                kind: 'bind',
                address,
                port: options.port,
                ipv6Only: options.ipv6Only,
                reuseAddress: options.reuseAddr,
                reusePort: options.reusePort,
                ...buffers,
              },
              queued,
            );
      return new NativeDriver(socket, queued, options.address === undefined);
    } catch (error) {
      const { errno, syscall } = error as { errno: number; syscall: string };
      if (fd !== undefined) throw systemError(errno, syscall);
      throw systemError(errno, syscall, address, options.port);
    }
  }

  /**
   * Takes a second descriptor of a socket that is bound: its owner goes on configuring it, and must not receive any more.
   *
   * @throws What the system says, when there can be no second descriptor.
   */
  static share(descriptor: number): NativeDriver {
    const UdpSocket = nativeSocket();
    const queued = new Uint32Array(2);
    try {
      return new NativeDriver(new UdpSocket({ kind: 'share', descriptor }, queued), queued, false);
    } catch (error) {
      const { errno, syscall } = error as { errno: number; syscall: string };
      throw systemError(errno, syscall);
    }
  }

  /** @throws What the system says. */
  connect(peer: Peer): void {
    const errno = this.#socket.connect(peer.address, peer.port);
    if (errno !== 0) throw systemError(errno, 'connect', peer.address, peer.port);
    this.#connected = true;
  }

  /** What waits leaves before, as far as the system takes it: the rest is for the peer all the same. */
  move(peer: Peer): void {
    if (!this.#connected) return;
    this.#flush();
    const errno = native.reconnect(this.#socket.descriptor(), peer.address, peer.port, this.#anyAddress);
    if (errno !== 0) throw systemError(errno, 'connect', peer.address, peer.port);
  }

  setTtl(ttl: number): void {
    const errno = this.#socket.setTtl(ttl);
    if (errno !== 0) throw systemError(errno, 'setsockopt');
  }

  start(host: DriverHost): void {
    this.#host = host;
    this.#core = host.core;
    this.#socket.attach(
      host.core,
      outbox.native,
      () => {
        host.noticeListeners();
      },
      () => {
        host.wake();
      },
    );
  }

  block(isBlocked: ((address: string) => boolean) | undefined): void {
    if (this.#closed) return;
    this.#socket.block(
      isBlocked &&
        ((...addresses) => {
          let which = 0;
          for (let at = 0; at < addresses.length; ++at) if (isBlocked(addresses[at] ?? '')) which |= 1 << at;
          return which;
        }),
    );
  }

  peerAt(index: number): Peer | undefined {
    const peer = this.#socket.peer(index);
    return peer === undefined ? undefined : toPeer(peer);
  }

  indexOf({ address, port }: Peer): number {
    return this.#socket.indexOf(address, port);
  }

  sendUnprotected(datagram: Uint8Array, { address, port }: Peer, token: number): number {
    return this.#socket.sendUnprotected(address, port, datagram, token);
  }

  counters(): UdpStats {
    return this.#socket.counters();
  }

  get congested(): boolean {
    return (this.#queued[0] ?? 0) > HIGH_WATER_MARK;
  }

  /** Nothing waits. */
  get #idle(): boolean {
    return this.#queued[1] === 0 && !sendBatch.holds(this.#core);
  }

  get queuedBytes(): number {
    this.#encrypt();
    return this.#queued[0] ?? 0;
  }

  get queuedDatagrams(): number {
    this.#encrypt();
    return this.#queued[1] ?? 0;
  }

  /** Messages become datagrams, which wait. */
  #encrypt(): void {
    if (sendBatch.holds(this.#core)) sendBatch.flush();
  }

  #flush(): void {
    this.#encrypt();
    if (this.#queued[1] !== 0) this.#socket.flush(); // by their number: one may be empty
  }

  sendNow(): void {
    this.#flush();
    if (this.#host?.awaitsDrain !== true || this.queuedDatagrams !== 0) return;
    process.nextTick(() => {
      if (this.queuedDatagrams === 0) this.#host?.drain();
    });
  }

  /** What one tick sends leaves together, as does what the handlers of one wake-up and their ticks send. */
  sendSoon(): void {
    if (this.congested) this.#host?.flush();
    if (this.#sendScheduled || this.#idle) return;
    turns.later(this.#sendScheduledNow);
    this.#sendScheduled = true; // and not before: a timeout of node:vm may end this call in the middle
  }

  readonly #sendScheduledNow = (): void => {
    this.#sendScheduled = false;
    this.#host?.flush();
  };

  /** @throws What the system says, once the socket is closed. */
  address(): AddressInfo {
    try {
      return toPeer(this.#socket.address());
    } catch (error) {
      const { errno, syscall } = error as { errno: number; syscall: string };
      throw systemError(errno, syscall);
    }
  }

  /** What cannot be sent within a second is given up, and told. */
  close(done: () => void): void {
    if (this.#closed) {
      process.nextTick(done);
      return;
    }
    this.#closed = true;
    this.#closeWhenSent(done, CLOSE_TURNS);
  }

  /** Closes now. What the system has not taken by then is reported as refused (ECANCELED). */
  shut(): void {
    this.#closed = true;
    this.#socket.close();
  }

  #closeWhenSent(done: () => void, attempts: number): void {
    this.#flush();
    if (attempts > 0 && this.#queued[1] !== 0) {
      setTimeout(() => {
        this.#closeWhenSent(done, attempts - 1);
      }, CLOSE_PAUSE);
      return;
    }
    this.#socket.close();
    process.nextTick(done);
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  setDontFragment(on: boolean): boolean {
    if (this.#closed) return false;
    return native.setDontFragment(this.#socket.descriptor(), late.net.isIPv6(this.address().address), on);
  }
}
