// The layers, held by a check: the core is plain C++ over OpenSSL that knows of no runtime and no
// operating system, and only lib/addon.ts loads the addon.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, files, root } from './tools.mjs';

const rules = [
  {
    files: files('src-native/core', '.cc', '.h'),
    forbidden:
      /^\s*#\s*include\s*[<"]((?:js_native_api|napi|netdb|node|node_api|poll|unistd|uv)\.h|(?:arpa|linux|net|netinet|sys|uv)\/[^>"]+)[>"]/,
  },
  {
    files: files('src-native/binding', '.cc', '.h'),
    forbidden: /^\s*#\s*include\s*<((?:arpa|linux|net|netinet|sys)\/[^>]+|unistd\.h)>/,
  },
  {
    files: files('lib', 'ts').filter((file) => file !== 'lib/addon.ts'),
    forbidden: /(?:from|require\(|import\(?)\s*['"](bindings)['"]/,
  },
];

const broken = rules.flatMap(({ files, forbidden }) =>
  files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, index) => {
        const name = forbidden.exec(line)?.[1];
        return name ? [`${file}:${index + 1}: ${name} does not belong in this layer`] : [];
      }),
  ),
);
if (broken.length > 0) fail(broken.join('\n'));
