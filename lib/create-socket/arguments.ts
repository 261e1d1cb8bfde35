/** The arguments of dgram's `send`, in all the forms that it takes, with the errors that it throws. */
import { bytesOf } from '../base/memory';
import { badPort, invalidArgType, plain, type NodeError } from '../errors/node-errors';

export type SendCallback = (error: Error | null, bytes: number) => void;

interface SendArguments {
  /** The parts of one message; not copied. */
  readonly parts: readonly Buffer[];
  /** Undefined on a connected socket. */
  readonly port: number | undefined;
  readonly address: string | undefined;
  readonly callback: SendCallback | undefined;
}

const MESSAGE_TYPES = 'of type string or an instance of Buffer, TypedArray, or DataView';

function partOf(value: unknown): Buffer | undefined {
  if (typeof value === 'string') return Buffer.from(value);
  return ArrayBuffer.isView(value) ? bytesOf(value) : undefined;
}

function slice(message: unknown, offset: unknown, length: unknown): Buffer {
  const whole = partOf(message);
  if (whole === undefined) throw invalidArgType('buffer', MESSAGE_TYPES, message);
  const start = Number(offset) >>> 0;
  const size = Number(length) >>> 0;
  const outside = (name: string): NodeError =>
    Object.assign(new RangeError(`"${name}" is outside of buffer bounds`), {
      code: 'ERR_BUFFER_OUT_OF_BOUNDS',
    });
  if (start > whole.length) throw outside('offset');
  if (start + size > whole.length) throw outside('length');
  return whole.subarray(start, start + size);
}

function parsePort(port: unknown): number {
  const number = typeof port === 'string' && port.trim() !== '' ? Number(port) : port;
  if (typeof number !== 'number' || number !== number >>> 0 || number > 0xffff || number === 0) {
    throw badPort('Port', port);
  }
  return number;
}

/** send(msg[, offset, length][, port][, address][, callback]) */
export function parseSend(args: readonly unknown[], connected: boolean): SendArguments {
  const [, offset, length] = args;
  let [message, , , port, address, callback] = args;
  if (!connected) {
    if (Boolean(address) || (Boolean(port) && typeof port !== 'function')) {
      message = slice(message, offset, length);
    } else {
      callback = port;
      port = offset;
      address = length;
    }
  } else {
    if (typeof length === 'number') {
      message = slice(message, offset, length);
      if (typeof port === 'function') {
        callback = port;
        port = null;
      }
    } else {
      callback = offset;
    }
    if (Boolean(port) || Boolean(address)) {
      throw plain('ERR_SOCKET_DGRAM_IS_CONNECTED', 'Already connected');
    }
  }
  const parts: Buffer[] = [];
  for (const given of Array.isArray(message) ? Array.from(message as unknown[]) : [message]) {
    const part = partOf(given);
    if (part === undefined) {
      throw Array.isArray(message)
        ? invalidArgType('buffer list arguments', MESSAGE_TYPES, message)
        : invalidArgType('buffer', MESSAGE_TYPES, message);
    }
    parts.push(part);
  }
  const checkedPort = connected ? undefined : parsePort(port);
  if (typeof callback !== 'function') callback = undefined;
  if (typeof address === 'function') {
    callback = address;
    address = undefined;
  } else if (address !== undefined && address !== null && typeof address !== 'string') {
    throw invalidArgType('address', 'of type string', address);
  }
  return {
    parts,
    port: checkedPort,
    address: typeof address === 'string' && address !== '' ? address : undefined,
    callback: callback as SendCallback | undefined,
  };
}
