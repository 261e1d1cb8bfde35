// Numbers from a machine that does other things too: what is compared is measured in turns, and
// each turn gives a ratio of its own.

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Calls the functions of `subjects` one after the other, `rounds` times: a list of results for
 * each. Every second round goes backwards, so that nobody always follows the same neighbour.
 */
export async function alternate(rounds, subjects) {
  const names = Object.keys(subjects);
  const results = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; ++round) {
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      results[name].push(await subjects[name]());
    }
  }
  return results;
}

/**
 * One line of the table. `ours` and `reference` are lists of the same rounds; `target` bounds the
 * ratio from below, or from above when less is better.
 */
export function row({
  name,
  unit,
  ours,
  reference,
  versus,
  target = undefined,
  lessIsBetter = false,
}) {
  const ratios = ours.map((value, round) => value / reference[round]);
  const ratio = median(ratios);
  const met = lessIsBetter ? ratio <= target : ratio >= target;
  return {
    name,
    unit,
    versus,
    ours: median(ours),
    reference: median(reference),
    ratio,
    spread: [Math.min(...ratios), Math.max(...ratios)],
    ...(target === undefined ? {} : { target, lessIsBetter, met }),
    runs: { ours, reference },
  };
}

/** Two lines of what was measured by the clock and by CPU time, each with its target. */
export function rowsOfRates({ name, unit, ours, reference, versus, target = undefined, cpuTarget = undefined }) {
  const by = (rates, which) => rates.map((each) => each[which]);
  return [
    row({
      name,
      unit: `${unit}/s`,
      ours: by(ours, 'clock'),
      reference: by(reference, 'clock'),
      versus,
      target,
    }),
    row({
      name: `${name}, by CPU time`,
      unit: `${unit}/s`,
      ours: by(ours, 'cpu'),
      reference: by(reference, 'cpu'),
      versus,
      target: cpuTarget,
    }),
  ];
}
