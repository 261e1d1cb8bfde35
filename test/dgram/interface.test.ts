/**
 * Protects: createSocket's sockets are dgram sockets. The same program uses every documented member of
 * dgram.Socket on a plain socket and on one that encrypts, and must see the same; what is meant to
 * differ is named so here and in docs/dgram.md.
 */
import { expect } from 'chai';
import dgram from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createSocket } from '../../lib/index';
import { within } from '../helpers/pair';
import { both, closedSocket, ended, outcome, plainSocket, same, secureSocket, type Make } from './both';
import { bound, closeSockets, PSK, received, track } from './support';

describe('createSocket: the interface of dgram.Socket', () => {
  afterEach(closeSockets);

  it('is a dgram.Socket and an EventEmitter, and has every member of its prototype', () => {
    const socket = secureSocket();
    expect(socket).to.be.instanceOf(dgram.Socket).and.instanceOf(EventEmitter);
    // Its getters with an underscore are deprecated and warn when read.
    for (const name of Object.getOwnPropertyNames(dgram.Socket.prototype)) {
      expect(name in socket, name).to.be.true;
    }
    // Nor has it one of dgram's that this Node's dgram has not.
    for (const name of ['bindSync', 'connectSync']) expect(name in socket).to.equal(name in dgram.Socket.prototype);
    expect((socket as unknown as { type: string }).type).to.equal('udp4');
  });

  it('docs/dgram.md has a line for every member, event and option of this Node', () => {
    const table = readFileSync(path.join(__dirname, '..', '..', 'docs', 'dgram.md'), 'utf8');
    // `sendto` is of Node 0.0 and on no page of its documentation.
    const undocumented = ['constructor', 'sendto'];
    const members = Object.getOwnPropertyNames(dgram.Socket.prototype).filter(
      (name) => !name.startsWith('_') && !undocumented.includes(name),
    );
    const events = ['close', 'connect', 'error', 'listening', 'message'];
    const options = ['reuseAddr', 'reusePort', 'ipv6Only', 'recvBufferSize', 'sendBufferSize', 'lookup', 'signal', 'receiveBlockList', 'sendBlockList'];
    for (const name of [...members, ...events, ...options, 'Symbol.asyncDispose']) {
      expect(table, name).to.match(new RegExp(`^\\|.*\`${name.replace('.', '\\.')}\``, 'm'));
    }
  });

  describe('createSocket(options[, listener])', () => {
    it('adds the listener to message', () => {
      const heard = (): void => undefined;
      for (const socket of [
        dgram.createSocket({ type: 'udp4' }, heard),
        createSocket({ type: 'udp4', dtls: PSK }, heard),
      ]) {
        expect(track(socket).listeners('message')).to.deep.equal([heard]);
      }
    });
    for (const [what, options] of [
      ['an unknown type', { type: 'udp5' }],
      ['no type', { type: undefined }],
      ['recvBufferSize that is no number', { recvBufferSize: 'big' }],
      ['recvBufferSize out of range', { recvBufferSize: -1 }],
      ['sendBufferSize out of range', { sendBufferSize: 2 ** 32 }],
      ['a lookup that is no function', { lookup: 'dns' }],
      ['a signal that is none', { signal: {} }],
    ] as const) {
      it(`refuses ${what} as dgram does`, () =>
        same((make) => outcome(() => make(options as never))));
    }
  });

  describe('bind', () => {
    const binds: [string, (socket: dgram.Socket) => dgram.Socket][] = [
      ['()', (s) => s.bind()],
      ['(callback)', (s) => s.bind(() => undefined)],
      ['(port)', (s) => s.bind(0)],
      ['(port, callback)', (s) => s.bind(0, () => undefined)],
      ['(port, address)', (s) => s.bind(0, '127.0.0.1')],
      ['(port, address, callback)', (s) => s.bind(0, '127.0.0.1', () => undefined)],
      ['({ port, address, exclusive })', (s) => s.bind({ port: 0, address: '127.0.0.1', exclusive: true })],
    ];
    for (const [form, bind] of binds) {
      it(`${form} emits listening later, once, and returns the socket`, () =>
        same(async (make) => {
          const socket = make();
          const order: string[] = [];
          socket.on('listening', () => order.push('listening'));
          expect(bind(socket)).to.equal(socket);
          order.push('returned');
          await within(once(socket, 'listening'), 'listening');
          const { address, family, port } = socket.address();
          return { order, address, family, hasPort: port > 0 };
        }));
    }
    it('calls the callback with the socket as this', () =>
      same(async (make) => {
        const socket = make();
        return within(
          new Promise((resolve) => {
            socket.bind(0, '127.0.0.1', function (this: unknown) {
              resolve(this === socket);
            });
          }),
          'the callback',
        );
      }));
    it('twice is ERR_SOCKET_ALREADY_BOUND', () =>
      same((make) => {
        const socket = make();
        socket.bind(0, '127.0.0.1');
        return outcome(() => socket.bind(0, '127.0.0.1'));
      }));
    it('to a port that is taken emits EADDRINUSE', () =>
      same(async (make) => {
        const taken = await bound(plainSocket());
        const socket = make();
        socket.bind(taken.address().port, '127.0.0.1');
        const [error] = (await within(once(socket, 'error'), 'error')) as [NodeJS.ErrnoException];
        const { code, syscall, errno } = error;
        return { code, syscall, errno };
      }));
    it('on a closed socket is ERR_SOCKET_DGRAM_NOT_RUNNING', () =>
      same(async (make) => {
        const socket = await closedSocket(make);
        return outcome(() => socket.bind(0));
      }));
  });

  describe('send', () => {
    const forms: [string, (from: dgram.Socket, port: number, done: (e: Error | null, n: number) => void) => void][] = [
      ['(msg, port, address, callback)', (s, port, done) => { s.send('abcdef', port, '127.0.0.1', done); }],
      ['(msg, port, callback)', (s, port, done) => { s.send('abcdef', port, done); }],
      ['(Buffer, port, address, callback)', (s, port, done) => { s.send(Buffer.from('abcdef'), port, '127.0.0.1', done); }],
      ['(Uint16Array, port, address, callback)', (s, port, done) => { s.send(new Uint16Array([0x6261, 0x6463]), port, '127.0.0.1', done); }],
      ['(DataView, port, address, callback)', (s, port, done) => { s.send(new DataView(new TextEncoder().encode('abc').buffer), port, '127.0.0.1', done); }],
      ['(msg, offset, length, port, address, callback)', (s, port, done) => { s.send(Buffer.from('abcdef'), 1, 3, port, '127.0.0.1', done); }],
      ['(msg, offset, length, port, callback)', (s, port, done) => { s.send(Buffer.from('abcdef'), 2, 4, port, done as never); }],
      ['(string, offset, length in bytes, port, address, callback)', (s, port, done) => { s.send('äöü', 2, 2, port, '127.0.0.1', done); }],
      ['(msg, port, "", callback)', (s, port, done) => { s.send('abcdef', port, '', done); }],
      ['(msg, port as a string, address, callback)', (s, port, done) => { s.send('abcdef', String(port) as never, '127.0.0.1', done); }],
      ['([parts], port, address, callback)', (s, port, done) => { s.send(['ab', Buffer.from('cd')], port, '127.0.0.1', done); }],
    ];
    for (const [form, send] of forms) {
      it(`${form} sends, and calls back with null and the bytes of the message`, () =>
        same(async (make) => {
          const [from, to] = [make(), await bound(make())];
          const arrival = received(to);
          const back = await within(
            new Promise((resolve) => {
              send(from, to.address().port, (...args) => {
                resolve(args);
              });
            }),
            'the callback',
          );
          const { message, info } = await arrival;
          return { back, message, size: info.size, address: info.address, family: info.family };
        }));
    }
    it('binds an unbound socket', () =>
      same(async (make) => {
        const [from, to] = [make(), await bound(make())];
        const listening = once(from, 'listening');
        expect(outcome(() => { from.send('x', to.address().port); })).to.equal(undefined);
        await within(listening, 'listening');
        return from.address().address;
      }));
    for (const [what, args] of [
      ['no arguments', []],
      ['a number as message', [1, 5000]],
      ['an object as message', [{}, 5000]],
      ['an ArrayBuffer as message', [new ArrayBuffer(3), 5000]],
      ['null as message', [null, 5000]],
      ['a list with a number', [['a', 1], 5000]],
      ['no port', ['x']],
      ['port 0', ['x', 0]],
      ['port 65536', ['x', 65536]],
      ['port -1', ['x', -1, '127.0.0.1']],
      ['a port that is a word', ['x', 'http', '127.0.0.1']],
      ['a port that is a fraction', ['x', 1.5, '127.0.0.1']],
      ['an address that is a number', ['x', 5000, 1]],
      ['an offset beyond the message', [Buffer.from('abc'), 4, 1, 5000, '127.0.0.1']],
      ['a length beyond the message', [Buffer.from('abc'), 1, 3, 5000, '127.0.0.1']],
      ['an offset with a message that is none', [7, 0, 1, 5000, '127.0.0.1']],
    ] as [string, unknown[]][]) {
      it(`with ${what} throws what dgram throws`, () =>
        same((make) => {
          const socket = make();
          return outcome(() => { (socket.send as (...all: unknown[]) => void).apply(socket, args); });
        }));
    }
    it('on a closed socket throws ERR_SOCKET_DGRAM_NOT_RUNNING', () =>
      same(async (make) => {
        const socket = await closedSocket(make);
        return outcome(() => { socket.send('x', 5000); });
      }));
    it('never calls back before it has returned', () =>
      same(async (make) => {
        const [from, to] = [make(), await bound(make())];
        const order: string[] = [];
        for (let i = 0; i < 2; ++i) {
          await within(
            new Promise<void>((resolve) => {
              from.send('x', to.address().port, '127.0.0.1', () => {
                order.push('called');
                resolve();
              });
              order.push('returned');
            }),
            'the callback',
          );
        }
        return order;
      }));
    it('different: an empty message is an error of the callback', async () => {
      const [from, to] = [secureSocket(), await bound(secureSocket())];
      const error = await within(
        new Promise<NodeJS.ErrnoException | null>((resolve) => {
          from.send('', to.address().port, resolve);
        }),
        'the callback',
      );
      expect(error?.code).to.equal('ERR_DTLS_EMPTY_MESSAGE');
    });
    for (const [name, make] of both) {
      it(`a message that is too long is EMSGSIZE on the callback (${name})`, async () => {
        const [from, to] = [make(), await bound(make())];
        const error = await within(
          new Promise<NodeJS.ErrnoException | null>((resolve) => {
            from.send(Buffer.alloc(70000), to.address().port, '127.0.0.1', resolve);
          }),
          'the callback',
        );
        expect(error?.code).to.equal('EMSGSIZE');
        expect(error?.syscall).to.equal('send');
      });
    }
  });

  describe('connect, disconnect, remoteAddress', () => {
    it('connect emits connect, calls back, and remoteAddress tells whom', () =>
      same(async (make) => {
        const [from, to] = [make(), await bound(make())];
        const events: string[] = [];
        from.on('connect', () => events.push('connect'));
        await within(
          new Promise<void>((resolve) => {
            from.connect(to.address().port, '127.0.0.1', () => {
              events.push('callback');
              resolve();
            });
          }),
          'the callback',
        );
        const { address, family, port } = from.remoteAddress();
        return { events, address, family, port: port === to.address().port };
      }));
    it('a connected socket sends without an address, and refuses one', () =>
      same(async (make) => {
        const [from, to] = [make(), await bound(make())];
        from.connect(to.address().port, '127.0.0.1');
        await within(once(from, 'connect'), 'connect');
        const arrival = received(to);
        const back = await within(
          new Promise((resolve) => {
            from.send(Buffer.from('abcdef'), 1, 3, (...args) => {
              resolve(args);
            });
          }),
          'the callback',
        );
        return {
          back,
          text: (await arrival).text,
          again: outcome(() => { from.connect(5000); }),
          addressed: outcome(() => { from.send('abcdef', 0, 2, 5000, '127.0.0.1'); }),
        };
      }));
    it('disconnect undoes it', () =>
      same(async (make) => {
        const [from, to] = [make(), await bound(make())];
        from.connect(to.address().port, '127.0.0.1');
        await within(once(from, 'connect'), 'connect');
        return {
          disconnect: outcome(() => { from.disconnect(); }),
          again: outcome(() => { from.disconnect(); }),
          remote: outcome(() => from.remoteAddress()),
          send: outcome(() => { from.send('x'); }),
        };
      }));
    for (const [what, args] of [
      ['port 0', [0]],
      ['a port out of range', [70000]],
      ['an address that is no string', [5000, 7]],
    ] as [string, unknown[]][]) {
      it(`connect with ${what} throws what dgram throws`, () =>
        same((make) => {
          const socket = make();
          return outcome(() => { (socket.connect as (...all: unknown[]) => void).apply(socket, args); });
        }));
    }
    it('connect without an address is to the loopback, binds the socket, and stands for a later send', () =>
      same(async (make) => {
        const [from, to] = [make(), await bound(make())];
        const arrival = received(to);
        from.connect(to.address().port, () => {
          from.send('hello');
        });
        const { text } = await arrival;
        const { address, family } = from.remoteAddress();
        return { text, address, family, bound: from.address().address };
      }));
    it('connect to a name that does not resolve tells the callback, or else emits error', () =>
      same(async (make) => {
        const lookup = ((host: string, _options: unknown, done: (e: Error | null, address: string, family: number) => void) => {
          if (host.endsWith('.example')) done(Object.assign(new Error(`no ${host}`), { code: 'ENOTFOUND' }), '', 4);
          else done(null, host, 4);
        }) as never;
        const called = await within(
          new Promise((resolve) => {
            make({ lookup }).connect(5684, 'nowhere.example', resolve as () => void);
          }),
          'the callback',
        );
        const other = make({ lookup });
        const failed = once(other, 'error');
        other.connect(5684, 'nowhere.example');
        const [error] = (await within(failed, 'error')) as [NodeJS.ErrnoException];
        return [(called as NodeJS.ErrnoException).code, error.code, outcome(() => { other.send('x'); })];
      }));
    it('a socket that was disconnected may be connected again', () =>
      same(async (make) => {
        const [from, one, two] = [make(), await bound(make()), await bound(make())];
        const texts: string[] = [];
        for (const to of [one, two]) {
          from.connect(to.address().port, '127.0.0.1');
          await within(once(from, 'connect'), 'connect');
          const arrival = received(to);
          from.send('hello');
          texts.push((await arrival).text);
          from.disconnect();
        }
        return texts;
      }));
    it('remoteAddress and disconnect of a socket that is not connected', () =>
      same(async (make) => {
        const socket = await bound(make());
        return [outcome(() => socket.remoteAddress()), outcome(() => { socket.disconnect(); })];
      }));
  });

  describe('address', () => {
    it('is the address that it is bound to', () =>
      same(async (make) => {
        const { address, family } = (await bound(make())).address();
        return { address, family };
      }));
    it('of an unbound and of a closed socket throws', () =>
      same(async (make) => {
        const unbound = outcome(() => make().address()) as { code?: string };
        const closed = await closedSocket(make);
        return [unbound.code, outcome(() => closed.address())];
      }));
  });

  describe('close', () => {
    it('emits close later, once, and calls back; a second time throws', () =>
      same(async (make) => {
        const socket = await bound(make());
        const order: string[] = [];
        socket.on('close', () => order.push('close'));
        const returned = socket.close(() => order.push('callback'));
        order.push('returned');
        const second = outcome(() => socket.close());
        await ended(socket);
        return { order, itself: returned === socket, second };
      }));
    it('of an unbound socket', () => same(async (make) => (await closedSocket(make)).listenerCount('close')));
    it('frees the port at once', () =>
      same(async (make) => {
        const socket = await bound(make());
        const { port } = socket.address();
        socket.close();
        return (await bound(make(), port)).address().port === port;
      }));
    it('emits no message after close, not even of the same wake-up', () =>
      same(async (make) => {
        const [from, to] = [await bound(make()), await bound(make())];
        let heard = 0;
        const end = ended(to);
        to.on('message', () => {
          heard += 1;
          to.close();
        });
        for (const text of ['one', 'two', 'three']) from.send(text, to.address().port, '127.0.0.1');
        await end;
        await new Promise((resolve) => setTimeout(resolve, 50));
        return heard;
      }));
    it('by Symbol.asyncDispose', () =>
      same(async (make) => {
        const socket = make() as dgram.Socket & Partial<AsyncDisposable>;
        const end = ended(socket);
        const dispose = socket[Symbol.asyncDispose] as (() => Promise<void>) | undefined;
        if (dispose === undefined) socket.close();
        else await dispose.call(socket);
        await end;
        return typeof dispose;
      }));
    it('by a signal', () =>
      same(async (make) => {
        const controller = new AbortController();
        const end = ended(make({ signal: controller.signal }));
        controller.abort();
        return (await end) instanceof Array;
      }));
  });

  describe('options of the system', () => {
    const calls: [string, (socket: dgram.Socket) => unknown][] = [
      ['setBroadcast(true)', (s) => { s.setBroadcast(true); }],
      ['setTTL(16)', (s) => s.setTTL(16)],
      ['setTTL(1000)', (s) => s.setTTL(1000)],
      ['setTTL("16")', (s) => s.setTTL('16' as never)],
      ['setMulticastTTL(16)', (s) => s.setMulticastTTL(16)],
      ['setMulticastTTL(-2)', (s) => s.setMulticastTTL(-2)],
      ['setMulticastLoopback(false)', (s) => s.setMulticastLoopback(false)],
      ['setMulticastInterface("127.0.0.1")', (s) => { s.setMulticastInterface('127.0.0.1'); }],
      ['setMulticastInterface("nonsense")', (s) => { s.setMulticastInterface('nonsense'); }],
      ['setMulticastInterface(1)', (s) => { s.setMulticastInterface(1 as never); }],
      ['addMembership(group)', (s) => { s.addMembership('239.255.1.2', '127.0.0.1'); }],
      ['addMembership()', (s) => { s.addMembership(undefined as never); }],
      ['addMembership(no group)', (s) => { s.addMembership('127.0.0.1'); }],
      ['dropMembership(of none)', (s) => { s.dropMembership('239.255.1.3', '127.0.0.1'); }],
      ['dropMembership()', (s) => { s.dropMembership(undefined as never); }],
      ['addSourceSpecificMembership', (s) => { s.addSourceSpecificMembership('127.0.0.1', '232.1.1.1', '127.0.0.1'); }],
      ['addSourceSpecificMembership(1)', (s) => { s.addSourceSpecificMembership(1 as never, '232.1.1.1'); }],
      ['dropSourceSpecificMembership', (s) => { s.dropSourceSpecificMembership('127.0.0.1', '232.1.1.2', '127.0.0.1'); }],
      ['setRecvBufferSize and getRecvBufferSize', (s) => (s.setRecvBufferSize(20000), s.getRecvBufferSize())],
      ['setSendBufferSize and getSendBufferSize', (s) => (s.setSendBufferSize(20000), s.getSendBufferSize())],
      ['setRecvBufferSize(-1)', (s) => { s.setRecvBufferSize(-1); }],
      ['setSendBufferSize("x")', (s) => { s.setSendBufferSize('x' as never); }],
      ['getSendQueueSize()', (s) => s.getSendQueueSize()],
      ['getSendQueueCount()', (s) => s.getSendQueueCount()],
      ['ref() and unref()', (s) => [s.ref() === s, s.unref() === s, s.ref() === s]],
    ];
    for (const [name, call] of calls) {
      it(`${name} on a bound socket`, () =>
        same(async (make) => {
          const socket = await bound(make());
          return outcome(() => call(socket));
        }));
    }
    for (const [name, call] of calls.filter(([n]) => /BufferSize|^setTTL\(16\)|^ref/.test(n))) {
      it(`${name} on an unbound socket`, () => same((make) => outcome(() => call(make()))));
    }
    it('recvBufferSize and sendBufferSize of the options', () =>
      same(async (make) => {
        const socket = await bound(make({ recvBufferSize: 30000, sendBufferSize: 40000 }));
        return [socket.getRecvBufferSize(), socket.getSendBufferSize()];
      }));
    it('reuseAddr lets two sockets have one port', () =>
      same(async (make) => {
        const first = await bound(make({ reuseAddr: true }));
        const second = await bound(make({ reuseAddr: true }), first.address().port);
        return second.address().port === first.address().port;
      }));
  });

  describe('events', () => {
    it('message brings a Buffer and rinfo; different: rinfo has authorized and pskIdentity, too', async () => {
      const fields = async (make: Make): Promise<Record<string, unknown>> => {
        const [from, to] = [await bound(make()), await bound(make())];
        const arrival = received(to);
        from.send('hello', to.address().port, '127.0.0.1');
        const { message, info } = await arrival;
        expect(Buffer.isBuffer(message)).to.be.true;
        return { ...info, port: info.port === from.address().port };
      };
      const plain = await fields(plainSocket);
      expect(await fields(secureSocket)).to.deep.equal({
        ...plain,
        authorized: true,
        pskIdentity: 'device',
      });
    });
    it('a listener that throws is an uncaughtException, and the socket goes on', async () => {
      const [from, to] = [secureSocket(), await bound(secureSocket())];
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
      to.once('message', () => {
        throw new Error('on purpose');
      });
      from.send('one', to.address().port, '127.0.0.1');
      expect(((await within(thrown, 'the exception')) as Error).message).to.equal('on purpose');
      for (const listener of listeners) process.on('uncaughtException', listener);
      const arrival = received(to);
      from.send('two', to.address().port, '127.0.0.1');
      expect((await arrival).text).to.equal('two');
    });
  });
});
