import { kPeer } from '../base/internals';
import { addressOf } from '../diagnostics/channels';
import { generateCertificate } from '../identity/generate-certificate';
import { printable } from '../errors/printable';
import { createServer, type DTLSServer } from '../server/server';
import { serverOptions, type Address, type SecurityFlags } from './arguments';
import { ExitCode, interruption } from './exit';
import { keylogWriter } from './keylog';
import { Onlookers } from './onlookers';
import { describeError, Output, printableLine } from './output';

export interface ListenFlags extends SecurityFlags {
  readonly json?: boolean;
  readonly echo?: boolean;
  /** Messages, and what goes wrong; nothing about sessions that are opened and closed. */
  readonly quiet?: boolean;
}

export async function runListen(where: Address, flags: ListenFlags): Promise<number> {
  const output = new Output(flags.json === true);
  const quiet = flags.quiet === true;
  const options = serverOptions(flags);
  const logKeys = flags.keylog === undefined ? undefined : keylogWriter(flags.keylog, output);
  if (flags.cert === undefined && flags.psk === undefined) {
    const { cert, key } = await generateCertificate({ days: 1 });
    Object.assign(options, { cert, key });
    if (!quiet) output.note('a self-signed certificate for localhost was made for this run');
  }
  const server = createServer(options);
  const onlookers = new Onlookers(quiet, (text) => {
    output.note(output.errorColors.dim(text));
  });
  if (logKeys !== undefined) server.on('keylog', logKeys);
  serve(server, flags, output, onlookers);
  await listening(server, where);
  const address = server.address();
  if (address !== null) {
    const { address: host, port } = address;
    if (!quiet) output.note(`listening on ${host}, port ${String(port)}`);
    output.data({ event: 'listening', address: host, port });
  }
  const failed = new Promise<Error>((resolve) => server.once('error', resolve));
  const ended = await Promise.race([interruption(), failed]);
  onlookers.end();
  if (ended instanceof Error) output.failure(ended);
  await server[Symbol.asyncDispose]();
  if (ended instanceof Error) return ExitCode.Failed;
  output.data({ event: 'close', stats: server.stats });
  return ended === 'SIGINT' ? ExitCode.Interrupted : ExitCode.Ok;
}

/** Resolves when the server listens; throws when it cannot. */
export function listening(server: DTLSServer, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function serve(server: DTLSServer, { echo, quiet = false }: ListenFlags, output: Output, onlookers: Onlookers): void {
  const { dim, red, green } = output.errorColors;
  server.on('secureConnection', (socket) => {
    const peer = addressOf(socket[kPeer]);
    const cipher = socket.getCipher()?.name ?? '';
    if (!quiet) {
      output.note(green(`${peer} connected`) + `: ${socket.getProtocol() ?? ''} ${cipher}`);
      output.data({ event: 'secure', peer, protocol: socket.getProtocol(), cipher, authorized: socket.authorized });
    }
    socket.on('message', (message) => {
      output.line(`${output.colors.dim(`${peer}:`)} ${printableLine(message)}`);
      output.data({ event: 'message', peer, length: message.length, data: message.toString('base64'), text: message.toString() });
      if (echo === true && message.length > 0) socket.send(message);
    });
    socket.on('error', (error) => {
      output.note(`${peer}: ${printable(error.message)}`);
    });
    socket.on('close', (hadError) => {
      if (quiet) return;
      output.note(dim(`${peer} closed`));
      output.data({ event: 'close', peer, hadError });
    });
  });
  server.on('dtlsClientError', (error, socket) => {
    const peer = addressOf(socket[kPeer]);
    const described = describeError(error);
    output.data({ event: 'failed', peer, error: described });
    const left = error.alert === 'user_canceled';
    if (onlookers.takes(socket[kPeer].address, error.code, left)) return;
    // The client has seen enough, as `scan` has: nothing is wrong, and there is nothing to be done about it.
    if (left) {
      if (!quiet) output.note(dim(`${peer} left in its handshake (user_canceled)`));
      return;
    }
    output.note(`${red(`${peer} failed`)}: ${printable(error.message)} [${error.code}]`);
    if (described.hint !== undefined) output.note(`${dim('hint:')} ${printable(described.hint)}`);
  });
}
