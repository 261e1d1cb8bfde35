// wolfSSL with DTLS 1.3, a peer for tests: releases of Debian build it without, the newest of its archive
// has it. Its packages are unpacked into .cache/wolfssl, beside the C library that they want, and run by
// that library's own loader; apt's lists and state are private to this script, and nothing is installed.
//
//   node scripts/wolfssl.mjs     makes .cache/wolfssl where it is not there

import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, output, root, run } from './tools.mjs';

const PREFIX = join(root, '.cache/wolfssl');
const SUITE = 'sid';

/** A mirror of Debian's archive, as this machine's own sources name it. */
function mirror() {
  const targets = output('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(SUITE) $(RELEASE) $(COMPONENT)',
    'Created-By: Packages',
  ]);
  const lines = targets.split('\n').map((line) => line.split(' '));
  // Not the archives of updates and security, which have no such suite, nor those of others.
  const found = lines.find(([uri = '', , , component]) => /\/debian\/$/.test(uri) && component === 'main');
  return found?.[0] ?? fail("no source of this machine's apt is Debian's archive");
}

/** An apt of its own: its sources, lists and cache are in `folder`. */
function privateApt(folder) {
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const sources = join(folder, 'sources.list');
  writeFileSync(sources, `deb [signed-by=${keyring}] ${mirror()} ${SUITE} main\n`);
  const state = join(folder, 'state');
  const cache = join(folder, 'cache');
  for (const made of [join(state, 'lists/partial'), join(cache, 'archives/partial')])
    mkdirSync(made, { recursive: true });
  writeFileSync(join(state, 'status'), '');
  return Object.entries({
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::State': state,
    'Dir::State::status': join(state, 'status'),
    'Dir::Cache': cache,
    // Whoever runs this may read and write the folder; apt's own user need not.
    'APT::Sandbox::User': '',
  }).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** The packages that have to be there: the headers, what they depend on of wolfSSL, and the C library. */
function packages(apt) {
  const shown = output('apt-cache', [...apt, 'show', '--no-all-versions', 'libwolfssl-dev']);
  const library = /^Depends:.*\b(libwolfssl\d+\w*)/m.exec(shown)?.[1];
  if (library === undefined) fail(`libwolfssl-dev of ${SUITE} names no library`);
  return ['libwolfssl-dev', library, 'libc6'];
}

function unpack() {
  mkdirSync(join(root, '.cache'), { recursive: true });
  // Under a name of its own until it is whole: other runs may be at the same.
  const folder = mkdtempSync(join(root, '.cache/new-wolfssl-'));
  try {
    const apt = privateApt(folder);
    run('apt-get', [...apt, 'update', '-qq']);
    const downloads = join(folder, 'downloads');
    mkdirSync(downloads);
    run('apt-get', [...apt, 'download', '-qq', ...packages(apt)], { cwd: downloads });
    const prefix = join(folder, 'prefix');
    mkdirSync(prefix);
    for (const name of readdirSync(downloads)) run('dpkg', ['-x', join(downloads, name), prefix]);
    if (!existsSync(PREFIX)) renameSync(prefix, PREFIX);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (!existsSync(PREFIX)) unpack();
