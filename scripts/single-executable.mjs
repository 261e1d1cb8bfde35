// Makes a single executable of a program that uses the package, by the recipe of docs/installing.md.

import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * In `cwd`, where the package is installed: `program` becomes `cwd/app`, by that `node`, and by `esbuild` and
 * `postject`, the programs. `run` is called with a command and its arguments. `addon` is the binary, from `cwd`.
 */
export function makeExecutable(run, { cwd, program, addon, node, esbuild, postject }) {
  run(esbuild, [
    ...[program, '--bundle', '--platform=node', '--format=cjs'],
    '--outfile=app.bundle.cjs',
  ]);
  writeFileSync(
    join(cwd, 'sea.json'),
    JSON.stringify({
      main: 'app.bundle.cjs',
      output: 'app.blob',
      disableExperimentalSEAWarning: true,
      assets: { 'dgram_dtls.node': addon },
    }),
  );
  run(node, ['--experimental-sea-config', 'sea.json']);
  const app = join(cwd, 'app');
  copyFileSync(node, app);
  chmodSync(app, 0o755);
  const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
  run(process.execPath, [postject, 'app', 'NODE_SEA_BLOB', 'app.blob', '--sentinel-fuse', fuse]);
  return app;
}
