// Protects the declarations from needing an option of the user's compiler: they are whole also where
// `esModuleInterop` is off, as in many older projects.
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { patience } from '../helpers/patience';

const root = join(__dirname, '../..');
const tsc = join(root, 'node_modules/typescript/bin/tsc');

describe('declarations', function () {
  this.timeout(patience(60_000));
  it('compile without esModuleInterop, library checks on', () => {
    // Within the repository, so that the types of Node are found.
    const folder = mkdtempSync(join(root, 'build', 'declarations-'));
    try {
      const compile = (...args: string[]): string =>
        spawnSync(process.execPath, [tsc, ...args], { cwd: root, encoding: 'utf8' }).stdout;
      compile('--emitDeclarationOnly', '--outDir', join(folder, 'dist'));
      const program = join(folder, 'program.cts');
      writeFileSync(
        program,
        `import { createServer, DTLSServer, type SecureDgramSocket, type DatagramTransport } from './dist/index.js';
         import { Link } from './dist/lab/index.js';
         export const server = createServer({ pskCallback: () => null });
         // Methods of its own, by names that are nobody else's.
         export class Own extends DTLSServer {
           onConnection = 1;
           onClose(): string { return ''; }
           helloQuestions(): void { return; }
         }
         export type All = [SecureDgramSocket, DatagramTransport, Link];`,
      );
      const said = compile(
        '--noEmit', '--strict', '--module', 'node16', '--target', 'es2022', '--types', 'node',
        '--esModuleInterop', 'false', '--allowSyntheticDefaultImports', 'false', '--skipLibCheck', 'false', program,
      );
      // Those of other packages are theirs.
      const ours = said.split('\n').filter((line) => line.includes('declarations-'));
      expect(ours).to.deep.equal([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
