import { cpus, release, totalmem } from 'node:os';

/** Where and with what the measurements were made. */
export function environment() {
  const { model } = cpus()[0];
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `Linux ${release().split('.').slice(0, 2).join('.')} ${process.arch}`,
    node: process.version,
    openssl: process.versions.openssl,
  };
}

const header = ['measured', 'unit', 'ours', 'against', 'value', 'ratio', 'spread', 'target', ''];
const toTheRight = new Set([2, 4, 5, 6]);

function number(value) {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toPrecision(3);
}

function cells(row) {
  const { target, lessIsBetter, met, spread } = row;
  return [
    row.name,
    row.unit,
    number(row.ours),
    row.versus,
    number(row.reference),
    row.ratio.toFixed(2),
    `${spread[0].toFixed(2)}–${spread[1].toFixed(2)}`,
    target === undefined ? '' : `${lessIsBetter ? '≤' : '≥'} ${target}`,
    target === undefined ? '' : met ? 'met' : 'missed',
  ];
}

/** A Markdown table that is also one on the terminal. */
function table(rows) {
  const lines = [header, ...rows.map(cells)];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const line = (texts) =>
    `| ${texts
      .map((text, column) =>
        toTheRight.has(column) ? text.padStart(widths[column]) : text.padEnd(widths[column]),
      )
      .join(' | ')} |`;
  const rule = widths.map((width, column) =>
    toTheRight.has(column) ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2),
  );
  return [line(header), `|${rule.join('|')}|`, ...lines.slice(1).map(line)].join('\n');
}

export function markdown({ environment, rounds, rows }) {
  const { date, machine, system, node, openssl } = environment;
  const where = `${machine}, ${system}; Node ${node}, OpenSSL ${openssl}; ${date}.`;
  const how = `Median of ${rounds} alternating runs; spread: lowest and highest ratio.`;
  return `${where}\n${how}\n\n${table(rows)}`;
}
