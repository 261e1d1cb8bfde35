/** Protects: the types of `dgram-dtls/metrics`. Checked by tsc, never run. */
import { Registry } from 'prom-client';
import { metrics, type Metrics, type MetricsOptions } from '../../lib/metrics/index.mjs';
import { expectType } from './expect.js';

const options: MetricsOptions = { prefix: 'coaps_', handshakeBuckets: [0.1, 1], heartbeatBuckets: undefined };
expectType<Metrics>()(metrics());
metrics(new Registry(), options).close();

// @ts-expect-error a register is no option
metrics({ prefix: 'x_' });
