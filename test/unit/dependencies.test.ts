// Protects docs/dependencies.md: each dependency has its reason there, what has one is a dependency,
// and the sources import no package that users do not get.
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Manifest {
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}
const manifest = JSON.parse(read('package.json')) as Manifest;

/** The packages in the first column of a section's table. */
function documented(section: string): string[] {
  const body = read('docs/dependencies.md').split(/^## /m).find((text) => text.startsWith(section));
  if (body === undefined) throw new Error(`no section ${section}`);
  const rows = body.split('\n').filter((line) => line.startsWith("| `"));
  for (const row of rows) expect(row.split('|').at(-2)?.trim(), row).to.have.length.above(20);
  return rows
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)])
    .map((match) => match[1] ?? '')
    .sort();
}

/** What the files of a folder import that is neither theirs nor Node's. */
function imported(folder: string, skip: (name: string) => boolean): string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.m?ts$/.test(name) && !skip(name))
    .flatMap((name) => [
      ...read(join(folder, name)).matchAll(/(?<!')(?:from|require\(|import\(|^import) ?'([^'.][^']*)'/gm),
    ])
    .map((match) => /^(?:@[^/]+\/)?[^/]+/.exec(match[1] ?? '')?.[0] ?? '')
    .filter((name) => !name.startsWith('node:') && !builtinModules.includes(name));
  return [...new Set(names)].sort();
}

describe('dependencies', () => {
  for (const [section, field] of [
    ['At run time', 'dependencies'],
    ['Optional', 'peerDependencies'],
    ['For development', 'devDependencies'],
  ] as const) {
    it(`${field} are those in docs/dependencies.md`, () => {
      expect(documented(section)).to.deep.equal(Object.keys(manifest[field]).sort());
    });
  }

  it('lib imports only what users get', () => {
    const users = [
      ...Object.keys(manifest.dependencies),
      ...Object.keys(manifest.peerDependencies),
    ];
    const all = imported('lib', () => false);
    expect(all).to.include('commander');
    expect(all.filter((name) => !users.includes(name))).to.deep.equal([]);
  });

  it('what is not the command line imports only the loader', () => {
    const beside = (name: string): boolean => /^(cli|metrics)[\\/]/.test(name);
    expect(imported('lib', beside)).to.deep.equal(['bindings']);
  });
});
