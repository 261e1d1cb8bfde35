/**
 * Protects the agreement on an application protocol (ALPN, RFC 7301): whose order counts, what both sides
 * see, and that nothing in common ends the handshake with the right alert.
 */
import { expect } from 'chai';
import { createSecureContext, type ALPNCallback, type ALPNProtocols } from '../../lib/index';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  next,
  open,
  openOn,
  openPsk,
  withCertificate,
} from '../helpers/pair';

const wire = (...names: string[]): Buffer =>
  Buffer.concat(names.map((name) => Buffer.from([name.length, ...Buffer.from(name, 'latin1')])));

describe('ALPNProtocols', () => {
  afterEach(closeEverything);

  const forms: Record<string, ALPNProtocols> = {
    'an array of strings': ['x', 'coap'],
    'an array of bytes': [Buffer.from('x'), new Uint8Array(Buffer.from('coap'))],
    'a Buffer as on the wire': wire('x', 'coap'),
    'a Uint8Array': new Uint8Array(wire('x', 'coap')),
    'a DataView': new DataView(new Uint8Array(wire('x', 'coap')).buffer),
  };
  for (const [form, ALPNProtocols] of Object.entries(forms)) {
    it(`${form}, on both sides; the server's order counts`, async () => {
      const { client, peer } = await open(
        await withCertificate({ ALPNProtocols: ['coap', 'x'] }),
        { ALPNProtocols },
      );
      expect([client.alpnProtocol, peer.alpnProtocol]).to.deep.equal(['coap', 'coap']);
      const other = await open(await withCertificate({ ALPNProtocols }), {
        ALPNProtocols: ['coap', 'x'],
      });
      expect([other.client.alpnProtocol, other.peer.alpnProtocol]).to.deep.equal(['x', 'x']);
    });
  }

  for (const [title, ofServer, ofClient] of [
    ['only the server has any', ['coap'], undefined],
    ['only the client has any', undefined, ['coap']],
    ['nobody has any', undefined, undefined],
    ['the lists are empty', [], []],
  ] as const) {
    it(`no protocol where ${title}`, async () => {
      const { client, peer } = await open(await withCertificate({ ALPNProtocols: ofServer }), {
        ALPNProtocols: ofClient,
      });
      expect([client.alpnProtocol, peer.alpnProtocol]).to.deep.equal([false, false]);
    });
  }

  it('is null before the handshake is over, and stays after the end', async () => {
    const server = await listen(await withCertificate({ ALPNProtocols: ['coap'] }));
    const client = await dial(server, { ALPNProtocols: ['coap'] });
    expect(client.alpnProtocol).to.equal(null);
    await next(client, 'secureConnect');
    client.destroy();
    await next(client, 'close');
    expect(client.alpnProtocol).to.equal('coap');
  });

  it('with nothing in common ends the handshake on both sides', async () => {
    const server = await listen(await withCertificate({ ALPNProtocols: ['coap', 'x'] }));
    const refused = clientFailure(server);
    const client = await dial(server, { ALPNProtocols: ['y', 'z'] });
    expect(await failure(client)).to.include({
      code: 'ERR_DTLS_ALERT_NO_APPLICATION_PROTOCOL',
      category: 'alert',
      alert: 'no_application_protocol',
    });
    const error = await refused;
    expect(error).to.include({
      code: 'ERR_DTLS_NO_APPLICATION_PROTOCOL',
      category: 'protocol',
      alert: 'no_application_protocol',
    });
    expect(error.message).to.include('the client offers y, z; this side has coap, x');
    expect(error.hint).to.include('ALPNProtocols');
  });

  it('takes names of any bytes, the longest, and as many as fit', async () => {
    const longest = 'a'.repeat(255);
    const odd = Buffer.from([0, 0xfa, 0x0a, 0xff]);
    const { client } = await open(await withCertificate({ ALPNProtocols: [odd] }), {
      ALPNProtocols: [...Array<string>(31).fill(longest), odd],
    });
    expect(client.alpnProtocol).to.equal(odd.toString('latin1'));
  });

  it('works with pre-shared keys, and without cookie exchange', async () => {
    const { client } = await openPsk(
      { ALPNProtocols: ['coap'], cookieExchange: false },
      { ALPNProtocols: ['coap'] },
    );
    expect(client.alpnProtocol).to.equal('coap');
  });

  it('may differ by name', async () => {
    const { cert, key } = await certificate({ commonName: 'b', dnsNames: ['b.example.org'] });
    const server = await listen(await withCertificate({ ALPNProtocols: ['a-protocol'] }));
    server.addContext('b.example.org', { cert, key, ALPNProtocols: ['b-protocol'] });
    server.addContext('c.example.org', {
      cert,
      key,
      ALPNCallback: ({ protocols }) => protocols.find((name) => name.startsWith('b')),
    });
    server.addContext('d.example.org', createSecureContext({ cert, key }));
    const ALPNProtocols = ['a-protocol', 'b-protocol'];
    const checkServerIdentity = (): undefined => undefined;
    const chosen: unknown[] = [];
    for (const servername of ['a.example.org', 'b.example.org', 'c.example.org', 'd.example.org']) {
      const { client } = await openOn(server, { servername, ALPNProtocols, checkServerIdentity });
      chosen.push(client.alpnProtocol);
    }
    expect(chosen).to.deep.equal(['a-protocol', 'b-protocol', 'b-protocol', 'a-protocol']);
  });
});

describe('ALPNCallback', () => {
  afterEach(closeEverything);

  const ways: Record<string, ALPNCallback> = {
    returns: ({ protocols }) => protocols[1],
    resolves: async ({ protocols }) => Promise.resolve(protocols[1]),
  };
  for (const [how, ALPNCallback] of Object.entries(ways)) {
    it(`${how} one of the client's`, async () => {
      const { client, peer } = await open(await withCertificate({ ALPNCallback }), {
        ALPNProtocols: ['x', 'coap'],
      });
      expect([client.alpnProtocol, peer.alpnProtocol]).to.deep.equal(['coap', 'coap']);
    });
  }

  it('gets name and protocols, as a method of the socket', async () => {
    const seen: unknown[] = [];
    const ALPNCallback: ALPNCallback = function (offer) {
      seen.push(this, offer);
      return 'x';
    };
    const server = await listen(await withCertificate({ ALPNCallback }));
    const { peer } = await openOn(server, { ALPNProtocols: ['x', 'y'], servername: 'localhost' });
    expect(seen).to.deep.equal([peer, { servername: 'localhost', protocols: ['x', 'y'] }]);
    await openOn(server, { ALPNProtocols: ['x'], servername: '' });
    expect(seen[3]).to.deep.equal({ servername: null, protocols: ['x'] });
  });

  it('is not asked by a client that offers nothing', async () => {
    const { client } = await open(
      await withCertificate({
        ALPNCallback: () => {
          throw new Error('asked');
        },
      }),
    );
    expect(client.alpnProtocol).to.equal(false);
  });

  for (const nothing of [undefined, null]) {
    it(`refuses all with ${String(nothing)}`, async () => {
      const server = await listen(await withCertificate({ ALPNCallback: () => nothing }));
      const refused = clientFailure(server);
      const client = await dial(server, { ALPNProtocols: ['x'] });
      expect((await failure(client)).code).to.equal('ERR_DTLS_ALERT_NO_APPLICATION_PROTOCOL');
      expect((await refused).code).to.equal('ERR_DTLS_NO_APPLICATION_PROTOCOL');
    });
  }
});
