// Protects the documents from falling behind the code: every error code, alert and verification
// result is explained, every option is described and its default is given a reason, every name of
// the API occurs, and links lead somewhere, those of a page in the package to what is in it.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { EventEmitter } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { transformSync } from 'esbuild';
import * as api from '../../lib/index';
import { CONNECT_OPTIONS, NAMED_OPTIONS, OWN_OPTIONS, SERVER_OPTIONS } from '../../lib/checks/option-names';
import { filesIn } from '../helpers/tree';

const root = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const all = (text: string, pattern: RegExp): string[] =>
  [...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? ''))].sort();

const sources = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => read(`lib/${name}`))
  .join('\n');

const GENERAL = ['api', 'architecture', 'defaults', 'errors', 'performance', 'security', 'testing', 'troubleshooting'];
const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
/** A page about one feature describes that feature's codes and options itself. */
const featurePages = pages
  .filter((name) => !GENERAL.includes(name.replace(/\.md$/, '')))
  .map((name) => read(`docs/${name}`))
  .join('\n');

/** What stands between backquotes in a document, or in the page of a feature. */
const quoted = (document: string): Set<string> =>
  new Set(
    all(`${read(document)}\n${featurePages}`, /`([^`\n]+)`/g).map((name) =>
      name.replace(/\(.*$/, ''),
    ),
  );

const ANYTHING = /\S/;

/** The names in the first cells of tables, of rows whose cells are like this. */
function rowsOf(text: string, ...cells: readonly RegExp[]): Set<string> {
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split(/(?<!\\)\|/).slice(1, -1));
  const fitting = rows.filter((row) => cells.every((cell, at) => cell.test(row[at] ?? '')));
  return new Set(fitting.flatMap(([first = '']) => all(first, /`([^`]+)`/g)));
}

/** The numbered names of a table in lib/errors/names.ts. */
function names(table: string): string[] {
  const body = new RegExp(`const ${table}[^{]*\\{([^}]*)\\}`).exec(read('lib/errors/names.ts'))?.[1];
  if (body === undefined) throw new Error(`no table ${table}`);
  return all(body, /'(\w+)'/g);
}

/** A prototype and those that it inherits from, down to one of `foreign`. */
function lineage(prototype: object, foreign: readonly object[]): object[] {
  if (foreign.includes(prototype)) return [];
  return [prototype, ...lineage(Object.getPrototypeOf(prototype) as object, foreign)];
}

function expectNone(missing: string[], where: string): void {
  expect(missing, `not in ${where}`).to.deep.equal([]);
}

