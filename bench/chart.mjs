// The rates of a report, by CPU time, as bars in SVG: one group for each measurement, one bar for each subject.

const WIDTH = 760;
const LABEL = 190;
const BAR = 16;
const GAP = 4;
const GROUP_GAP = 26;
const COLORS = { ours: '#2563eb', dgram: '#93c5fd', 'node:dgram': '#9ca3af', C: '#4b5563' };

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const thousands = (value) => `${Math.round(value / 1000).toLocaleString('en-US')} k/s`;

/** By measurement and subject. CPU time, because the clock also says what else the machine did. */
function groupsOf(rows) {
  const groups = new Map();
  const put = (group, label, color, values) => {
    const bars = groups.get(group) ?? new Map();
    bars.set(label, { color, value: median(values), low: Math.min(...values), high: Math.max(...values) });
    groups.set(group, bars);
  };
  for (const { name, unit, versus, runs } of rows) {
    if (unit !== 'messages/s' || !name.endsWith(', by CPU time') || name.includes("'messages'")) continue;
    const measured = name.replace(', by CPU time', '');
    const group = measured.replace(", transport 'dgram'", '');
    const variant = group === measured ? 'ours' : 'dgram';
    put(group, variant === 'ours' ? 'dgram-dtls' : "dgram-dtls, 'dgram'", COLORS[variant], runs.ours);
    put(group, versus, versus.startsWith('C ') ? COLORS.C : COLORS['node:dgram'], runs.reference);
  }
  return groups;
}

export function chart({ environment, rows }) {
  const groups = groupsOf(rows);
  const most = Math.max(...[...groups.values()].flatMap((bars) => [...bars.values()].map(({ high }) => high)));
  const scale = (WIDTH - LABEL - 90) / most;
  const shapes = [];
  let y = 34;
  for (const [group, bars] of groups) {
    shapes.push(`<text x="10" y="${y + 10}" font-weight="bold">${escape(group)}</text>`);
    y += 18;
    const sorted = [...bars].sort(([, a], [, b]) => b.value - a.value);
    for (const [label, { color, value, low, high }] of sorted) {
      const end = LABEL + value * scale;
      const middle = y + BAR / 2;
      shapes.push(
        `<text x="${LABEL - 6}" y="${middle + 4}" text-anchor="end">${escape(label)}</text>`,
        `<rect x="${LABEL}" y="${y}" width="${(value * scale).toFixed(1)}" height="${BAR}" fill="${color}"/>`,
        `<path d="M${(LABEL + low * scale).toFixed(1)} ${middle}H${(LABEL + high * scale).toFixed(1)}" stroke="#111827"/>`,
        `<text x="${(Math.max(end, LABEL + high * scale) + 6).toFixed(1)}" y="${middle + 4}">${thousands(value)}</text>`,
      );
      y += BAR + GAP;
    }
    y += GROUP_GAP - GAP;
  }
  const { machine, system, node, openssl, date } = environment;
  const caption = `${machine}; ${system}; Node ${node}, OpenSSL ${openssl}; ${date}. Bars: medians; lines: lowest to highest.`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 12}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="10" y="18" font-size="14">Messages for each second of CPU time</text>`,
    ...shapes,
    `<text x="10" y="${y + 2}" font-size="10" fill="#4b5563">${escape(caption)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}
