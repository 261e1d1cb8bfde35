/**
 * Protects: that a handler or a callback which throws harms nobody but itself: its error is reported as Node reports
 * it, once, to no transport and no other call of the user's; the others have their events, callbacks are called,
 * sessions are released and ports closed.
 */
import { expect } from 'chai';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { run } from '../helpers/child';
import { patience } from '../helpers/patience';

const CLOSED = 'the server has closed';

/** What each program of the fixture logs, in any order. */
const programs: readonly [name: string, sentence: string, log: readonly string[]][] = [
  ['messages', "a 'messages' handler that throws makes no session deaf", ['messages', 'abc', 'abc', CLOSED]],
  ['close', "a 'close' handler that throws keeps neither session nor port", ['close', '0 sessions', CLOSED, 'the port is free']],
  ['error', "an 'error' handler that throws keeps neither session nor port", ['error', '0 sessions', CLOSED, 'the port is free']],
  [
    'dtlsClientError',
    "a 'dtlsClientError' handler that throws keeps neither session nor port",
    ['dtlsClientError', '0 sessions', CLOSED, 'the port is free'],
  ],
  ['elsewhere', "server.close() calls back though another's handler throws in the same tick", ['close', CLOSED]],
  ['sendCallback', 'a callback of send that throws while its server closes takes no other along', ['the callback', '5 callbacks', CLOSED]],
  [
    'answers',
    'what handlers throw after an answer that came later is reported, and no event comes inside the answer',
    ['handshake', 'secureConnection', CLOSED],
  ],
  ['secureConnect', "the server hears of a session whose 'secureConnect' handler throws", ['secureConnect', 'secureConnection', CLOSED]],
  ['drain', "a 'drain' handler that throws takes nobody's drain along, and the transport hears nothing of it", ['drain', '3 drained', CLOSED]],
  ['batch', 'a transport that delivers in a loop hears of no handler that throws', ['message', '3 messages', CLOSED]],
  ['peerError', "a 'peerError' handler that throws leaves no callback without its call", ['peerError', '2 callbacks, 0 waiting']],
  [
    'watch',
    'handlers of what watchSecureContext has found that throw do not end the watch',
    ['secureContextReload', 'secureContextError', 'secureContextReload', 'secureContextError', CLOSED],
  ],
];

describe('a handler that throws', function () {
  this.timeout(patience(30_000));

  for (const transport of hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const)) {
    describe(`over ${transport}`, () => {
      let logs: Record<string, string[]> = {};
      before(async () => {
        const { code, signal, stdout, stderr } = await run('throwing-handlers.ts', [transport, ...programs.map(([name]) => name)]);
        expect({ code, signal, stderr }, stdout).to.deep.equal({ code: 0, signal: null, stderr: '' });
        logs = JSON.parse(stdout) as Record<string, string[]>;
      });

      for (const [name, sentence, expected] of programs) {
        it(sentence, () => {
          const log = logs[name] ?? [];
          const others = log.filter((line) => !line.startsWith('uncaught '));
          expect(others.sort()).to.deep.equal([...expected].sort());
          const thrown = log.filter((line) => line.startsWith('uncaught in ')).length;
          expect(log.length - others.length).to.equal(thrown).and.be.above(0);
        });
      }
    });
  }
});
