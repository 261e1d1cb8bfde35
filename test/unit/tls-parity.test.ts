/**
 * Protects docs/tls-parity.md: nothing of the running Node's tls is left out, nothing is said to be here that
 * is not, and nothing is said to have no place here that has one.
 */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import stream from 'node:stream';
import tls from 'node:tls';
import ts from 'typescript';
import * as api from '../../lib/index';

const root = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

type Status = 'same' | 'different' | 'not applicable';
interface Row {
  readonly name: string;
  readonly status: Status;
  readonly note: string;
}

const document = read('docs/tls-parity.md');

/** The rows of the tables below a heading, down to the next heading of its rank or above. */
function rows(...path: string[]): Row[] {
  let text = document;
  path.forEach((heading, depth) => {
    const mark = '#'.repeat(depth + 2);
    const start = text.indexOf(`\n${mark} ${heading}`);
    if (start < 0) throw new Error(`no heading ${heading}`);
    text = text.slice(text.indexOf('\n', start + 1));
    const end = text.search(new RegExp(`^#{2,${depth + 2}} `, 'm'));
    if (end >= 0) text = text.slice(0, end);
  });
  return [...text.matchAll(/^\| (`.*?`) \| ([a-z ]+) \| ?(.*?) ?\|$/gm)].flatMap(
    ([, names = '', status, note = '']) =>
      [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => ({
        name,
        status: status as Status,
        note,
      })),
  );
}

