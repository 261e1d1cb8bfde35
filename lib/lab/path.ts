/** What a simulated network does to the datagrams of one direction: decides, and counts. */
import { normal, seededRandom } from './random';

/** Losses that come in bursts: a link that is good or bad, by the model of Gilbert and Elliott. */
export interface BurstLoss {
  /** Probability, for each datagram, that a good link turns bad. */
  enter: number;
  /** Probability, for each datagram, that a bad link turns good: bursts last `1 / leave` on average. */
  leave: number;
  /** Probability of a loss while the link is bad. Default 1. */
  loss?: number;
}

/** What the link does to datagrams. Probabilities are 0 to 1; what is left out does not happen. */
export interface LinkConditions {
  loss?: number;
  /** Losses in a row, in addition to `loss`. */
  burst?: BurstLoss;
  duplicate?: number;
  /** Held back until one to eight others have overtaken it, or 5 ms have passed. */
  reorder?: number;
  /** Milliseconds: a fixed number, or from the first to the second. */
  delay?: number | readonly [least: number, most: number];
  /** Milliseconds: the standard deviation of what is added to `delay`, which never falls below 0. */
  jitter?: number;
  /** Cut to a random length of one byte or more. */
  truncate?: number;
  /** One bit of it flipped. */
  corrupt?: number;
  /** Longer datagrams vanish, as on a path that drops what it would have to fragment. */
  mtu?: number;
}

/**
 * What became of datagrams: `sent + injected + duplicated` is
 * `delivered + lost + tooBig + swallowed + unreachable`, and what is still on its way.
 */
export interface LinkCounters {
  sent: number;
  injected: number;
  duplicated: number;
  delivered: number;
  lost: number;
  tooBig: number;
  /** `intercept` kept it. */
  swallowed: number;
  /** Datagrams to an address where nobody is. */
  unreachable: number;
  reordered: number;
  delayed: number;
  truncated: number;
  corrupted: number;
}

export const noCounters = (): LinkCounters => ({
  sent: 0,
  injected: 0,
  duplicated: 0,
  delivered: 0,
  lost: 0,
  tooBig: 0,
  swallowed: 0,
  unreachable: 0,
  reordered: 0,
  delayed: 0,
  truncated: 0,
  corrupted: 0,
});

/** One copy of a datagram that goes on. */
export interface Copy {
  readonly datagram: Uint8Array;
  /** Milliseconds on its way. */
  readonly delay: number;
  /** Others are to overtake it. */
  readonly reordered: boolean;
}

/** The way from one address to another. It has its own random numbers, so that directions do not mix them. */
export class Path {
  readonly counters = noCounters();
  readonly #random: () => number;
  #bad = false;

  constructor(seed: string) {
    this.#random = seededRandom(seed);
  }

  /** What goes on of a datagram: nothing, itself, or itself twice, changed on the way perhaps. */
  fates(datagram: Uint8Array, conditions: LinkConditions): Copy[] {
    const { counters } = this;
    if (datagram.length > (conditions.mtu ?? Infinity)) {
      counters.tooBig += 1;
      return [];
    }
    if (this.#loses(conditions)) {
      counters.lost += 1;
      return [];
    }
    if (!this.#happens(conditions.duplicate)) return [this.#copy(datagram, conditions)];
    counters.duplicated += 1;
    return [this.#copy(datagram, conditions), this.#copy(datagram, conditions)];
  }

  /** A whole number from `least` to `most`. */
  number(least: number, most: number): number {
    return least === most ? least : least + Math.floor(this.#random() * (most - least + 1));
  }

  #happens(probability = 0): boolean {
    return probability > 0 && this.#random() < probability;
  }

  #burstLoses(burst: BurstLoss | undefined): boolean {
    if (burst === undefined) return false;
    if (this.#happens(this.#bad ? burst.leave : burst.enter)) this.#bad = !this.#bad;
    return this.#bad && this.#happens(burst.loss ?? 1);
  }

  #loses({ loss, burst }: LinkConditions): boolean {
    const alone = this.#happens(loss);
    return this.#burstLoses(burst) || alone;
  }

  #copy(original: Uint8Array, conditions: LinkConditions): Copy {
    const { counters } = this;
    const { truncate, corrupt, delay = 0, jitter = 0, reorder } = conditions;
    let datagram = original;
    if (datagram.length > 1 && this.#happens(truncate)) {
      counters.truncated += 1;
      datagram = datagram.subarray(0, this.number(1, datagram.length - 1));
    }
    if (datagram.length > 0 && this.#happens(corrupt)) {
      counters.corrupted += 1;
      datagram = Uint8Array.from(datagram);
      const at = this.number(0, datagram.length - 1);
      datagram[at] = (datagram[at] ?? 0) ^ (1 << this.number(0, 7));
    }
    const [least, most] = typeof delay === 'number' ? [delay, delay] : delay;
    const varied = jitter > 0 ? jitter * normal(this.#random) : 0;
    const wait = Math.max(0, this.number(least, most) + varied);
    if (wait > 0) counters.delayed += 1;
    const reordered = this.#happens(reorder);
    if (reordered) counters.reordered += 1;
    return { datagram, delay: wait, reordered };
  }
}
