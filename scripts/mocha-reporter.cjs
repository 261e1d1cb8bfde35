'use strict';

// Mocha's spec reporter, with one plain line at the end that counts what really ran, for people
// and for CI to add up.

const { reporters, Runner } = require('mocha');

/** How long after the last test a process may live on before that is called a leak. */
const GRACE_MS = 10_000;

module.exports = class SummaryReporter extends reporters.Spec {
  epilogue() {
    super.epilogue();
    // Mocha counts a failed hook among the failures.
    const { passes, failures, pending } = this.stats;
    console.log(`${passes} passed, ${failures} failed, ${pending} skipped`);
  }

  constructor(runner, options) {
    super(runner, options);
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      // The timer holds nothing open itself: it fires only when a handle that a test left does.
      setTimeout(() => {
        console.error(`Open after the last test: ${process.getActiveResourcesInfo().join(', ')}`);
        // Mocha sets its own exit code on exit; this listener comes after it.
        process.once('exit', () => (process.exitCode = 1));
        process.exit();
      }, GRACE_MS).unref();
    });
  }
};
