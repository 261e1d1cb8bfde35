/** A chart of a sweep as SVG: completion times as lines, failures as bars. */
import type { Summary } from './statistics';

interface ChartPoint {
  readonly value: number;
  readonly summary: Summary;
}

const WIDTH = 720;
const HEIGHT = 420;
const PLOT = { left: 70, right: WIDTH - 60, top: 50, bottom: HEIGHT - 60 };
const LINES = [
  { name: 'p50', color: '#1b7837' },
  { name: 'p95', color: '#2166ac' },
  { name: 'p99', color: '#762a83' },
] as const;
const FAILURES = '#e08214';
const GRID = '#dddddd';

const fixed = (value: number): string => Number(value.toFixed(2)).toString();
const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${String(character.charCodeAt(0))};`);

const label = (x: number, y: number, text: string, more = ''): string =>
  `<text x="${fixed(x)}" y="${fixed(y)}" ${more}>${escape(text)}</text>`;
const line = (x1: number, y1: number, x2: number, y2: number, color: string): string =>
  `<line x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}" stroke="${color}"/>`;

/** Ticks of 1, 2, 5, 10, …: times go from round trips to minutes, so their axis is logarithmic. */
function ticks(least: number, most: number): number[] {
  const all: number[] = [];
  for (let power = 1; power <= 1e7; power *= 10) all.push(power, 2 * power, 5 * power);
  const low = all.filter((tick) => tick <= least).at(-1) ?? 1;
  const high = all.find((tick) => tick >= most && tick > low) ?? 1e7;
  return all.filter((tick) => tick >= low && tick <= high);
}

const duration = (ms: number): string => (ms >= 1000 ? `${fixed(ms / 1000)} s` : `${fixed(ms)} ms`);

export function drawChart(points: readonly ChartPoint[], parameter: string): string {
  const times = points.flatMap(({ summary: { time } }) =>
    time === null ? [] : LINES.map(({ name }) => Math.max(1, time[name])),
  );
  const scale = ticks(Math.min(...times, 1e6), Math.max(...times, 1));
  const [low = 1, high = 10] = [scale[0], scale.at(-1)];
  const values = points.map(({ value }) => value);
  const [first, last] = [Math.min(...values), Math.max(...values)];
  const width = PLOT.right - PLOT.left;
  const height = PLOT.bottom - PLOT.top;
  const x = (value: number): number =>
    PLOT.left + 20 + (last === first ? 0.5 : (value - first) / (last - first)) * (width - 40);
  const y = (ms: number): number =>
    PLOT.bottom - (Math.log(Math.max(low, ms) / low) / Math.log(high / low)) * height;
  const failed = ({ failed, handshakes }: Summary): number => failed / handshakes;

  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(WIDTH)}" height="${String(HEIGHT)}" viewBox="0 0 ${String(WIDTH)} ${String(HEIGHT)}" font-family="sans-serif" font-size="12">`,
    `<rect width="${String(WIDTH)}" height="${String(HEIGHT)}" fill="#ffffff"/>`,
    label(PLOT.left, 24, `Time of a handshake by ${parameter}`, 'font-size="15" font-weight="bold"'),
  ];
  for (const tick of scale) {
    parts.push(line(PLOT.left, y(tick), PLOT.right, y(tick), GRID));
    parts.push(label(PLOT.left - 8, y(tick) + 4, duration(tick), 'text-anchor="end"'));
  }
  for (const share of [0, 25, 50, 75, 100]) {
    const at = PLOT.bottom - (share / 100) * height;
    parts.push(label(PLOT.right + 8, at + 4, `${String(share)} %`, `fill="${FAILURES}"`));
  }
  for (const { value, summary } of points) {
    const top = failed(summary) * height;
    if (top > 0) {
      parts.push(`<rect x="${fixed(x(value) - 8)}" y="${fixed(PLOT.bottom - top)}" width="16" height="${fixed(top)}" fill="${FAILURES}" opacity="0.6"/>`);
    }
    parts.push(label(x(value), PLOT.bottom + 18, fixed(value), 'text-anchor="middle"'));
  }
  parts.push(label((PLOT.left + PLOT.right) / 2, HEIGHT - 16, parameter, 'text-anchor="middle"'));
  for (const { name, color } of LINES) {
    const dots = points.flatMap(({ value, summary: { time } }) =>
      time === null ? [] : [{ x: fixed(x(value)), y: fixed(y(time[name])) }],
    );
    parts.push(`<polyline points="${dots.map((dot) => `${dot.x},${dot.y}`).join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>`);
    for (const dot of dots) parts.push(`<circle cx="${dot.x}" cy="${dot.y}" r="3" fill="${color}"/>`);
  }
  const legend = [...LINES, { name: 'failed', color: FAILURES }];
  legend.forEach(({ name, color }, index) => {
    const at = PLOT.right - 250 + index * 65;
    parts.push(`<rect x="${fixed(at)}" y="30" width="12" height="4" fill="${color}"/>`, label(at + 16, 36, name));
  });
  return `${parts.join('\n')}\n</svg>\n`;
}
