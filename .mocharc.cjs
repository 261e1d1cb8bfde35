'use strict';

// Mocha adds the files it is given to those named here, so that these stand aside for
// `npm test -- test/unit/one.test.ts`.
const named = process.argv.slice(2).some((argument) => argument.endsWith('.test.ts'));

module.exports = {
  // test/openssl needs an addon of its own: npm run test:openssl. test/browser starts browsers: npm run test:browsers.
  ...(named ? {} : { spec: ['test/**/*.test.ts'], ignore: ['test/openssl/**', 'test/browser/**'] }),
  // Compiles the tests and lib/*.ts as they are loaded: what is tested is the source itself.
  require: ['tsx/cjs'],
  reporter: './scripts/mocha-reporter.cjs',
  timeout: 10_000,
  forbidOnly: Boolean(process.env.CI),
  // A run that finds no test at all has failed. No `exit`: a handle left open must be noticed.
  failZero: true,
};
