/** The programs that stand in a document, as files that can be run. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const root = join(__dirname, '../..');

/**
 * A new folder with the blocks of code that begin with their name, `// name.mjs`. It lies within the package, whose
 * own name leads to it from there.
 */
export function programsOf(page: string): string {
  mkdirSync(join(root, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(root, `.cache/${basename(page, '.md')}-`));
  const text = readFileSync(join(root, page), 'utf8');
  for (const [, code = '', name = ''] of text.matchAll(/^```js\n(\/\/ ([\w-]+\.mjs)\n.*?)^```$/gms)) {
    writeFileSync(join(folder, name), code);
  }
  return folder;
}

/** The blocks of a page that are systemd's, each with the name that stands in front of it, or none. */
export function unitsOf(page: string): { name: string | undefined; text: string }[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^```ini\n((?:# ([\w-]+\.\w+)\n)?\[.*?)^```$/gms)].map(([, unit = '', name]) => ({ name, text: unit }));
}

export function removePrograms(folder: string): void {
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
}
