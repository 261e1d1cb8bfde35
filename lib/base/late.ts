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

/* eslint-disable @typescript-eslint/no-require-imports */
export const late = {
  get cluster(): typeof cluster {
    return require('node:cluster') as typeof cluster;
  },
  get crypto(): typeof crypto {
    return require('node:crypto') as typeof crypto;
  },
  get dgram(): typeof dgram {
    return require('node:dgram') as typeof dgram;
  },
  get dns(): typeof dns {
    return require('node:dns') as typeof dns;
  },
  get net(): typeof net {
    return require('node:net') as typeof net;
  },
  get os(): typeof os {
    return require('node:os') as typeof os;
  },
  get tls(): typeof tls {
    return require('node:tls') as typeof tls;
  },
  get threads(): typeof threads {
    return require('node:worker_threads') as typeof threads;
  },
  get webStreams(): typeof webStreams {
    return require('node:stream/web') as typeof webStreams;
  },
};

/** Loads node:tls ahead of what works only where it is there already. */
export function loadTls(): void {
  require('node:tls');
}
