/** The options of `metrics`, and what else it is given, looked at before anything is registered. */
import type { Registry } from 'prom-client';

import { checkNames, checkObject, wrongType } from '../checks/validate';
import { shown } from '../errors/as-error';
import { usageError } from '../errors/errors';

export interface MetricsOptions {
  /** What the names begin with. Default `'dtls_'`. */
  prefix?: string | undefined;
  /** Upper bounds, in seconds, of `handshake_duration_seconds`. Default 0.005 to 30. */
  handshakeBuckets?: number[] | undefined;
  /** Upper bounds, in seconds, of `heartbeat_rtt_seconds`. Default 0.001 to 10. */
  heartbeatBuckets?: number[] | undefined;
}

const OPTIONS = ['prefix', 'handshakeBuckets', 'heartbeatBuckets'] as const satisfies readonly (keyof MetricsOptions)[];
const FORMS = 'metrics([register[, options]]): without a register of your own it is metrics(undefined, options).';

/** What is asked of a register. It may be another copy of prom-client's, so that its class says nothing. */
const ASKED = ['registerMetric', 'getSingleMetric', 'removeSingleMetric'] as const satisfies readonly (keyof Registry)[];

export function checkRegister(register: unknown): void {
  const isRegister =
    typeof register === 'object' &&
    register !== null &&
    ASKED.every((name) => typeof (register as Record<string, unknown>)[name] === 'function');
  if (!isRegister) throw wrongType('register', 'a Registry of prom-client', register, FORMS);
}

/** As Prometheus has it: the names behind it are letters and underscores. */
const PREFIX = /^([a-zA-Z_:][a-zA-Z0-9_:]*)?$/;

function checkPrefix(prefix: unknown): void {
  if (prefix === undefined) return;
  if (typeof prefix !== 'string') throw wrongType('prefix', 'a string', prefix, "The names begin with it, such as 'coap_'.");
  if (PREFIX.test(prefix)) return;
  throw usageError(
    'ERR_INVALID_ARG_VALUE',
    `'prefix' cannot begin the name of a metric: ${shown(prefix)}`,
    'Prometheus takes letters, digits, underscores and colons, and no digit in front.',
  );
}

const BUCKETS = "Write [0.01, 0.1, 1] for instance; what is above the last one is counted as '+Inf' by itself, and without the option there are buckets that fit.";

function checkBuckets(name: string, buckets: unknown): void {
  if (buckets === undefined) return;
  if (!Array.isArray(buckets)) throw wrongType(name, 'an array of numbers', buckets, BUCKETS);
  const bounds: readonly unknown[] = buckets;
  bounds.forEach((bound) => {
    if (typeof bound !== 'number') throw wrongType(name, 'an array of numbers', bound, BUCKETS);
  });
  const numbers = bounds as readonly number[];
  const rising = numbers.every((bound, at) => bound > (numbers[at - 1] ?? 0));
  if (numbers.length > 0 && rising && numbers.every(Number.isFinite)) return;
  throw usageError(
    'ERR_INVALID_ARG_VALUE',
    `'${name}' must be upper bounds in seconds, above 0 and each above the one before, not [${numbers.join(', ')}]`,
    BUCKETS,
  );
}

export function checkOptions(options: MetricsOptions): void {
  checkObject('options', options);
  checkNames(options, OPTIONS);
  checkPrefix(options.prefix);
  checkBuckets('handshakeBuckets', options.handshakeBuckets);
  checkBuckets('heartbeatBuckets', options.heartbeatBuckets);
}
