/** Values of an option that may be swept: `5`, `0..30`, `0..30:2`. */
import { InvalidArgumentError } from 'commander';

const MOST_POINTS = 101;
const FEW_POINTS = 7;

/** A step of 1, 2 or 5, and as many zeros as it takes, that makes about seven points. */
function roundStep(width: number): number {
  const rough = width / (FEW_POINTS - 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((one) => one * power >= rough * 0.999) ?? 10;
  return factor * power;
}

export const rangeFrom =
  (least: number, most: number) =>
  (text: string): number[] => {
    const match = /^(\d+(?:\.\d+)?)(?:\.\.(\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?)?$/.exec(text);
    const from = Number(match?.[1]);
    const to = match?.[2] === undefined ? from : Number(match[2]);
    if (match === null || from < least || to > most || to < from) {
      throw new InvalidArgumentError(
        `It must be a number from ${String(least)} to ${String(most)}, or a range such as ${String(least)}..${String(most)} or ${String(least)}..${String(most)}:${String((most - least) / 10)}.`,
      );
    }
    if (to === from) return [from];
    const step = match[3] === undefined ? roundStep(to - from) : Number(match[3]);
    if (step <= 0 || (to - from) / step > MOST_POINTS - 1) {
      throw new InvalidArgumentError(`A range has at most ${String(MOST_POINTS)} points.`);
    }
    const points = Math.floor((to - from) / step + 1e-9) + 1;
    return Array.from({ length: points }, (_, index) => Number((from + index * step).toFixed(6)));
  };