/** Members and events of the interfaces and classes in Node's types. */
function declared(module: 'tls' | 'net'): Map<string, { members: string[]; events: string[] }> {
  const path = require.resolve(`@types/node/${module}.d.ts`);
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const found = new Map<string, { members: string[]; events: string[] }>();
  const visit = (node: ts.Node): void => {
    if ((ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node)) && node.name) {
      const members: string[] = [];
      const events: string[] = [];
      for (const member of node.members) {
        const name = member.name?.getText();
        if (name === undefined) continue;
        members.push(name);
        if (name !== 'on' || !(ts.isMethodDeclaration(member) || ts.isMethodSignature(member))) {
          continue;
        }
        const event = /^\w+: "(\w+)"$/.exec(member.parameters[0]?.getText() ?? '')?.[1];
        if (event !== undefined) events.push(event);
      }
      found.set(node.name.text, { members, events });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const types = { tls: declared('tls'), net: declared('net') };

function members(module: 'tls' | 'net', ...names: string[]): string[] {
  return names.flatMap((name) => {
    const found = types[module].get(name);
    if (found === undefined) throw new Error(`Node's types have no ${module} ${name}`);
    return found.members;
  });
}

const EMITTER = /^(?:on|once|emit|(?:add|prepend|prependOnce)Listener)$/;

/** As the table has it: without what is private to Node. */
function surface(...prototypes: object[]): string[] {
  return prototypes
    .flatMap((prototype) => Reflect.ownKeys(prototype))
    .map((key) => (typeof key === 'string' ? key : `[${key.description ?? ''}]`))
    .filter((name) => !/^(?:_|constructor$|\[k[A-Z]|\[messaging_)/.test(name))
    .map((name) => name.replace('[nodejs.asyncDispose]', '[Symbol.asyncDispose]'));
}

/** `name = [ … ] as const` in a source, with the lists of that source that it spreads. */
function list(path: string, name: string): string[] {
  const body = new RegExp(`\\b${name}\\b[^=]*= \\[([^\\]]*)\\]`).exec(read(path))?.[1];
  if (body === undefined) throw new Error(`no list ${name}`);
  return [...body.matchAll(/'(\w+)'|\.\.\.(\w+)/g)].flatMap(([, option = '', spread]) =>
    spread === undefined ? [option] : list(path, spread),
  );
}

function events(path: string, name: string): string[] {
  const body = new RegExp(`interface ${name} \\{([^}]*)\\}`).exec(read(path))?.[1] ?? '';
  return [...body.matchAll(/^ {2}(\w+): \[/gm)].map(([, event = '']) => event);
}

const contextOptions = list('lib/checks/option-names.ts', 'CONTEXT_OPTIONS');
const commonOptions = list('lib/checks/option-names.ts', 'COMMON_OPTIONS');
const serverOptions = list('lib/checks/option-names.ts', 'SERVER_OPTIONS');
const connectOptions = list('lib/checks/option-names.ts', 'CONNECT_OPTIONS');

interface Part {
  readonly title: string;
  readonly path: readonly string[];
  /** What has to have a row. */
  readonly theirs: readonly string[];
  readonly ours: readonly string[];
}

const PARTS: readonly Part[] = [
  {
    title: 'functions and values',
    path: ['Functions and values'],
    theirs: Object.keys(tls),
    ours: Object.keys(api),
  },
  {
    title: 'options of contexts',
    path: ['Options', 'Of contexts'],
    // By Node's types ALPNCallback is one of a context's; its documents have it with createServer.
    theirs: members('tls', 'SecureContextOptions').filter((name) => name !== 'ALPNCallback'),
    ours: contextOptions,
  },
  {
    title: 'options of both sides',
    path: ['Options', 'Of both sides'],
    theirs: members('tls', 'CommonConnectionOptions').filter(
      (name) => !['requestCert', 'SNICallback'].includes(name),
    ),
    ours: commonOptions,
  },
  {
    title: 'options of servers',
    path: ['Options', 'Of servers'],
    theirs: [
      ...members('tls', 'TlsOptions').filter((name) => !contextOnly(name)),
      ...members('net', 'ServerOpts'),
      'requestCert',
      'SNICallback',
      'ALPNCallback',
    ],
    ours: [...serverOptions, ...commonOptions],
  },
  {
    title: 'options of clients',
    path: ['Options', 'Of clients'],
    theirs: [
      ...members('tls', 'ConnectionOptions', 'TLSSocketOptions'),
      ...members('net', 'TcpSocketConnectOpts', 'IpcSocketConnectOpts', 'ConnectOpts'),
      ...members('net', 'SocketConstructorOpts', 'TcpNetConnectOpts'),
    ].filter(
      (name) => !['allowHalfOpen', 'signal', 'noDelay'].includes(name) && !name.startsWith('keepAlive'),
    ),
    ours: [...connectOptions, ...commonOptions],
  },
  {
    title: 'options of listen',
    path: ['Options', 'Of listen'],
    theirs: members('net', 'ListenOptions').filter((name) => name !== 'path'),
    ours: list('lib/checks/option-names.ts', 'LISTEN_OPTIONS'),
  },
  {
    title: 'methods and properties of servers',
    path: ['Servers', 'Methods and properties'],
    theirs: [
      ...surface(tls.Server.prototype, net.Server.prototype),
      ...members('net', 'Server').filter((name) => !EMITTER.test(name)),
    ],
    ours: surface(api.DTLSServer.prototype),
  },
  {
    title: 'events of servers',
    path: ['Servers', 'Events'],
    theirs: [types.tls, types.net].flatMap((module) => module.get('Server')?.events ?? []),
    ours: events('lib/server/server-events.ts', 'DTLSServerEvents'),
  },
  {
    title: 'methods and properties of sockets',
    path: ['Sockets', 'Methods and properties'],
    theirs: [
      ...surface(tls.TLSSocket.prototype, net.Socket.prototype, stream.Duplex.prototype),
      ...members('tls', 'TLSSocket').filter((name) => !EMITTER.test(name)),
      ...members('net', 'Socket').filter((name) => !EMITTER.test(name)),
    ],
    ours: surface(api.DTLSSocket.prototype, Object.getPrototypeOf(api.DTLSSocket.prototype) as object),
  },
  {
    title: 'events of sockets',
    path: ['Sockets', 'Events'],
    theirs: [
      ...(types.tls.get('TLSSocket')?.events ?? []),
      ...(types.net.get('Socket')?.events ?? []),
    ],
    ours: events('lib/socket/socket-events.ts', 'DTLSSocketEvents'),
  },
];

/** tls repeats two options of contexts among those of servers. */
function contextOnly(name: string): boolean {
  return ['sessionTimeout', 'ticketKeys'].includes(name);
}

describe('docs/tls-parity.md', () => {
  it('is read as it is written', () => {
    const statuses = new Set(PARTS.flatMap(({ path }) => rows(...path).map(({ status }) => status)));
    expect([...statuses]).to.have.members(['same', 'different', 'not applicable']);
    const inTables = PARTS.reduce((sum, { path }) => sum + rows(...path).length, 0);
    const inDocument = [...document.matchAll(/^\| (`.*?`) \|/gm)]
      .map(([, names = '']) => names.split(', ').length)
      .reduce((sum, count) => sum + count, 0);
    expect(inTables).to.equal(inDocument);
  });

  for (const { title, path, theirs, ours } of PARTS) {
    describe(title, () => {
      const table = rows(...path);
      const named = (status: Status): Row[] => table.filter((row) => row.status === status);

      it('are all there, once', () => {
        const names = table.map(({ name }) => name);
        expect(theirs).to.have.length.above(1);
        expect([...new Set(theirs)].filter((name) => !names.includes(name))).to.deep.equal([]);
        expect(names.filter((name, at) => names.indexOf(name) !== at)).to.deep.equal([]);
      });

      it('are here where the table says so', () => {
        const missing = named('same').filter(({ name }) => !ours.includes(name));
        expect(missing).to.deep.equal([]);
        // Under its own name or under one that the note has.
        const everything = new Set([...PARTS.flatMap((part) => part.ours), 'sessionsRefused']);
        const nowhere = named('different').filter(
          ({ name, note }) =>
            !ours.includes(name) &&
            ![...note.matchAll(/\b([a-zA-Z]{4,})\b/g)].some(([, word = '']) => everything.has(word)),
        );
        expect(nowhere).to.deep.equal([]);
      });

      it('are not here where the table says so', () => {
        const absent = named('not applicable');
        expect(absent.filter(({ name }) => ours.includes(name))).to.deep.equal([]);
      });

      it('have a reason where they are not the same', () => {
        const bare = table.filter(
          ({ status, note }) => status !== 'same' && note.length < 4,
        );
        expect(bare).to.deep.equal([]);
      });
    });
  }
});
