// Protects the simulated link that users test with: what it does is what its conditions say, the same
// seed does the same again, and a NAT that forgets an end moves it without the end's noticing.
import { expect } from 'chai';
import { connect, type ConnectOptions, type DatagramReceiver, type DatagramTransport, type Peer } from '../../lib/index';
import { Link, peerOf, seededRandom, type BurstLoss, type LinkConditions } from '../../lib/lab/index';
import { closeEverything, dialTo, listen, messages, next, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';

const FROM = peerOf('10.0.0.2', 2);
const TO = peerOf('10.0.0.1', 1);

interface Arrival {
  readonly number: number;
  readonly from: Peer;
}

/** Sends numbered datagrams and waits until all have arrived or were lost. */
async function carry(
  seed: string,
  conditions: LinkConditions,
  count: number,
): Promise<{ arrivals: Arrival[]; lost: number[] }> {
  const link = new Link(seed, conditions);
  const arrivals: Arrival[] = [];
  const lost: number[] = [];
  link.attach(TO.address, TO.port).start(receiver((arrival) => arrivals.push(arrival)));
  link.observe = ({ index }, copies) => {
    if (copies === 0) lost.push(index);
  };
  const sender = link.attach(FROM.address, FROM.port);
  for (let number = 0; number < count; ++number) sender.send([numbered(number)], TO);
  while (link.inFlight > 0) await new Promise((done) => setTimeout(done, 1));
  return { arrivals, lost };
}

function numbered(number: number): Buffer {
  const datagram = Buffer.alloc(4);
  datagram.writeUInt32BE(number);
  return datagram;
}

const receiver = (arrived: (arrival: Arrival) => void): DatagramReceiver => ({
  receive: (datagram, from) => {
    arrived({ number: Buffer.from(datagram).readUInt32BE(), from });
  },
  drain: () => undefined,
  error: () => undefined,
  closed: () => undefined,
});

describe('dgram-dtls/lab', () => {
  afterEach(closeEverything);

  it('conditions that are unknown, of a wrong type or out of range are refused where they are given', () => {
    const cases: [conditions: object, code: string, words: RegExp][] = [
      [{ loss: 10 }, 'ERR_OUT_OF_RANGE', /'loss' must be between 0 and 1/],
      [{ los: 1 }, 'ERR_DTLS_UNKNOWN_OPTION', /'los'/],
      [{ loss: '0.5' }, 'ERR_INVALID_ARG_TYPE', /'loss'/],
      [{ delay: '20' }, 'ERR_INVALID_ARG_TYPE', /'delay'/],
      [{ delay: NaN }, 'ERR_OUT_OF_RANGE', /'delay'/],
      [{ delay: [200, 5] }, 'ERR_OUT_OF_RANGE', /\[least, most\], not \[200, 5\]/],
      [{ delay: [5] }, 'ERR_INVALID_ARG_TYPE', /'delay'/],
      [{ jitter: -1 }, 'ERR_OUT_OF_RANGE', /'jitter'/],
      [{ mtu: -1 }, 'ERR_OUT_OF_RANGE', /'mtu'/],
      [{ burst: 0.5 }, 'ERR_INVALID_ARG_TYPE', /'burst'/],
      [{ burst: { enter: 0.1 } }, 'ERR_INVALID_ARG_TYPE', /'burst\.leave'/],
      [{ burst: { enter: 2, leave: 0.1 } }, 'ERR_OUT_OF_RANGE', /'burst\.enter'/],
      [[], 'ERR_INVALID_ARG_TYPE', /an array/],
    ];
    for (const [conditions, code, words] of cases) {
      expect(() => new Link('s', conditions), String(words)).to.throw(words).with.property('code', code);
      const link = new Link('s');
      expect(() => (link.conditions = conditions), String(words)).to.throw(words).with.property('code', code);
      expect(link.conditions).to.deep.equal({});
    }
    expect(() => new Link(1 as unknown as string)).to.throw(/'seed' must be a string/);
    expect(() => seededRandom(1 as unknown as string)).to.throw(/'seed' must be a string/);
  });

  it('conditions are checked where they are set one by one, and count from then on', async () => {
    const given = { burst: { enter: 0, leave: 1 }, delay: [1, 2] as [number, number] };
    const link = new Link('s', given);
    const before = structuredClone(given);
    for (const [set, code, words] of [
      [(c) => { c.loss = 50; }, 'ERR_OUT_OF_RANGE', /'loss'/],
      [(c) => { c.loss = 'all' as unknown as number; }, 'ERR_INVALID_ARG_TYPE', /'loss'/],
      [(c) => { (c as { lose: number }).lose = 1; }, 'ERR_DTLS_UNKNOWN_OPTION', /'lose'/],
      [(c) => { Object.assign(c, { jitter: -1 }); }, 'ERR_OUT_OF_RANGE', /'jitter'/],
      [(c) => { if (c.burst !== undefined) c.burst.enter = 2; }, 'ERR_OUT_OF_RANGE', /'burst\.enter'/],
      [(c) => { (c.delay as unknown as number[])[0] = 3; }, 'ERR_OUT_OF_RANGE', /'delay'/],
      [(c) => { c.burst = { enter: 1 } as unknown as BurstLoss; }, 'ERR_INVALID_ARG_TYPE', /'burst\.leave'/],
    ] as [(conditions: LinkConditions) => void, string, RegExp][]) {
      expect(() => { set(link.conditions); }, String(words)).to.throw(words).with.property('code', code);
      expect(link.conditions).to.deep.equal(before);
    }
    link.conditions.burst = { enter: 0, leave: 1 };
    expect(() => { if (link.conditions.burst !== undefined) link.conditions.burst.leave = 2; }).to.throw(/'burst\.leave'/);
    expect(given).to.deep.equal(before);
    const [from, to] = [link.attach('10.0.0.1'), link.attach('10.0.0.2', 5)];
    let arrived = 0;
    to.start({ receive: () => (arrived += 1), error: () => undefined, drain: () => undefined, closed: () => undefined });
    const send = (): unknown => from.send([Buffer.of(1)], { address: '10.0.0.2', port: 5, family: 'IPv4' });
    link.conditions.loss = 1;
    send();
    expect(link.totals.lost).to.equal(1);
    link.conditions.loss = 0;
    link.conditions.delay = 0;
    send();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([link.totals.lost, arrived]).to.deep.equal([1, 1]);
  });

  it('an end has an IP address and a port', () => {
    const link = new Link('s');
    const attach = link.attach.bind(link) as (...args: unknown[]) => DatagramTransport;
    expect(() => attach()).to.throw(/'address'/).with.property('code', 'ERR_INVALID_ARG_TYPE');
    expect(() => attach('not ip', 5684)).to.throw(/'not ip'/).with.property('code', 'ERR_INVALID_ARG_VALUE');
    expect(() => attach('10.0.0.1', 99999)).to.throw(/99999/).with.property('code', 'ERR_SOCKET_BAD_PORT');
    expect(() => peerOf('10.0.0.1', 0)).to.throw().with.property('code', 'ERR_SOCKET_BAD_PORT');
    const end = attach('10.0.0.1', '5684');
    expect(end.address()).to.deep.equal({ address: '10.0.0.1', port: 5684, family: 'IPv4' });
    expect(() => link.rebind(end, { prt: 1 } as object)).to.throw(/'prt'/);
    expect(() => link.rebind(end, { address: 'x' })).to.throw(/'x'/);
    expect(link.rebind(end, { port: 5 }).port).to.equal(5);
  });

  it('a link in place of one of its ends is refused with the word attach', () => {
    const options = { host: '10.0.0.1', port: 1, transport: new Link('s') } as unknown as ConnectOptions;
    expect(() => connect(options))
      .to.throw(/'transport' must be 'auto', 'native', 'dgram'/)
      .with.property('hint')
      .that.matches(/attach\(address, port\)/);
  });

  it('does the same again with the same seed, and something else with another', async () => {
    const conditions = { loss: 0.2, burst: { enter: 0.05, leave: 0.3 }, duplicate: 0.1 };
    const first = await carry('a', conditions, 500);
    const again = await carry('a', conditions, 500);
    const other = await carry('b', conditions, 500);
    expect(again.lost).to.deep.equal(first.lost);
    expect(other.lost).not.to.deep.equal(first.lost);
  });

  it('loses in bursts whose length and share are those of the model', async () => {
    const { lost } = await carry('bursts', { burst: { enter: 0.02, leave: 0.25 } }, 20_000);
    const bursts = lost.filter((number, index) => number !== (lost[index - 1] ?? -2) + 1).length;
    // Gilbert: the share of bad time is enter / (enter + leave), a burst lasts 1 / leave.
    expect(lost.length / 20_000).to.be.closeTo(0.02 / 0.27, 0.02);
    expect(lost.length / bursts).to.be.closeTo(4, 0.6);
  });

  it('loses only a part of a burst with `loss`', async () => {
    const burst = { enter: 1, leave: 0, loss: 0.5 };
    const { lost } = await carry('half', { burst }, 5000);
    expect(lost.length / 5000).to.be.closeTo(0.5, 0.05);
  });

  it('varies the delay by the jitter, so that datagrams overtake one another', async () => {
    const { arrivals } = await carry('jitter', { delay: 20, jitter: 8 }, 200);
    expect(arrivals).to.have.length(200);
    const numbers = arrivals.map(({ number }) => number);
    expect(numbers).not.to.deep.equal([...numbers].sort((a, b) => a - b));
  });

  describe('rebind', () => {
    it('makes datagrams come from a new port, and the old one unreachable', async () => {
      const link = new Link('nat');
      const heard: Arrival[] = [];
      const inside: Arrival[] = [];
      const server = link.attach(TO.address, TO.port);
      server.start(receiver((arrival) => heard.push(arrival)));
      const client = link.attach(FROM.address, FROM.port);
      client.start(receiver((arrival) => inside.push(arrival)));
      client.send([numbered(1)], TO);
      const moved = link.rebind(client);
      client.send([numbered(2)], TO);
      server.send([numbered(3)], FROM);
      server.send([numbered(4)], moved);
      while (link.inFlight > 0) await new Promise((done) => setImmediate(done));
      expect(moved.port).not.to.equal(FROM.port);
      expect(heard.map(({ from }) => from.port)).to.deep.equal([FROM.port, moved.port]);
      expect(inside.map(({ number }) => number)).to.deep.equal([4]);
      expect(link.counters(TO, FROM).unreachable).to.equal(1);
      expect(client.address().port).to.equal(FROM.port);
    });

    it('cuts a session off until its client has begun anew', async () => {
      const link = new Link('nat and session');
      const server = await listen({ ...PSK_SERVER, transport: link.attach('10.0.0.1', 1) });
      const transport = link.attach('10.0.0.2');
      const client = dialTo({ host: '10.0.0.1', port: 1, ...PSK_CLIENT, transport });
      const [socket] = await next(server, 'secureConnection');
      const first = messages(socket, 1);
      client.send('before');
      await first;
      link.rebind(transport);
      client.send('after');
      while (link.inFlight > 0) await new Promise((done) => setImmediate(done));
      expect(server.stats.unknownPeerDatagrams).to.equal(1);
      const again = dialTo({ host: '10.0.0.1', port: 1, ...PSK_CLIENT, transport });
      await next(again, 'secureConnect');
      expect(server.stats.sessions).to.be.above(1);
    });

    it('refuses a transport of another link', () => {
      const transport: DatagramTransport = new Link('one').attach('10.0.0.1', 1);
      expect(() => new Link('other').rebind(transport))
        .to.throw(/not attached/)
        .with.property('code', 'ERR_INVALID_ARG_VALUE');
    });
  });
});
