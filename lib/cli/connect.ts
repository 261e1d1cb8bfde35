import { renameSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { DTLSError } from '../errors/errors';
import type { DTLSSocket } from '../socket/socket';
import { clientOptions, readNamed, type Address, type ClientFlags } from './arguments';
import { ExitCode, fileError, interruption } from './exit';
import { Output, printableLine } from './output';
import { describeHandshake, explain, shakeHands } from './session';

export interface ConnectFlags extends ClientFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly linger: number;
  readonly sessOut?: string;
  readonly sessIn?: string;
}

export async function runConnect(target: Address, flags: ConnectFlags): Promise<number> {
  const output = new Output(flags.json === true);
  const draw = flags.quiet !== true;
  const options = {
    ...clientOptions(target, flags),
    ...(flags.sessIn === undefined ? {} : { session: readNamed('--sess-in', flags.sessIn) }),
  };
  let unwritten: Error | undefined;
  const onSession = (session: Buffer): void => {
    try {
      if (flags.sessOut !== undefined) keepSession(flags.sessOut, session);
    } catch (error) {
      unwritten ??= error as Error;
    }
  };
  const interrupted = interruption().then(() => 'interrupted' as const);
  try {
    const shaking = shakeHands(options, output, { draw, keylog: flags.keylog, onSession });
    const first = await Promise.race([shaking, interrupted]);
    if (first === 'interrupted') {
      shaking.then(({ socket }) => socket.close(), () => undefined);
      process.exit(ExitCode.Interrupted); // a handshake that nobody waits for any more
    }
    const { socket, report } = first;
    if (draw) describeHandshake(report, output);
    output.data({ event: 'secure', ...report });
    const code = await talk(socket, flags, output, interrupted);
    if (unwritten !== undefined) throw unwritten;
    return code;
  } catch (error) {
    if (explain(error, output)) return ExitCode.Failed;
    throw error;
  }
}

/** It holds the session's master secret: nobody else may read it, not even while it is written. */
function keepSession(file: string, session: Buffer): void {
  const fresh = `${file}.${String(process.pid)}`;
  try {
    writeFileSync(fresh, session, { mode: 0o600, flag: 'wx' });
    renameSync(fresh, file);
  } catch (error) {
    throw fileError('--sess-out', error, 'writing');
  }
}

/** What is left of the input when the server closes first. */
const cutShort = (): DTLSError =>
  new DTLSError('the server closed the session before the end of the input', {
    code: 'ERR_DTLS_NOT_OPEN',
    category: 'closed',
    hint: 'What is left of the input was not sent.',
  });

/** Lines go out, messages come in, until one of the two sides or the user ends it. */
function talk(
  socket: DTLSSocket,
  { linger }: ConnectFlags,
  output: Output,
  interrupted: Promise<'interrupted'>,
): Promise<number> {
  const lines = createInterface({ input: process.stdin, terminal: false });
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  const waitForMore = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => socket.close(), linger);
  };
  return new Promise((resolve) => {
    let code: number = ExitCode.Ok;
    const unsent = (error: Error): void => {
      output.failure(error);
      code = ExitCode.Failed;
    };
    lines.on('line', (line) => {
      if (line === '') return; // OpenSSL sends no empty records
      if (socket.readyState === 'closed') {
        if (code === ExitCode.Ok) unsent(cutShort());
        finish();
        return;
      }
      try {
        socket.send(line, (error) => {
          if (error !== null) unsent(error);
        });
      } catch (error) {
        unsent(error as Error); // larger than a record
      }
    });
    lines.once('close', () => {
      ended = true;
      if (socket.readyState === 'open') waitForMore();
      if (socket.readyState === 'closed') finish();
    });
    socket.on('message', (message) => {
      output.line(printableLine(message));
      output.data({ event: 'message', length: message.length, data: message.toString('base64'), text: message.toString() });
      if (ended) waitForMore();
    });
    socket.once('error', (error) => {
      output.failure(error);
      code = ExitCode.Failed;
    });
    socket.once('close', () => {
      clearTimeout(timer);
      // Who types has seen all that was sent. A pipe or a file may have more: its end, or what comes in its place, tells.
      if (ended || code !== ExitCode.Ok || process.stdin.isTTY) finish();
      else timer = setTimeout(() => { unsent(cutShort()); finish(); }, linger);
    });
    let finished = false;
    function finish(): void {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      lines.close();
      process.stdin.destroy();
      output.data({ event: 'close', stats: socket.stats });
      resolve(code);
    }
    void interrupted.then(() => {
      code = ExitCode.Interrupted;
      if (socket.readyState === 'closed') finish();
      else socket.close();
    });
  });
}
