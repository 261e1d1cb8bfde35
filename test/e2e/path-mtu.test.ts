// Protects discoverMtu() on a real path: two network namespaces and a link between them whose MTU
// is smaller than Ethernet's. Over a link in memory nobody fragments; here the kernel would, and a
// fragmented probe that is answered says nothing about the path.
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { fixture } from '../helpers/child';
import { cleanupAfterEach, requirePrograms, skip } from '../helpers/peers';

const HEADERS = { 4: 28, 6: 48 } as const; // IP and UDP
const HOSTS = { 4: ['10.77.0.1', '10.77.0.2'], 6: ['fd77::1', 'fd77::2'] } as const;

describe('discoverMtu on a real path', function () {
  const cleanup = cleanupAfterEach(this);
  const ip = (...args: string[]): void => {
    execFileSync('ip', args, { stdio: 'pipe' });
  };

  before(function () {
    requirePrograms(this, 'ip');
    try {
      ip('netns', 'add', `dtls-probe-${process.pid}`);
      ip('netns', 'del', `dtls-probe-${process.pid}`);
    } catch (error) {
      const reason = `network namespaces cannot be made here: ${String(error)}`;
      if (process.env.CI && process.getuid?.() === 0) throw new Error(reason, { cause: error });
      skip(this, reason);
    }
  });

  for (const family of [4, 6] as const) {
    for (const mtu of [1280, 1300, 1500]) {
      it(`IPv${family}, MTU ${mtu}`, async () => {
        const [here, there] = [`dtls-a-${process.pid}`, `dtls-b-${process.pid}`];
        for (const name of [here, there]) {
          ip('netns', 'add', name);
          cleanup.add(() => {
            ip('netns', 'del', name);
          });
        }
        const size = `${mtu}`;
        ip(...['-n', here, 'link', 'add', 'v0', 'mtu', size], ...['type', 'veth', 'peer', 'name', 'v1', 'mtu', size, 'netns', there]);
        const [server, client] = HOSTS[family];
        for (const [name, device, address] of [
          [here, 'v0', server],
          [there, 'v1', client],
        ] as const) {
          const more = family === 6 ? ['nodad'] : [];
          ip('-n', name, 'addr', 'add', `${address}/${family === 6 ? 64 : 24}`, 'dev', device, ...more);
          ip('-n', name, 'link', 'set', device, 'up');
        }
        const start = (name: string, role: string) =>
          cleanup.start('ip', [
            ...['netns', 'exec', name, process.execPath, '--require', 'tsx/cjs'],
            ...[fixture('path-mtu.ts'), role, server],
          ]);
        await start(here, 'server').sees(/^listening$/m);
        const [, found] = await start(there, 'client').sees(/^found (\d+)$/m);
        const most = Math.min(mtu - HEADERS[family], family === 6 ? 1452 : 1472);
        expect(Number(found)).to.be.within(most - 8, most);
      });
    }
  }
});
