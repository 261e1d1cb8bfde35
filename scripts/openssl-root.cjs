'use strict';

// For binding.gyp: the OpenSSL in the folder that OPENSSL_ROOT names, to be linked into the addon.
//   node scripts/openssl-root.cjs include      prints a folder with its headers and no others
//   node scripts/openssl-root.cjs libraries    prints what to link
// Only Node's own modules: it is published.

const fs = require('node:fs');
const { join } = require('node:path');

const prefix = process.env.OPENSSL_ROOT ?? '';
const windows = process.platform === 'win32';
// Debian's names of architectures: it keeps part of the headers, and all libraries, under them.
const cpu = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i386' }[process.arch] ?? process.arch;
const multiarch = process.platform === 'linux' ? [`${cpu}-linux-gnu`] : [];

function fail(message) {
  console.error(`OPENSSL_ROOT=${prefix}: ${message}`);
  process.exit(1);
}

/** Copies, because Node's headers stand first wherever the system's own folder is named. */
function include() {
  const target = join('build', 'openssl-include');
  fs.rmSync(target, { recursive: true, force: true });
  fs.mkdirSync(join(target, 'openssl'), { recursive: true });
  for (const folder of ['', ...multiarch].map((one) => join(prefix, 'include', one, 'openssl'))) {
    if (!fs.existsSync(folder)) continue;
    for (const name of fs.readdirSync(folder))
      fs.copyFileSync(join(folder, name), join(target, 'openssl', name));
  }
  const header = join(target, 'openssl', 'opensslv.h');
  if (!fs.existsSync(header)) fail(`no OpenSSL headers in ${join(prefix, 'include')}`);
  const text = fs.readFileSync(header, 'utf8');
  const major = /OPENSSL_VERSION_MAJOR\s+(\d+)/.exec(text)?.[1] ?? '0';
  if (Number(major) < 3) fail('its headers are not those of OpenSSL 3.0 or later');
  return [target];
}

/** What a static libcrypto itself needs, as its pkg-config file says. */
function needed(folder) {
  if (windows) return ['ws2_32.lib', 'gdi32.lib', 'advapi32.lib', 'crypt32.lib', 'user32.lib'];
  const file = join(folder, 'pkgconfig', 'libcrypto.pc');
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  return /^Libs\.private:\s*(.*)$/m.exec(text)?.[1].split(/\s+/).filter(Boolean) ?? [];
}

function libraries() {
  const names = windows ? ['libssl.lib', 'libcrypto.lib'] : ['libssl.a', 'libcrypto.a'];
  const folders = ['lib64', 'lib', ...multiarch.map((one) => join('lib', one))].map((one) =>
    join(prefix, one),
  );
  const folder = folders.find((one) => names.every((name) => fs.existsSync(join(one, name))));
  if (!folder) fail(`no static ${names.join(' and ')} in ${folders.join(', ')}`);
  return [...names.map((name) => join(folder, name)), ...needed(folder)];
}

const answers = { include, libraries }[process.argv[2]]();
console.log(answers.map((one) => one.replaceAll('\\', '/')).join(' '));
