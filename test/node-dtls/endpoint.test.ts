// Protects `node:dtls` endpoints: their address and life, `busy`, the limits, and the statistics of both classes.
import dgram from 'node:dgram';
import { expect } from 'chai';
import { run } from '../helpers/child';
import { within } from '../helpers/pair';
import { skip } from '../helpers/peers';
import { closeAll, connect, dtls, HOST, KEY, listen, open, pause, portOf, PSK, rejection, thrown } from './support';

const psk = { [PSK.identity]: KEY };

describe('node-dtls: endpoints', () => {
  afterEach(closeAll);

  it('listen has bound when it returns', () => {
    const { address } = listen({ psk });
    expect(address).to.include({ address: HOST, family: 'IPv4' });
    expect(address?.port).to.be.above(0);
  });

  it('connect returns at once with the ClientHello sent', async () => {
    const receiver = dgram.createSocket('udp4');
    await new Promise<void>((resolve) => {
      receiver.bind(0, HOST, resolve);
    });
    const arrived = new Promise<Buffer>((resolve) => receiver.once('message', resolve));
    const client = connect(receiver.address().port, { psk: PSK });
    expect(client.endpoint.stats.packetsSent).to.equal(1n);
    expect((await within(arrived, 'the ClientHello')).readUInt8(13)).to.equal(1);
    client.destroy();
    receiver.close();
  });

  it('bindHost and bindPort choose the local address', async () => {
    const spare = listen({ psk });
    const port = portOf(spare);
    await spare.close();
    const client = connect(listen({ psk }), { psk: PSK, bindHost: HOST, bindPort: port });
    expect(client.endpoint.address).to.include({ address: HOST, port });
    await client.opened;
  });

  it('connect to the address of an endpoint that is bound to any address reaches it', async () => {
    for (const host of ['0.0.0.0', '::']) {
      const { address } = listen({ psk, host });
      const client = dtls.connect(address?.address ?? '', address?.port ?? 0, { psk: PSK });
      await within(client.opened, host);
      await client.close();
    }
  });

  it("on '::' serves IPv4 too, and not with ipv6Only", async () => {
    const dual = listen({ psk, host: '::' });
    await within(connect(dual, { psk: PSK }).opened, 'IPv4 on a dual stack');
    const only = listen({ psk, host: '::', ipv6Only: true });
    await rejection(connect(only, { psk: PSK, handshakeTimeout: 200 }).opened);
  });

  it('close resolves closed, after close_notify to all', async () => {
    const { endpoint, client, server } = await open();
    const closed = endpoint.close();
    expect(endpoint.address, 'from close on').to.equal(undefined);
    expect(endpoint.close()).to.equal(closed);
    await within(closed, 'close');
    expect(endpoint.destroyed).to.equal(true);
    expect(endpoint.address).to.equal(undefined);
    expect(server.destroyed).to.equal(true);
    await within(client.closed, 'the client to hear of it');
  });

  it('close without sessions resolves, too, and frees the port', async () => {
    const endpoint = listen({ psk });
    const port = portOf(endpoint);
    await within(endpoint.close(), 'close');
    expect(portOf(listen({ psk, port }))).to.equal(port);
  });

  it('destroy settles every session with that error, and tells the peers nothing', async () => {
    const { endpoint, client, server } = await open();
    const reason = new Error('the end');
    endpoint.destroy(reason);
    expect(await rejection(server.closed)).to.equal(reason);
    expect(await rejection(endpoint.closed)).to.equal(reason);
    expect(endpoint.destroyed).to.equal(true);
    await pause();
    expect(client.destroyed).to.equal(false);
  });

  it("a client's endpoint takes its session along", async () => {
    const { client } = await open();
    await within(client.endpoint.close(), 'close');
    expect(client.destroyed).to.equal(true);
    const other = await open();
    other.client.endpoint.destroy();
    expect(other.client.destroyed).to.equal(true);
  });

  it('[Symbol.asyncDispose] closes', async () => {
    const endpoint = listen({ psk });
    await endpoint[Symbol.asyncDispose]();
    expect(endpoint.destroyed).to.equal(true);
  });

  it('onerror is a function or null', () => {
    const endpoint = listen({ psk });
    expect(endpoint.onerror).to.equal(undefined);
    const handler = (): void => undefined;
    endpoint.onerror = handler;
    expect(endpoint.onerror).to.equal(handler);
    endpoint.onerror = null;
    expect(endpoint.onerror).to.equal(undefined);
    expect(thrown(() => (endpoint.onerror = 1 as never)).code).to.equal('ERR_INVALID_ARG_TYPE');
  });

  it('onerror gets receive errors, as ERR_INVALID_STATE', async function () {
    if (process.platform !== 'linux' || process.env.DGRAM_DTLS_TRANSPORT === 'dgram') {
      skip(this, 'over the native socket only');
    }
    const { code, stdout, stderr } = await run('lost-descriptor.ts');
    expect(stdout, stderr).to.not.equal('');
    const { endpoint, server } = JSON.parse(stdout) as { endpoint: string[]; server: string[] };
    expect(endpoint[0]).to.equal('ERR_INVALID_STATE');
    expect(endpoint[1]).to.include('bad file descriptor');
    expect(server).to.deep.equal(['EBADF', 'recvmsg']);
    expect(code).to.equal(0);
  });

  it('busy drops new handshakes silently and counts them; open sessions go on', async () => {
    const { endpoint, client, server } = await open();
    endpoint.busy = true;
    expect(endpoint.busy).to.equal(true);
    const before = endpoint.stats.packetsSent;
    await rejection(connect(endpoint, { psk: PSK, handshakeTimeout: 200 }).opened);
    expect(endpoint.stats.serverBusyCount).to.equal(1n);
    expect(endpoint.stats.packetsSent).to.equal(before);
    expect(server.send('still here')).to.equal(10);
    await pause();
    expect(client.stats.messagesReceived).to.equal(1n);
    endpoint.busy = 0;
    expect(endpoint.busy, 'what is false').to.equal(false);
    await connect(endpoint, { psk: PSK }).opened;
  });

  it('maxSessions and maxSessionsPerHost keep peers out, in silence, and count them', async () => {
    for (const limit of [{ maxSessions: 1 }, { maxSessionsPerHost: 1 }]) {
      const { endpoint, client } = await open({ psk, ...limit }, { psk: PSK });
      await rejection(connect(endpoint, { psk: PSK, handshakeTimeout: 200 }).opened);
      expect(Number(endpoint.stats.serverRefusedCount)).to.be.least(1);
      await client.close();
      await pause();
      await within(connect(endpoint, { psk: PSK }).opened, 'a session once there is room');
    }
  });

  it('counts what could not be a ClientHello, datagrams without content aside', async () => {
    const endpoint = listen({ psk });
    const sender = dgram.createSocket('udp4');
    for (const datagram of ['rubbish', '', '\x16', '\x16\xfe']) {
      await new Promise((resolve) => {
        sender.send(Buffer.from(datagram, 'latin1'), portOf(endpoint), HOST, resolve);
      });
    }
    await within(connect(endpoint, { psk: PSK }).opened, 'a session behind them');
    sender.close();
    expect(endpoint.stats.serverRejectedCount).to.equal(3n);
    expect(endpoint.stats.serverSessions).to.equal(1n);
  });

  it('destroy without an error resolves closed, null being none', async () => {
    const { endpoint, server } = await open();
    endpoint.destroy(null);
    await within(Promise.all([endpoint.closed, server.closed]), 'both ends');
  });

  it('without --allow-net, listen and connect throw ERR_ACCESS_DENIED', async function () {
    this.timeout(10_000);
    if (!process.allowedNodeEnvironmentFlags.has('--allow-net')) {
      skip(this, "before Node 25 there is no --allow-net, and the network is everybody's");
    }
    const allowed = ['--allow-fs-read=*', '--allow-fs-write=*', '--allow-addons', '--allow-child-process', '--allow-worker'];
    const { stdout, stderr } = await run('without-network.ts', [], ['--permission', ...allowed]);
    expect(stdout, stderr).to.not.equal('');
    const [listening, connecting, main] = JSON.parse(stdout) as unknown[];
    expect(listening).to.deep.equal({ code: 'ERR_ACCESS_DENIED', permission: 'Net' });
    expect(connecting).to.deep.equal({ code: 'ERR_ACCESS_DENIED', permission: 'Net' });
    expect(main).to.deep.include({ code: 'ERR_ACCESS_DENIED' });
  });

  it('onsession waits for a valid cookie', async () => {
    const sessions: unknown[] = [];
    const endpoint = listen({ psk }, (session) => sessions.push(session));
    const receiver = dgram.createSocket('udp4');
    await new Promise<void>((resolve) => {
      receiver.bind(0, HOST, resolve);
    });
    const hello = new Promise<Buffer>((resolve) => receiver.once('message', resolve));
    const client = connect(receiver.address().port, { psk: PSK });
    const first = await within(hello, 'the ClientHello');
    client.destroy();
    const answer = new Promise<Buffer>((resolve) => receiver.once('message', resolve));
    receiver.send(first, portOf(endpoint), HOST);
    expect((await within(answer, 'an answer')).readUInt8(13), 'a HelloVerifyRequest').to.equal(3);
    receiver.close();
    expect(sessions).to.deep.equal([]);
    expect(endpoint.stats.serverSessions).to.equal(0n);
  });

  it('counts no session for what is not one', async () => {
    const endpoint = listen({ psk });
    const sender = dgram.createSocket('udp4');
    await new Promise((resolve) => {
      sender.send('rubbish', portOf(endpoint), HOST, resolve);
    });
    await pause();
    sender.close();
    expect(endpoint.stats.serverSessions).to.equal(0n);
  });

  describe('statistics', () => {
    it('are bigints, live, with times of the monotonic clock', async () => {
      const before = process.hrtime.bigint();
      const { endpoint, client, server } = await open();
      client.send('12345');
      await pause();
      const { stats } = server;
      expect(stats.bytesReceived).to.equal(5n);
      expect(stats.messagesReceived).to.equal(1n);
      expect(client.stats.bytesSent).to.equal(5n);
      expect(client.stats.messagesSent).to.equal(1n);
      expect(client.stats.retransmitCount).to.equal(0n);
      expect(stats.createdAt > before).to.equal(true);
      expect(stats.handshakeCompletedAt >= stats.createdAt).to.equal(true);
      expect(stats.closingAt).to.equal(0n);
      expect(stats.destroyedAt).to.equal(0n);
      expect(endpoint.stats.packetsReceived).to.equal(client.endpoint.stats.packetsSent);
      expect(endpoint.stats.bytesReceived).to.equal(client.endpoint.stats.bytesSent);
      expect(client.endpoint.stats.clientSessions).to.equal(1n);
      expect(client.endpoint.stats.serverSessions).to.equal(0n);
    });

    const names = {
      endpoint: [
        'createdAt',
        'destroyedAt',
        'bytesReceived',
        'bytesSent',
        'packetsReceived',
        'packetsSent',
        'serverSessions',
        'clientSessions',
        'serverBusyCount',
        'serverRejectedCount',
        'serverRefusedCount',
      ],
      session: [
        'createdAt',
        'destroyedAt',
        'closingAt',
        'handshakeCompletedAt',
        'bytesReceived',
        'bytesSent',
        'messagesReceived',
        'messagesSent',
        'retransmitCount',
      ],
    };

    it('have a getter for each counter, and toJSON these and connected', async () => {
      const { endpoint, client } = await open();
      for (const [stats, counters] of [
        [endpoint.stats, names.endpoint],
        [client.stats, names.session],
      ] as const) {
        const values = stats as unknown as Record<string, bigint>;
        for (const name of counters) {
          expect(values[name], name).to.be.a('bigint');
          expect(Reflect.set(values, name, 1n), name).to.equal(false);
        }
        const json = stats.toJSON();
        expect(Object.keys(json).sort()).to.deep.equal([...counters, 'connected'].sort());
        for (const name of counters) expect(json[name], name).to.match(/^[0-9]+$/);
      }
    });

    it('retransmitCount counts what a silent peer makes the session repeat', async () => {
      const silent = dgram.createSocket('udp4');
      await new Promise<void>((resolve) => {
        silent.bind(0, HOST, resolve);
      });
      const client = connect(silent.address().port, { psk: PSK, handshakeTimeout: 1500 });
      await rejection(client.opened);
      silent.close();
      expect(client.stats.retransmitCount).to.equal(1n);
      expect(client.stats.messagesSent, 'of the application').to.equal(0n);
    });

    it('stay as they were when what they count is gone', async () => {
      const { endpoint, client } = await open();
      client.send('x');
      await client.close();
      expect(client.stats.isConnected).to.equal(false);
      expect(client.stats.messagesSent).to.equal(1n);
      expect(client.stats.closingAt > 0n).to.equal(true);
      expect(client.stats.destroyedAt >= client.stats.closingAt).to.equal(true);
      await endpoint.close();
      expect(endpoint.stats.isConnected).to.equal(false);
      expect(endpoint.stats.serverSessions).to.equal(1n);
      expect(endpoint.stats.destroyedAt > 0n).to.equal(true);
    });

    it('toJSON gives strings and connected, without a prototype; toString is its JSON', async () => {
      const { endpoint, client } = await open();
      for (const stats of [endpoint.stats, client.stats]) {
        const json = stats.toJSON();
        expect(Object.getPrototypeOf(json)).to.equal(null);
        expect(json.connected).to.equal(true);
        expect(json.bytesReceived).to.be.a('string');
        expect(JSON.parse(stats.toString())).to.deep.equal({ ...stats.toJSON() });
      }
    });
  });
});
