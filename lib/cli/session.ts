/** A client's handshake as the commands watch it: drawn, timed, and explained when it fails. */
import { connect } from '../socket/connect';
import type { DTLSError } from '../errors/errors';
import { page } from '../errors/manual';
import { printable } from '../errors/printable';
import type { ConnectOptions } from '../options/types';
import type { DTLSSocket } from '../socket/socket';
import { keylogWriter } from './keylog';
import { drawHead, drawRung, type Rung } from './ladder';
import { describeError, type ErrorDescription, type Output } from './output';
import { counted } from './counted';

interface WatchOptions {
  readonly draw: boolean;
  readonly keylog: string | undefined;
  /** Called with each session that could be resumed: the last one counts. */
  readonly onSession?: ((session: Buffer) => void) | undefined;
}

interface HandshakeReport {
  readonly peer: string;
  readonly duration: number;
  readonly protocol: string | null;
  readonly cipher: string | null;
  readonly standardCipher: string | null;
  readonly key: string | null;
  readonly resumed: boolean;
  readonly authorized: boolean;
  readonly authorizationError: string | null;
  readonly alpn: string | null;
  readonly srtp: string | null;
  readonly certificate: { subject: string; issuer: string; names: string | null; validTo: string } | null;
  readonly retransmissions: number;
}

/** What was seen before it failed. */
interface Diagnosis extends ErrorDescription {
  readonly seen: string;
  readonly manual: string;
}

class HandshakeFailure extends Error {
  override readonly cause: DTLSError;
  readonly diagnosis: Diagnosis;
  constructor(cause: DTLSError, diagnosis: Diagnosis) {
    super(cause.message);
    this.cause = cause;
    this.diagnosis = diagnosis;
  }
}

/**
 * Connects and waits for the end of the handshake.
 *
 * @throws {@link HandshakeFailure}, or a CommandLineError for a key log that cannot be written.
 */
export function shakeHands(
  options: ConnectOptions,
  output: Output,
  { draw, keylog, onSession }: WatchOptions,
): Promise<{ socket: DTLSSocket; report: HandshakeReport }> {
  const logKeys = keylog === undefined ? undefined : keylogWriter(keylog, output);
  const started = performance.now();
  const socket = connect(options);
  const rungs: Rung[] = [];
  let headed = false;
  const rung = (one: Rung): void => {
    rungs.push(one);
    if (!draw || output.json) return;
    if (!headed) {
      headed = true;
      const to = `${socket.remoteAddress ?? options.host ?? ''}:${String(options.port)}`;
      output.note(drawHead('client', to));
    }
    output.note(drawRung(one, output.errorColors));
  };
  const at = (): number => performance.now() - started;
  socket.on('handshake', ({ direction, message, length, retransmit }) => {
    const label = `${message} ${String(length)}${retransmit ? ' again' : ''}`;
    rung({ at: at(), direction, label, ...(retransmit ? { tone: 'again' } : {}) });
    if (draw) output.data({ event: 'handshake', at: at(), direction, message, length, retransmit });
  });
  socket.on('alert', ({ direction, level, description }) => {
    rung({ at: at(), direction, label: `alert: ${level} ${description}`, tone: 'alert' });
    if (draw) output.data({ event: 'alert', at: at(), direction, level, description });
  });
  if (logKeys !== undefined) socket.on('keylog', logKeys);
  if (onSession !== undefined) socket.on('session', onSession);
  return new Promise((resolve, reject) => {
    const failed = (error: DTLSError): void => {
      reject(new HandshakeFailure(error, diagnose(error, rungs, socket, at())));
    };
    socket.once('error', failed);
    socket.once('secureConnect', () => {
      socket.off('error', failed);
      resolve({ socket, report: reportOf(socket, at()) });
    });
    socket.once('close', (hadError) => {
      if (!hadError) reject(new Error('the session was closed in the handshake'));
    });
  });
}

function reportOf(socket: DTLSSocket, duration: number): HandshakeReport {
  const cipher = socket.getCipher();
  const certificate = socket.getPeerX509Certificate();
  const key = socket.getEphemeralKeyInfo();
  return {
    peer: `${socket.remoteAddress ?? ''}:${String(socket.remotePort ?? '')}`,
    duration,
    protocol: socket.getProtocol(),
    cipher: cipher?.name ?? null,
    standardCipher: cipher?.standardName ?? null,
    key: key?.name ?? key?.type ?? null,
    resumed: socket.isSessionReused(),
    authorized: socket.authorized,
    authorizationError: socket.authorizationError,
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : null,
    srtp: socket.getSrtp()?.profile ?? null,
    certificate:
      certificate === undefined
        ? null
        : {
            subject: certificate.subject,
            issuer: certificate.issuer,
            names: certificate.subjectAltName ?? null,
            validTo: certificate.validTo,
          },
    retransmissions: socket.stats.retransmissions,
  };
}

function diagnose(
  error: DTLSError,
  rungs: readonly Rung[],
  socket: DTLSSocket,
  duration: number,
): Diagnosis {
  const last = rungs.filter(({ direction }) => direction === 'in').at(-1);
  const { retransmissions, datagramsReceived } = socket.stats;
  const heard =
    datagramsReceived === 0
      ? 'nothing came back'
      : `${counted(datagramsReceived, 'datagram')} came back, the last message was ${last?.label ?? 'unreadable'}`;
  return {
    ...describeError(error),
    seen: `after ${(duration / 1000).toFixed(1)} s: ${heard}; ${counted(retransmissions, 'message was', 'messages were')} sent again`,
    manual: `${page('errors')}, ${error.code}`,
  };
}

/** Prints why a handshake failed; returns false for an error that is none of a handshake. */
export function explain(error: unknown, output: Output): boolean {
  if (!(error instanceof HandshakeFailure)) return false;
  if (output.json) {
    output.data({ error: error.diagnosis });
    return true;
  }
  output.failure(error.cause);
  const { seen, manual } = error.diagnosis;
  output.note(`${output.errorColors.dim('seen:')}  ${seen}`);
  output.note(`${output.errorColors.dim('more:')}  ${manual}`);
  return true;
}

export function describeHandshake(report: HandshakeReport, output: Output): void {
  const { green, red, bold } = output.errorColors;
  const trust = report.authorized
    ? green('verified')
    : red(`not verified${report.authorizationError === null ? '' : `: ${printable(report.authorizationError)}`}`);
  output.note(
    `${bold(report.protocol ?? '')} ${report.cipher ?? ''}` +
      `${report.key === null ? '' : `, ${report.key}`}${report.resumed ? ', resumed' : ''} with ${report.peer} in ${report.duration.toFixed(1)} ms, peer ${trust}`,
  );
  if (report.certificate !== null) {
    const { subject, names, validTo } = report.certificate;
    const named = `${subject.replaceAll('\n', ', ')}${names === null ? '' : ` (${names})`}`;
    output.note(`certificate: ${printable(named)}, until ${validTo}`);
  }
  if (report.alpn !== null) output.note(`application protocol: ${printable(report.alpn)}`);
  if (report.srtp !== null) output.note(`SRTP profile: ${report.srtp}`);
}
