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

export function removePrograms(folder: string): void {
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
}
