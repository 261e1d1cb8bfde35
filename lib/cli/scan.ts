import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

import { addressOf } from '../diagnostics/channels';
import { ioError } from '../errors/errors';
import { printable } from '../errors/printable';
import { destinationOf } from '../transport/destination';
import type { Address } from './arguments';
import { counted } from './counted';
import { ExitCode, interruption } from './exit';
import { Output } from './output';
import { adviceOn, type Advice } from './scan/advice';
import { NoSurvey, Survey, type Report } from './scan/survey';

export interface ScanFlags {
  readonly json?: boolean;
  readonly servername?: string;
  readonly alpn?: string[];
  readonly most: number;
  readonly pace: number;
  readonly strict?: boolean;
}

export async function runScan(target: Address, flags: ScanFlags): Promise<number> {
  const output = new Output(flags.json === true);
  const stop = new AbortController();
  void interruption().then(() => {
    stop.abort();
  });
  const host = target.host ?? 'localhost';
  const progress = output.progress(1, 'handshakes');
  let seen = 0;
  try {
    const { address: found, family } = await lookup(host);
    const address = destinationOf(found);
    const survey = new Survey(
      { address, port: target.port, family: family === 6 ? 6 : 4 },
      {
        servername: flags.servername ?? (isIP(host) === 0 ? host : undefined),
        alpn: flags.alpn,
        most: flags.most,
        pace: flags.pace,
        signal: stop.signal,
        onHandshake: (expected) => {
          seen += 1;
          progress.expect(Math.max(expected, seen));
          progress.advance();
        },
      },
    );
    const report = await survey.run();
    progress.done();
    const advice = adviceOn(report);
    const peer = addressOf({ address, port: target.port, family: family === 6 ? 'IPv6' : 'IPv4' });
    output.data({ peer, ...report, advice });
    if (!output.json) print(peer, report, advice, output);
    const must = advice.some(({ level }) => level === 'must');
    return flags.strict === true && must ? ExitCode.Failed : ExitCode.Ok;
  } catch (error) {
    progress.done();
    if (stop.signal.aborted) return ExitCode.Interrupted;
    const isSystem = error instanceof Error && 'errno' in error;
    if (!isSystem && !(error instanceof NoSurvey)) throw error;
    output.failure(isSystem ? ioError(error) : error);
    return ExitCode.Failed;
  }
}

const orNone = (list: readonly string[]): string => (list.length === 0 ? 'none' : list.join(', '));

/** Yes, no, or not asked. */
const yes = (value: boolean | null): string => (value === null ? '-' : value ? 'yes' : 'no');

function print(peer: string, report: Report, advice: readonly Advice[], output: Output): void {
  const { bold, red, yellow, green, dim } = output.colors;
  const { cookie, extensions, flight } = report;
  output.line(bold(peer));
  for (const { version, suites, serverDecides } of report.versions) {
    const order = serverDecides === null ? '' : serverDecides ? ", the server's order decides" : ", the client's order decides";
    output.line(`\n${bold(version)}, ${counted(suites.length, 'suite')}${order}`);
    for (const suite of suites) output.line(`  ${suite}`);
  }
  if (report.dtls13.length > 0) {
    output.line(`\n${bold('DTLS 1.3')}, ${String(report.dtls13.length)} suites`);
    for (const suite of report.dtls13) output.line(`  ${suite}`);
  }
  for (const { version, suites } of report.untried) {
    const why = version === null ? 'never offered by a scan' : `${version}: not tried, --most was reached`;
    output.line(`\n${dim(`${why}, ${counted(suites.length, 'suite')}`)}`);
    for (const suite of suites) output.line(dim(`  ${suite}`));
  }
  output.line();
  output.table(
    ['', ''],
    [
      ['groups', orNone(report.groups)],
      ...(report.primeBits === null ? [] : [['DHE prime', `${String(report.primeBits)} bits`]]),
      ['signatures', orNone(report.signatures)],
      ['cookie', cookie.asked ? `${String(cookie.length)} bytes, ${cookie.verified === null ? 'not tried' : cookie.verified ? 'verified' : 'not verified'}` : 'none'],
      ['before the cookie', `${String(cookie.answer)} bytes for a hello of ${String(cookie.hello)}`],
      ['first flight', `${counted(flight.datagrams, 'datagram')}, the largest ${String(flight.largest)} bytes`],
      ['fragmented hello', yes(report.fragmentedHello)],
      ['extended master secret', yes(extensions.extendedMasterSecret)],
      ['encrypt-then-MAC', yes(extensions.encryptThenMac)],
      ['renegotiation info', yes(extensions.renegotiationInfo)],
      ['session tickets', yes(extensions.sessionTicket)],
      ['session ids', yes(extensions.sessionId)],
      ['heartbeats', extensions.heartbeat ?? 'no'],
      ['max_fragment_length', yes(extensions.maxFragmentLength)],
      ['SRTP', extensions.srtp ?? 'no'],
      ['application protocol', extensions.alpn ?? 'none'],
      ['compression', yes(report.compression)],
      ['client certificate', report.clientCertificate ? 'asked for' : 'not asked for'],
      ...(report.pskHint === null ? [] : [['PSK hint', report.pskHint]]),
    ].map((row) => row.map(printable)),
  );
  for (const one of report.certificates) {
    const size = one.bits === null ? '' : ` ${String(one.bits)} bits`;
    output.line(`\n${bold('certificate')} ${printable(one.subject)}${one.names === null ? '' : ` (${printable(one.names)})`}`);
    output.line(`  ${printable(one.key)}${size}, signed with ${printable(one.signature)} by ${one.selfSigned ? 'itself' : printable(one.issuer)}`);
    output.line(`  from ${one.validFrom} until ${one.validTo}, ${String(one.chain)} in the chain`);
  }
  output.line();
  if (advice.length === 0) output.line(green('Nothing to complain of.'));
  for (const { level, about, advice: text, source } of advice) {
    const mark = level === 'must' ? red('must') : yellow('should');
    output.line(`${mark}  ${bold(printable(about))}: ${text} ${dim(`(${source})`)}`);
  }
  const unfinished = report.complete ? '' : '; --most was reached, there may be more';
  output.note(dim(`${counted(report.handshakes, 'handshake was', 'handshakes were')} begun${unfinished}`));
}
