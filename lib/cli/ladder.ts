/** A handshake drawn in text: one rung for each message, this side on the left. */
import type { Colors } from './output';

const WIDTH = 46;

export interface Rung {
  /** Milliseconds since the beginning. */
  readonly at: number;
  readonly direction: 'in' | 'out';
  readonly label: string;
  readonly tone?: 'again' | 'alert';
}

export function drawRung({ at, direction, label, tone }: Rung, colors: Colors): string {
  const text = ` ${label} `;
  const dashes = '-'.repeat(Math.max(3, WIDTH - text.length - 4));
  const arrow = direction === 'out' ? `--${text}${dashes}>` : `<--${text}${dashes}`;
  const painted =
    tone === 'alert' ? colors.red(arrow) : tone === 'again' ? colors.yellow(arrow) : arrow;
  return `${at.toFixed(1).padStart(9)} ms |${painted}|`;
}

export function drawHead(left: string, right: string): string {
  return `${' '.repeat(12)} ${left}${' '.repeat(Math.max(1, WIDTH - left.length - right.length + 1))}${right}`;
}
