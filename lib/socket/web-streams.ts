/** A session's messages as Web Streams, each chunk one message. */
import type { ReadableStream, WritableStream } from 'node:stream/web';

import type { DTLSSocket } from '../base/dtls-socket';
import { kBorrowsMessages } from '../base/internals';
import { late } from '../base/late';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { isA } from '../errors/as-error';
import type { DTLSError } from '../errors/errors';
import { ownCopy } from '../base/memory';
import { notOpen } from './socket-errors';
import { checkNames, checkObject, integer } from '../checks/validate';

export interface WebStreamOptions {
  /** Bytes of messages that wait for the reader; what comes beyond is dropped. Default 1 MiB. */
  readableHighWaterMark?: number | undefined;
  /** Messages that wait for the session before the writer is asked to wait. Default 16. */
  writableHighWaterMark?: number | undefined;
}

/** What {@link DTLSSocket.toWeb} gives. */
export interface WebStreams {
  readonly readable: ReadableStream<NonSharedBuffer>;
  readonly writable: WritableStream<string | NodeJS.ArrayBufferView>;
  /** Messages that came while the reader's queue was full, and were dropped. */
  readonly dropped: number;
}

export function webStreams(socket: DTLSSocket, options: WebStreamOptions): WebStreams {
  checkObject('options', options);
  checkNames(options, ['readableHighWaterMark', 'writableHighWaterMark']);
  const { readableHighWaterMark, writableHighWaterMark } = options;
  const bytes = integer('readableHighWaterMark', readableHighWaterMark, 1 << 20, 1, 0xffffffff);
  const messages = integer('writableHighWaterMark', writableHighWaterMark, 16, 1, 0xffffffff);
  const incoming = readableOf(socket, bytes);
  return {
    readable: incoming.readable,
    writable: writableOf(socket, messages),
    get dropped() {
      return incoming.dropped();
    },
  };
}

/** The messages from now on. A peer cannot be asked to wait: what the reader leaves too long is lost. */
export function readableOf(
  socket: DTLSSocket,
  highWaterMark: number,
): { readable: ReadableStream<NonSharedBuffer>; dropped: () => number } {
  let dropped = 0;
  let stop = (): void => undefined;
  const readable = new late.webStreams.ReadableStream<NonSharedBuffer>(
    {
      start(controller) {
        const onMessage = (message: NonSharedBuffer): void => {
          if ((controller.desiredSize ?? 0) <= 0) dropped += 1;
          else controller.enqueue(socket[kBorrowsMessages] ? ownCopy(message) : message);
        };
        const onError = (error: DTLSError): void => {
          stop();
          controller.error(error);
        };
        let stopped = false;
        const onClose = (): void => {
          if (stopped) return; // of a socket that has closed it comes in a tick, which cannot be taken back
          stop();
          controller.close();
        };
        stop = () => {
          stopped = true;
          socket.off('message', onMessage);
          socket.off('error', onError);
          socket.off('close', onClose);
        };
        socket.on('error', onError);
        if (socket.readyState === 'closed') {
          socket.close(onClose); // its error may have yet to be told; where that is over, too, this calls back all the same
          return;
        }
        socket.on('message', onMessage);
        socket.on('close', onClose);
      },
      cancel() {
        stop();
      },
    },
    new late.webStreams.ByteLengthQueuingStrategy({ highWaterMark }),
  );
  return { readable, dropped: () => dropped };
}

function writableOf(
  socket: DTLSSocket,
  highWaterMark: number,
): WritableStream<string | NodeJS.ArrayBufferView> {
  let closing = false; // by the stream itself, which then ends well
  return new late.webStreams.WritableStream<string | NodeJS.ArrayBufferView>(
    {
      start(controller) {
        const ended = (): void => {
          if (!closing) controller.error(notOpen('write'));
        };
        socket.once('error', (error) => {
          controller.error(error);
        });
        if (socket.readyState === 'closed') ended();
        else socket.once('close', ended);
      },
      async write(message) {
        const more = await new Promise<boolean>((resolve, reject) => {
          const taken = socket.send(message, (error) => {
            if (error === null) resolve(taken); // called later
            else reject(error);
          });
        });
        if (!more && socket.readyState === 'open' && socket.writableNeedDrain) await drained(socket);
      },
      async close() {
        closing = true;
        await new Promise<void>((resolve) => {
          socket.close(resolve);
        });
      },
      abort(reason) {
        socket.destroy(isA(reason, Error) ? reason : undefined);
      },
    },
    new late.webStreams.CountQueuingStrategy({ highWaterMark }),
  );
}

function drained(socket: DTLSSocket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}
