/**
 * Modules of Node that are loaded when they are first used: together they take as long as this whole package, and a
 * program with pre-shared keys and addresses needs none of them. A dynamic import would answer in a later turn.
 */
import type crypto from 'node:crypto';
import type dns from 'node:dns';
import type webStreams from 'node:stream/web';
import type tls from 'node:tls';

/* eslint-disable @typescript-eslint/no-require-imports */
export const late = {
  get crypto(): typeof crypto {
    return require('node:crypto') as typeof crypto;
  },
  get dns(): typeof dns {
    return require('node:dns') as typeof dns;
  },
  get tls(): typeof tls {
    return require('node:tls') as typeof tls;
  },
  get webStreams(): typeof webStreams {
    return require('node:stream/web') as typeof webStreams;
  },
};
