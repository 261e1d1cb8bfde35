/** Which transport carries the datagrams, and the options of a UDP socket. */
import type * as dgram from 'node:dgram';

import { usageError, type DTLSError } from '../errors/errors';
import { bindingOf, encrypting } from '../transport/dgram';
import { hasNativeUdp } from '../transport/native-udp';
import type { TransportOption, UdpSocketOptions } from './types';
import { isDgramSocket, isTransport, type DatagramTransport } from '../transport/transport';
import { abortSignal, flag, optionalInteger, wrongType } from '../checks/validate';

export interface ResolvedUdp {
  readonly transport: 'native' | 'dgram' | dgram.Socket | DatagramTransport;
  readonly reuseAddr: boolean;
  readonly reusePort: boolean;
  readonly ipv6Only: boolean;
  readonly recvBufferSize: number | undefined;
  readonly sendBufferSize: number | undefined;
  readonly signal: AbortSignal | undefined;
}

function supportsReusePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}

/** `DGRAM_DTLS_TRANSPORT=dgram` says it for a whole process: the tests run over both. */
export function automaticTransport(): 'native' | 'dgram' {
  const wanted = process.env.DGRAM_DTLS_TRANSPORT ?? '';
  if (!['', 'auto', 'native', 'dgram'].includes(wanted)) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `the environment variable DGRAM_DTLS_TRANSPORT cannot be '${wanted}'`,
      "Use 'auto', 'native' or 'dgram', or unset it.",
    );
  }
  if (wanted === 'native' && !hasNativeUdp) throw noNativeUdp('the environment variable DGRAM_DTLS_TRANSPORT');
  return hasNativeUdp && wanted !== 'dgram' ? 'native' : 'dgram';
}

const noNativeUdp = (what: string): DTLSError =>
  usageError(
    'ERR_DTLS_UNSUPPORTED',
    `${what} cannot be 'native' on ${process.platform}`,
    "It needs Linux; 'auto' takes what there is.",
  );

/** What `transport` is bound with; dgram of older Nodes would leave it out in silence. */
export function checkReusePort(given: boolean | undefined, transport: ResolvedUdp['transport']): boolean {
  const reusePort = flag('reusePort', given, false);
  if (reusePort && transport !== 'native' && !supportsReusePort()) {
    throw usageError(
      'ERR_DTLS_UNSUPPORTED',
      `'reusePort' is not supported by node:dgram of Node ${process.versions.node}`,
      "Use Node 22.12 or later, or on Linux 'transport: 'native''.",
    );
  }
  return reusePort;
}

export const closedTransport = (): DTLSError =>
  usageError(
    'ERR_DTLS_TRANSPORT_NOT_BOUND',
    "the dgram.Socket given as 'transport' is closed",
    'Bind another one, and close it when all that goes over it is over.',
  );

export function resolveUdp(options: UdpSocketOptions & { transport?: TransportOption | undefined }): ResolvedUdp {
  const transport = options.transport ?? 'auto';
  if (transport === 'native' && !hasNativeUdp) throw noNativeUdp("'transport'");
  if (transport !== 'auto' && transport !== 'dgram' && transport !== 'native') {
    if (typeof transport === 'string') {
      throw usageError(
        'ERR_INVALID_ARG_VALUE',
        `'transport' cannot be '${String(transport)}'`,
        "Use 'auto', 'native', 'dgram', a bound dgram.Socket, or an object with start, send, address and close.",
      );
    }
    if (!isDgramSocket(transport) && !isTransport(transport)) {
      const attaches = typeof (transport as { attach?: unknown } | null)?.attach === 'function';
      throw wrongType(
        'transport',
        "'auto', 'native', 'dgram', a dgram.Socket or a DatagramTransport",
        transport,
        attaches ? "A Link of dgram-dtls/lab is none, and makes them: pass what its attach(address, port) returns." : undefined,
      );
    }
    if (!isTransport(transport) && encrypting.has(transport)) {
      throw usageError(
        'ERR_INVALID_ARG_VALUE',
        "'transport' is a socket of createSocket(), which shakes hands and encrypts by itself",
        'Use its send() and its events, or pass a plain dgram.Socket.',
      );
    }
    if (!isTransport(transport) && bindingOf(transport) === 'closed') throw closedTransport();
  }
  const chosen = transport === 'auto' ? automaticTransport() : transport;
  return {
    transport: chosen,
    reuseAddr: flag('reuseAddr', options.reuseAddr, false),
    reusePort: checkReusePort(options.reusePort, chosen),
    ipv6Only: flag('ipv6Only', options.ipv6Only, false),
    recvBufferSize: optionalInteger('recvBufferSize', options.recvBufferSize),
    sendBufferSize: optionalInteger('sendBufferSize', options.sendBufferSize),
    signal: abortSignal('signal', options.signal),
  };
}
