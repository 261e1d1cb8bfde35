// The rates of a report as bars in SVG: one group for each measurement, one bar for each subject.

const WIDTH = 760;
const LABEL = 190;
const TOP = 46;
const BAR = 13;
const GAP = 3;
const GROUP_GAP = 18;
const OURS = { label: 'dgram-dtls', color: '#1d4ed8' };
const BORROWED = { label: 'dgram-dtls, borrowed', color: '#3b82f6' };
const BATCHES = { label: "dgram-dtls, 'messages'", color: '#60a5fa' };
const OVER_DGRAM = { label: 'dgram-dtls over node:dgram', color: '#93c5fd' };
const SUBJECTS = new Map([
  [undefined, OURS],
  ['borrowed', BORROWED],
  ["'messages'", BATCHES],
]);
const PLAIN = '#9ca3af';
const C = '#4b5563';
const PEER = '#d97706';

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const thousands = (value) => `${Math.round(value / 1000).toLocaleString('en-US')}\u202fk`;

const BY_CPU = ', by CPU time';

/** The values by measurement and subject: by CPU time, which other work does not touch, where that was measured. */
function groupsOf(rows) {
  const groups = new Map();
  const put = (group, { label, color }, values) => {
    const bars = groups.get(group) ?? new Map();
    bars.set(label, { color, value: median(values), low: Math.min(...values), high: Math.max(...values) });
    groups.set(group, bars);
  };
  const key = (name, versus) => `${name}\n${versus}`;
  const timed = new Set(rows.filter(({ name }) => name.endsWith(BY_CPU)).map(({ name, versus }) => key(name, versus)));
  for (const { name, unit, versus, runs } of rows) {
    // What is compared with another row of the library's own has its bars there.
    if (unit !== 'messages/s' || versus.startsWith("'") || timed.has(key(name + BY_CPU, versus))) continue;
    const [group, how] = name.replace(BY_CPU, '').split(/(?<=bytes), (?=borrowed|'messages'|transport)/);
    put(group, SUBJECTS.get(how) ?? OVER_DGRAM, runs.ours);
    const color = versus.startsWith('C ') ? C : versus.startsWith('node:dgram') ? PLAIN : PEER;
    put(group, { label: versus, color }, runs.reference);
  }
  return groups;
}

/** A round step, of which `most` has at least four. */
function stepTo(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 0.5, 0.2].map((factor) => factor * power).find((step) => most / step >= 4);
}

export function chart({ environment, rows }) {
  const groups = groupsOf(rows);
  if (groups.size === 0) throw new Error('there are no messages a second to draw');
  const most = Math.max(...[...groups.values()].flatMap((bars) => [...bars.values()].map(({ high }) => high)));
  const scale = (WIDTH - LABEL - 90) / most;
  const shapes = [];
  let y = TOP;
  for (const [group, bars] of groups) {
    shapes.push(`<text x="10" y="${y + 10}" font-weight="bold">${escape(group)}</text>`);
    y += 16;
    const sorted = [...bars].sort(([, a], [, b]) => b.value - a.value);
    for (const [label, { color, value, low, high }] of sorted) {
      const end = LABEL + value * scale;
      const middle = y + BAR / 2;
      shapes.push(
        `<text x="${LABEL - 6}" y="${middle + 4}" text-anchor="end">${escape(label)}</text>`,
        `<rect x="${LABEL}" y="${y}" width="${(value * scale).toFixed(1)}" height="${BAR}" fill="${color}"/>`,
        `<path d="M${(LABEL + low * scale).toFixed(1)} ${middle}H${(LABEL + high * scale).toFixed(1)}" stroke="#111827" stroke-width="1.5"/>`,
        `<text x="${(Math.max(end, LABEL + high * scale) + 6).toFixed(1)}" y="${middle + 4}">${thousands(value)}</text>`,
      );
      y += BAR + GAP;
    }
    y += GROUP_GAP - GAP;
  }
  const grid = [];
  for (let tick = 0; tick <= most; tick += stepTo(most)) {
    const x = (LABEL + tick * scale).toFixed(1);
    grid.push(
      `<path d="M${x} ${TOP - 10}V${y - GROUP_GAP + GAP}" stroke="#e5e7eb"/>`,
      `<text x="${x}" y="${TOP - 14}" text-anchor="middle" fill="#6b7280">${tick === 0 ? 0 : thousands(tick)}</text>`,
    );
  }
  const { machine, system, node, openssl, date } = environment;
  const caption = `${machine}; ${system}; Node ${node}, OpenSSL ${openssl}; ${date}. Bars: medians; lines: lowest to highest.`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 12}" font-family="sans-serif" font-size="11">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="10" y="18" font-size="14">Messages for each second of CPU time</text>`,
    ...grid,
    ...shapes,
    `<text x="10" y="${y + 2}" font-size="10" fill="#4b5563">${escape(caption)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}
