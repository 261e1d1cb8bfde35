/**
 * Modules of Node that are loaded when they are first used: together they take as long as this whole package, and most
 * programs never need most of them. A dynamic import would answer in a later turn.
 */
import type cluster from 'node:cluster';
import type crypto from 'node:crypto';
import type dgram from 'node:dgram';
import type dns from 'node:dns';
import type net from 'node:net';
import type os from 'node:os';
import type webStreams from 'node:stream/web';
import type tls from 'node:tls';
import type threads from 'node:worker_threads';

/** Those that were used: to ask `require` again for each piece of memory costs as much as a message. */
const loaded: {
  crypto?: typeof crypto;
  dgram?: typeof dgram;
  dns?: typeof dns;
  net?: typeof net;
  os?: typeof os;
  tls?: typeof tls;
  threads?: typeof threads;
  webStreams?: typeof webStreams;
} = {};

/* eslint-disable @typescript-eslint/no-require-imports */
export const late = {
  get cluster(): typeof cluster {
    return require('node:cluster') as typeof cluster;
  },
  get crypto(): typeof crypto {
    return (loaded.crypto ??= require('node:crypto') as typeof crypto);
  },
  get dgram(): typeof dgram {
    return (loaded.dgram ??= require('node:dgram') as typeof dgram);
  },
  get dns(): typeof dns {
    return (loaded.dns ??= require('node:dns') as typeof dns);
  },
  get net(): typeof net {
    return (loaded.net ??= require('node:net') as typeof net);
  },
  get os(): typeof os {
    return (loaded.os ??= require('node:os') as typeof os);
  },
  get tls(): typeof tls {
    return (loaded.tls ??= require('node:tls') as typeof tls);
  },
  get threads(): typeof threads {
    return (loaded.threads ??= require('node:worker_threads') as typeof threads);
  },
  get webStreams(): typeof webStreams {
    return (loaded.webStreams ??= require('node:stream/web') as typeof webStreams);
  },
};

/** Loads node:tls ahead of what works only where it is there already. */
export function loadTls(): void {
  require('node:tls');
}
