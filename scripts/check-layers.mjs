// The layers, held by a check: the core is plain C++ over OpenSSL that knows of no runtime and no
// operating system, and only lib/addon.ts loads the addon.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, files, root } from './tools.mjs';

/** Headers of a POSIX system, Linux's own among them: only src-native/io looks at the system. */
const SYSTEM = '(?:arpa|linux|net|netinet|sys)\\/[^>"]+|(?:dlfcn|ifaddrs|link|netdb|poll|pthread|unistd)\\.h';
const including = (names) => new RegExp(`^\\s*#\\s*include\\s*[<"](${names})[>"]`);

const rules = [
  {
    files: files('src-native/core', '.cc', '.h'),
    forbidden: including(`(?:js_native_api|napi|node|node_api|uv)\\.h|uv\\/[^>"]+|${SYSTEM}`),
  },
  {
    files: files('src-native', '.cc', '.h').filter((file) => !/^src-native\/(core|io)\//.test(file)),
    forbidden: including(SYSTEM),
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
