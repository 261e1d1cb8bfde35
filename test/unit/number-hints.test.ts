/** Protects what is said of a number that will not do: what it counts, what 0 is, what it is where none is given; and that one has to be given where nothing stands for it. */
import { expect } from 'chai';
import { connect, createServer, createSocket, generateCertificate } from '../../lib/index';
import { closeEverything, open, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';
import { thrown } from '../helpers/thrown';

const ofServer = (given: object): ReturnType<typeof thrown> => thrown(() => createServer({ ...PSK_SERVER, ...given }));

describe('Numbers that will not do', () => {
  afterEach(closeEverything);

  for (const [given, hint] of [
    [{ handshakeTimeout: Infinity }, "It counts milliseconds; 0 is no limit but OpenSSL's own. Left out, it is 30000."],
    [{ handshakeTimeout: -1 }, "It counts milliseconds; 0 is no limit but OpenSSL's own. Left out, it is 30000."],
    [{ idleTimeout: 1e12 }, 'It counts milliseconds; 0 is never. Left out, it is 0.'],
    [{ heartbeat: { interval: -1 } }, 'It counts milliseconds; 0 is none. Left out, it is 0.'],
    [{ heartbeat: { retries: 1.5 } }, 'Left out, it is 3.'],
    [{ retransmission: { backoff: 0.5 } }, 'Left out, it is 2.'],
    [{ retransmission: { initial: 0 } }, 'It counts milliseconds. Left out, it is 1000.'],
    [{ mtu: 100 }, 'It counts bytes. Left out, it is 1200.'],
    [{ mtu: 1200.5 }, 'It counts bytes. Left out, it is 1200.'],
    [{ cookieLifetime: 1 }, 'It counts milliseconds. Left out, it is 30000.'],
    [{ sessionTimeout: 0 }, 'It counts seconds. Left out, it is 300.'],
    [{ certificateExpiryNotice: -1 }, 'It counts milliseconds; 0 is never. Left out, it is 1209600000.'],
    [{ maxSessions: Infinity }, '0 is no limit. Left out, it is 10000.'],
    [{ maxPendingHandshakes: -1 }, '0 is no limit. Left out, it is 1000.'],
    [{ maxSessionsPerHost: 0.5 }, '0 is no limit. Left out, it is 1000.'],
    [{ recvBufferSize: 0 }, 'It counts bytes.'],
  ] as const) {
    it(`have a hint: ${Object.keys(given).join()} ${JSON.stringify(Object.values(given)[0])}`, () => {
      const error = ofServer(given);
      expect(error).to.include({ code: 'ERR_OUT_OF_RANGE', category: 'usage', hint });
    });
  }

  it('have one where they are of another type, too', () => {
    expect(ofServer({ mtu: null })).to.include({ code: 'ERR_INVALID_ARG_TYPE', hint: 'It counts bytes. Left out, it is 1200.' });
    expect(ofServer({ mtu: '1200' }).hint).to.include('Number(it)');
  });

  it('have one at other doors', () => {
    const ofSocket = thrown(() => createSocket({ type: 'udp4', dtls: { ...PSK_SERVER, maxQueueSize: -1 } }));
    expect(ofSocket).to.include({ code: 'ERR_OUT_OF_RANGE', hint: 'It counts bytes. Left out, it is 65536.' });
    const ofClient = thrown(() => connect({ port: 9, ...PSK_CLIENT, idleTimeout: -1 }));
    expect(ofClient).to.include({ code: 'ERR_OUT_OF_RANGE', hint: 'It counts milliseconds; 0 is never. Left out, it is 0.' });
  });

  it('of a certificate reject with one', async () => {
    const error: unknown = await generateCertificate({ days: 0 }).catch((reason: unknown) => reason);
    expect(error).to.include({ code: 'ERR_OUT_OF_RANGE', hint: 'It counts days. Left out, it is 30.' });
  });

  it('have to be given where nothing stands for them', async () => {
    const { client } = await open(PSK_SERVER, PSK_CLIENT);
    for (const call of [
      () => client.setMtu(undefined as never),
      () => client.exportKeyingMaterial(undefined as never, 'x'),
    ]) {
      expect(thrown(call)).to.include({ code: 'ERR_INVALID_ARG_TYPE', hint: 'It counts bytes.' });
    }
    expect(thrown(() => client.setMtu(1))).to.include({ code: 'ERR_OUT_OF_RANGE', hint: 'It counts bytes.' });
    expect(thrown(() => client.setTimeout(-1)).hint).to.equal('It counts milliseconds; 0 switches it off. Left out, it is 0.');
  });
});
