import { createInterface } from 'node:readline';

import type { DTLSSocket } from '../socket';
import { clientOptions, type Address } from './arguments';
import type { ConnectFlags } from './connect-command';
import { ExitCode, interruption } from './exit';
import { Output, printable } from './output';
import { describeHandshake, explain, shakeHands } from './session';

export async function runConnect(target: Address, flags: ConnectFlags): Promise<number> {
  const output = new Output(flags.json === true);
  const draw = flags.quiet !== true;
  const interrupted = interruption().then(() => 'interrupted' as const);
  try {
    const shaking = shakeHands(clientOptions(target, flags), output, { draw, keylog: flags.keylog });
    const first = await Promise.race([shaking, interrupted]);
    if (first === 'interrupted') {
      shaking.then(({ socket }) => socket.close(), () => undefined);
      process.exit(ExitCode.Interrupted); // a handshake that nobody waits for any more
    }
    const { socket, report } = first;
    if (draw) describeHandshake(report, output);
    output.data({ event: 'secure', ...report });
    return await talk(socket, flags, output, interrupted);
  } catch (error) {
    if (explain(error, output)) return ExitCode.Failed;
    throw error;
  }
}

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
    lines.on('line', (line) => {
      if (line === '') return; // OpenSSL sends no empty records
      socket.send(line, (error) => {
        if (error !== null) output.failure(error);
      });
    });
    lines.once('close', () => {
      ended = true;
      if (socket.readyState === 'open') waitForMore();
    });
    socket.on('message', (message) => {
      output.line(printable(message.toString()));
      output.data({ event: 'message', length: message.length, data: message.toString('base64'), text: message.toString() });
      if (ended) waitForMore();
    });
    socket.once('error', (error) => {
      output.failure(error);
      code = ExitCode.Failed;
    });
    socket.once('close', () => {
      clearTimeout(timer);
      lines.close();
      process.stdin.destroy();
      output.data({ event: 'close', stats: socket.stats });
      resolve(code);
    });
    void interrupted.then(() => {
      code = ExitCode.Interrupted;
      socket.close();
    });
  });
}
