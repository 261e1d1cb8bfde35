/**
 * Protects what is said of options that Node's own emitters, streams, sockets and servers take: each one that is none
 * here is told of by itself, and not by a list of fifty names.
 */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { ALL_OPTIONS } from '../../lib/checks/option-names';
import { connect, createSecureContext, createServer, createSocket } from '../../lib/index';
import { thrown } from '../helpers/thrown';

/** Interfaces of Node's types that say what somebody may be made with. */
const SOURCES: Readonly<Record<string, readonly string[]>> = {
  events: ['EventEmitterOptions'],
  stream: ['StreamOptions', 'ReadableOptions', 'WritableOptions', 'DuplexOptions'],
  net: [
    'SocketConstructorOpts',
    'ServerOpts',
    'ListenOptions',
    'TcpSocketConnectOpts',
    'TcpNetConnectOpts',
    'IpcNetConnectOpts',
  ],
  tls: ['TLSSocketOptions', 'ConnectionOptions', 'TlsOptions', 'SecureContextOptions', 'CommonConnectionOptions'],
  dgram: ['SocketOptions', 'BindOptions'],
  dns: ['LookupOptions'],
};

function namesOf(module: string, interfaces: readonly string[]): string[] {
  const path = require.resolve(`@types/node/${module}.d.ts`);
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isInterfaceDeclaration(node) && interfaces.includes(node.name.text)) {
      names.push(...node.members.flatMap((member) => (member.name === undefined ? [] : [member.name.getText()])));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return names;
}

/** But those that are options of somebody here, too. */
const NAMES = [...new Set(Object.entries(SOURCES).flatMap(([module, interfaces]) => namesOf(module, interfaces)))].filter(
  (name) => !ALL_OPTIONS.includes(name),
);

const PSK = { identity: 'one', psk: Buffer.alloc(16) };

const DOORS: Readonly<Record<string, (given: object) => unknown>> = {
  'createSecureContext()': (given) => createSecureContext(given),
  'createServer()': (given) => createServer({ psk: PSK, ...given }),
  'listen()': (given) => createServer({ psk: PSK }).listen({ port: 0, ...given }),
  'connect()': (given) => connect({ port: 9, host: '127.0.0.1', psk: PSK, ...given }),
  "'dtls' of createSocket()": (given) => createSocket({ type: 'udp4', dtls: { psk: PSK, ...given } }),
};

describe('Options of others', () => {
  it('are read from the types of Node', () => {
    expect(NAMES).to.have.length.above(30);
    expect(NAMES).to.include.members(['captureRejections', 'highWaterMark', 'noDelay', 'hints', 'isServer', 'socket']);
  });

  for (const [door, make] of Object.entries(DOORS)) {
    it(`are told of one by one at ${door}`, () => {
      const unknown = NAMES.filter((name) => {
        const { code, hint = '' } = thrown(() => make({ [name]: true }));
        expect(code, name).to.equal('ERR_DTLS_UNKNOWN_OPTION');
        return hint === '' || hint.startsWith('The options here are');
      });
      expect(unknown).to.deep.equal([]);
    });
  }

  for (const [given, words] of [
    [{ captureRejections: true }, 'for the whole process'],
    [{ highWaterMark: 1 }, "'drain'"],
    [{ objectMode: true }, 'streams'],
    [{ encoding: 'utf8' }, 'message.toString()'],
    [{ keepAliveInitialDelay: 1 }, "'heartbeat'"],
    [{ autoSelectFamily: true }, 'the first of the lookup'],
    [{ hints: 1 }, 'dns.lookup'],
    [{ all: true }, 'dns.lookup'],
    [{ isServer: true }, 'createServer()'],
    [{ privateKeyEngine: 'x' }, 'engines'],
  ] as const) {
    it(`${Object.keys(given).join()} has a sentence`, () => {
      for (const make of Object.values(DOORS)) expect(thrown(() => make(given)).hint).to.include(words);
    });
  }
});