describe('documents', () => {
  it('have code that parses', () => {
    for (const page of ['README.md', ...pages.map((name) => `docs/${name}`)]) {
      for (const [, language = '', code = ''] of read(page).matchAll(/^```(js|ts)\n([^]*?)^```/gm)) {
        const loader = language === 'ts' ? 'ts' : 'js';
        expect(() => transformSync(code, { loader, format: 'esm', logLevel: 'silent' }), page + code).not.to.throw();
      }
    }
  });

  describe('docs/errors.md', () => {
    const known = quoted('docs/errors.md');

    it('explains every error of the core', () => {
      const codes = all(read('src-native/core/base/errors.def'), /^DTLS_FAILURE\(\w+, "(\w+)"/gm);
      expect(codes).to.have.length.above(20);
      expectNone(codes.filter((code) => !known.has(code)), 'docs/errors.md');
    });

    it('explains every error of lib', () => {
      const codes = all(sources, /'((?:ERR|ABORT)_[A-Z_]+)'/g);
      expect(codes).to.include('ERR_DTLS_EMPTY_MESSAGE');
      expectNone(codes.filter((code) => !known.has(code)), 'docs/errors.md');
    });

    it('explains every alert', () => {
      const alerts = names('ALERTS').map((alert) => `ERR_DTLS_ALERT_${alert.toUpperCase()}`);
      expect(alerts).to.include('ERR_DTLS_ALERT_UNKNOWN_CA');
      expectNone(alerts.filter((code) => !known.has(code)), 'docs/errors.md');
    });

    it('explains every result of verification', () => {
      const results = names('VERIFY_ERRORS');
      expect(results).to.include('CERT_HAS_EXPIRED');
      expectNone(results.filter((code) => !known.has(code)), 'docs/errors.md');
    });

    it('explains every system error that has a hint', () => {
      const hints = /const IO_HINTS[^{]*\{([^}]*)\}/.exec(sources)?.[1] ?? '';
      const codes = all(hints, /^ {2}(E[A-Z]+):/gm);
      expect(codes).to.include('ECONNREFUSED');
      expectNone(codes.filter((code) => !known.has(code)), 'docs/errors.md');
    });

    it('names no code that does not exist', () => {
      const everything = sources + read('src-native/core/base/errors.def');
      const alerts = names('ALERTS').map((alert) => `ERR_DTLS_ALERT_${alert.toUpperCase()}`);
      const invented = [...known].filter(
        (code) =>
          /^ERR_DTLS_\w+$/.test(code) && !everything.includes(code) && !alerts.includes(code),
      );
      expectNone(invented, 'the code');
    });
  });

  describe('options', () => {
    /** Those of an object within the options: what its checkNames has. */
    const within = (object: string, variable = object): string[] =>
      all(read('lib/options/session.ts'), new RegExp(`checkNames\\(${variable}, \\[([^\\]]*)\\]`, 'g'))
        .flatMap((body) => all(body, /'(\w+)'/g))
        .map((name) => `${object}.${name}`);
    const nested = [...within('retransmission'), ...within('heartbeat', 'option')];
    const main: string[] = [...new Set([...SERVER_OPTIONS, ...CONNECT_OPTIONS, ...NAMED_OPTIONS])];
    const options = [...OWN_OPTIONS, ...main, ...nested];

    it('are found', () => {
      expect(options).to.include.members(['cert', 'mtu', 'cookieSecret', 'lookup', 'psk']);
      expect(nested).to.have.length(7);
      expect(nested).to.include.members(['retransmission.max', 'heartbeat.retries']);
    });

    it('are all described in a table of docs/api.md, with type and default', () => {
      const described = rowsOf(read('docs/api.md'), ANYTHING, /;/, ANYTHING);
      expectNone(main.filter((name) => !described.has(name)), 'docs/api.md');
    });

    it('of createSocket, and within options, are described in the page of a feature', () => {
      const described = rowsOf(`${read('docs/api.md')}\n${featurePages}`, ANYTHING, ANYTHING);
      expectNone(options.filter((name) => !described.has(name)), 'a table');
    });

    it('have their default, with its reason, in a table of docs/defaults.md', () => {
      const given = rowsOf(read('docs/defaults.md'), ANYTHING, ANYTHING);
      expectNone(options.filter((name) => !given.has(name)), 'docs/defaults.md');
    });

    it('are the only ones in docs/defaults.md', () => {
      const given = rowsOf(read('docs/defaults.md'), ANYTHING, ANYTHING);
      expectNone([...given].filter((name) => !options.includes(name)), 'the options');
    });

    it('have the default suites in docs/defaults.md', () => {
      const known = quoted('docs/defaults.md');
      const suites = api.DEFAULT_CIPHERS.split(':');
      expectNone(suites.filter((name) => !known.has(name)), 'docs/defaults.md');
    });
  });

  describe('docs/api.md', () => {
    const known = quoted('docs/api.md');
    /** What this page names itself. */
    const named = new Set(all(read('docs/api.md'), /`(\w+)[`(]/g));

    it('has every export', () => {
      const lists = all(read('lib/index.ts'), /^export (?:type )?\{([^}]*)\}/gm).join(',');
      const exported = all(lists, /(\w+)\s*(?:,|$)/g);
      expect(exported).to.include.members([...Object.keys(api), 'Peer', 'ServerOptions']);
      expectNone(exported.filter((name) => !named.has(name)), 'docs/api.md');
    });

    it('has every event', () => {
      const events = ['DTLSServerEvents', 'DTLSSocketEvents'].flatMap((name) => {
        const body = new RegExp(`interface ${name} \\{([^}]*)\\}`).exec(sources)?.[1] ?? '';
        return all(body, /^ {2}(\w+): \[/gm);
      });
      expect(events).to.include.members(['packet', 'secureConnect']);
      expectNone(events.filter((name) => !read('docs/api.md').includes(`| \`${name}\``)), 'docs/api.md');
    });

    it('has every method and property of the classes', () => {
      const foreign = [EventEmitter.prototype, dgram.Socket.prototype, Object.prototype];
      const members = [api.DTLSSocket, api.DTLSServer, api.SecureDgramSocket, api.SecureContext]
        .flatMap(({ prototype }) => lineage(prototype, foreign).flatMap((ours) => Object.getOwnPropertyNames(ours)))
        // What listens in place of Node's own methods is documented there.
        .filter((name) => name !== 'constructor' && !(name in EventEmitter.prototype));
      expect(members).to.include.members(['send', 'readyState', 'setSecureContext']);
      expectNone(members.filter((name) => !known.has(name)), 'docs/api.md');
      const own = [api.DTLSSocket, api.DTLSServer]
        .flatMap(({ prototype }) => lineage(prototype, foreign).flatMap((ours) => Object.getOwnPropertyNames(ours)))
        .filter((name) => name !== 'constructor' && !(name in EventEmitter.prototype));
      expectNone(own.filter((name) => !named.has(name)), 'docs/api.md itself');
    });

    it('has every counter', () => {
      const counters = ['stats.def', 'seldom_stats.def', 'endpoint_stats.def'].flatMap((file) =>
        all(read(`src-native/core/outbox/${file}`), /^DTLS_STAT\((\w+)\)/gm),
      );
      expect(counters).to.include.members(['replays', 'cookiesSent']);
      expectNone(counters.filter((name) => !named.has(name)), 'docs/api.md');
    });
  });

  describe('links', () => {
    const { files } = JSON.parse(read('package.json')) as { files: readonly string[] };
    /** npm packs these, whatever `files` says. */
    const ALWAYS = ['package.json', 'README.md', 'LICENSE'];
    const packed = (path: string): boolean =>
      [...files, ...ALWAYS].some((entry) => path === entry || path.startsWith(`${entry}/`));

    /** A document without what stands in its blocks of code, where `#` begins a comment. */
    const prose = (document: string): string => read(document).replace(/^```.*?^```$/gms, '');
    /** What a page calls its headings: in small letters, without punctuation, a second one of a name with `-1`. */
    function anchors(document: string): Set<string> {
      const found = new Set<string>();
      for (const [, title = ''] of prose(document).matchAll(/^#+ (.+)$/gm)) {
        const name = title
          .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
          .toLowerCase()
          .replace(/[^\w\- ]/g, '')
          .replaceAll(' ', '-');
        let anchor = name;
        for (let again = 1; found.has(anchor); ++again) anchor = `${name}-${String(again)}`;
        found.add(anchor);
      }
      return found;
    }
    interface Link {
      readonly link: string;
      readonly target: string;
      readonly heading: string | undefined;
    }
    const linksOf = (document: string): Link[] =>
      all(prose(document), /\]\((?![a-z]+:)([^)\s]+)\)/g).map((link) => {
        const [path = '', heading] = link.split('#');
        return { link, heading, target: path === '' ? document : posix.join(posix.dirname(document), path) };
      });
    const folders = ['docs', 'lib', 'src-native', 'examples', 'test', 'scripts', 'bench'];
    const documents = [
      ...readdirSync(root).filter((name) => name.endsWith('.md')),
      ...folders.flatMap(filesIn).filter((name) => name.endsWith('.md')),
    ];
    const broken = (documents: readonly string[], fits: (link: Link) => boolean): string[] =>
      documents.flatMap((document) =>
        linksOf(document)
          .filter((link) => !fits(link))
          .map(({ link }) => `${link} in ${document}`),
      );

    it('lead only to files and headings that exist', () => {
      expect(documents).to.include.members(['README.md', 'docs/api.md', 'src-native/core/wire/README.md']);
      const missing = broken(
        documents,
        ({ target, heading }) =>
          existsSync(join(root, target)) && (heading === undefined || anchors(target).has(heading)),
      );
      expectNone(missing, 'the repository');
    });

    it('of a page that is packed lead only to what is packed, too', () => {
      const pages = documents.filter(packed);
      expect(pages).to.include.members(['README.md', 'CHANGELOG.md', 'docs/resumption.md', 'docs/scaling.md']);
      expect(packed('test/unit/docs.test.ts')).to.be.false;
      expectNone(broken(pages, ({ target }) => packed(target)), 'the package');
    });
  });
});
