// Protects docs/troubleshooting.md from falling behind: every error code that the core or lib can give has a line
// with symptom, command, meaning and cure, and the commands it tells people to run exist.
import { expect } from 'chai';
import { Command } from 'commander';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const page = read('docs/troubleshooting.md');

interface Line {
  readonly codes: string[];
  readonly cells: string[];
}

/** The lines of the tables whose head is symptom, command, meaning, cure. */
function lines(): Line[] {
  const rows: Line[] = [];
  let inside = false;
  for (const text of page.split('\n')) {
    if (text.startsWith('| symptom | command | meaning | cure |')) inside = true;
    else if (!text.startsWith('|')) inside = false;
    else if (inside && !text.startsWith('| ---')) {
      const cells = text
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim());
      const codes = [...(cells[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '');
      rows.push({ codes, cells });
    }
  }
  return rows;
}

/** The keys of a table of hints. */
function hinted(table: string): string[] {
  const body = new RegExp(`const ${table}[^{]*\\{([^]*?)\\n\\};`).exec(read('lib/core/failures.ts') + read('lib/errors/errors.ts'))?.[1];
  if (body === undefined) throw new Error(`no table ${table}`);
  return [...body.matchAll(/^ {2}(\w+):/gm)].map(([, key]) => key ?? '');
}

describe('docs/troubleshooting.md', () => {
  const known = new Set(lines().flatMap(({ codes }) => codes));

  const sources = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => read(join('lib', name)))
    .join('\n');
  const codesIn = (text: string, pattern: RegExp): string[] =>
    [...new Set([...text.matchAll(pattern)].map(([, code]) => code ?? ''))].sort();

  for (const [what, codes] of [
    ['of the core', codesIn(read('src-native/core/base/errors.def'), /^DTLS_FAILURE\(\w+, "(\w+)"/gm)],
    ['of lib', codesIn(sources, /'((?:ERR|ABORT)_[A-Z_]+)'/g)],
    ['of certificates that has a hint', hinted('VERIFY_HINTS')],
    ['of alerts that has a hint', hinted('ALERT_HINTS').map((name) => `ERR_DTLS_ALERT_${name.toUpperCase()}`)],
    ['of the system that has a hint', hinted('IO_HINTS')],
  ] as const) {
    it(`has a line for every code ${what}`, () => {
      expect(codes).to.have.length.above(5);
      expect(codes.filter((code) => !known.has(code))).to.deep.equal([]);
    });
  }

  it('has symptom, command, meaning and cure in every line, and no code twice', () => {
    const all = lines();
    expect(all).to.have.length.above(40);
    for (const { cells } of all) {
      expect(cells, cells[0]).to.have.length(4);
      expect(cells.every((cell) => cell !== ''), cells[0]).to.be.true;
      expect(cells[1], cells[0]).to.match(/`[^`]+`/);
    }
    const codes = all.flatMap(({ codes: some }) => some);
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).to.deep.equal([]);
  });

  it('names commands and options of the command line that exist', () => {
    const load = createRequire(__filename);
    const program = new Command();
    const folder = join(root, 'lib/cli');
    for (const file of readdirSync(folder).filter((name) => name.endsWith('-command.ts'))) {
      const exported = load(join(folder, file)) as Record<string, (program: Command) => void>;
      for (const add of Object.values(exported)) add(program);
    }
    const commands = new Map(program.commands.map((command) => [command.name(), command]));
    const used = [...page.matchAll(/npx dgram-dtls (\w+)([^`]*)`/g)];
    expect(used.length).to.be.above(20);
    for (const [text, name = '', rest = ''] of used) {
      const command = commands.get(name);
      if (command === undefined) throw new Error(`no command: ${text}`);
      const options = command.options.flatMap(({ long, short }) => [long, short]);
      for (const [option] of rest.matchAll(/(?<= )-{1,2}[a-z][\w-]*/g)) expect(options, text).to.include(option);
    }
  });
});
