/** The lists of the C++ core, for tests that compare TypeScript's with them. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const core = path.join(__dirname, '../../src-native/core');

/** All headers of the core, without their comments: commas and names in those do not count. */
export const headers = readdirSync(core, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.h'))
  .map((file) => readFileSync(path.join(core, file), 'utf8').replace(/\/\/.*$/gm, ''))
  .join('\n');

/** The enumerators of a C++ enum class with their numbers, by their names without the `k`. */
export function cppEnum(name: string): Record<string, number> {
  const body = new RegExp(`enum class ${name} : \\w+ \\{([^}]*)\\}`).exec(headers)?.[1];
  if (body === undefined) throw new Error(`src-native/core has no enum ${name}`);
  let value = -1;
  return Object.fromEntries(
    body
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '')
      .map((entry) => {
        const [, enumerator = '', given] = /^k(\w+)(?:\s*=\s*(\d+))?$/.exec(entry) ?? [];
        value = given === undefined ? value + 1 : Number(given);
        return [enumerator, value];
      }),
  );
}
