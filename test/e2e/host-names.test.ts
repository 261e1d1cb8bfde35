/**
 * Protects whom a certificate is taken for: hosts and certificates of every odd kind, each verdict beside that of
 * `tls.checkServerIdentity`. OpenSSL is asked first, for speed, and must never say yes where node:tls says no.
 */
import { expect } from 'chai';
import dgram from 'node:dgram';
import { isIP, type LookupFunction } from 'node:net';
import tls from 'node:tls';
import { connect, type ConnectOptions, type DTLSServer } from '../../lib/index';
import { crafted, type CraftedNames } from '../helpers/crafted';
import { createAuthority } from '../helpers/certificates';
import { closeEverything, dial, ending, failure, listen, next, portOf, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';
import { thrown } from '../helpers/thrown';

const V4 = Buffer.from([127, 0, 0, 1]);
const V6 = Buffer.from(`${'00'.repeat(15)}01`, 'hex');
const MAPPED = Buffer.from(`${'00'.repeat(10)}ffff7f000001`, 'hex');

const NAMES = [
  ...['a.example', 'A.EXAMPLE', 'a.example.', 'b.example', 'example', 'x.a.example', 'a.b.a.example', '.a.example', 'a..example'],
  ...['xn--bcher-kva.example', 'xn--a.example', '*.example', '*', 'a_b.example', ' a.example', 'a.example:443'],
  ...['co', 'a', 'crafted', 'a.example, b.example', 'https://a.example/', 'root@a.example'],
];
// Addresses in the eyes of inet_aton or of OpenSSL, though not of net.isIP, and a U-label: versions of Node differ
// about them. What the one at hand says is what counts here.
const DISPUTED = [
  ...['127.0.0.010', '127.0.0.01', '127.1', '2130706433', '0x7f.0.0.1', '127.0.0.1.', '127.0.0.256'],
  ...['bücher.example', 'bücher.a.example'],
];
const ADDRESSES = ['127.0.0.1', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::ffff:7f00:1'];

// What a certificate has, and all of the hosts above that it is good for.
const certificates: [what: string, names: CraftedNames, good: readonly string[]][] = [
  ['a dNSName', { dns: ['a.example'] }, ['a.example', 'A.EXAMPLE', 'a.example.']],
  ['a dNSName in capitals', { dns: ['A.Example'] }, ['a.example', 'A.EXAMPLE', 'a.example.']],
  ['a dNSName with a trailing dot', { dns: ['a.example.'] }, ['a.example', 'A.EXAMPLE', 'a.example.']],
  ['a dNSName beside another CN', { dns: ['a.example'], commonNames: ['b.example'] }, ['a.example', 'A.EXAMPLE', 'a.example.']],
  ['a CN alone', { commonNames: ['a.example'] }, ['a.example', 'A.EXAMPLE', 'a.example.']],
  ['two CNs', { commonNames: ['a.example', 'b.example'] }, ['a.example', 'A.EXAMPLE', 'a.example.', 'b.example']],
  ['a CN that is an address', { commonNames: ['127.0.0.1'] }, []],
  ['a wildcard CN', { commonNames: ['*.a.example'] }, ['x.a.example', '.a.example']],
  ['a CN beside an iPAddress', { commonNames: ['a.example'], ip: [V4] }, ['a.example', 'A.EXAMPLE', 'a.example.', '127.0.0.1']],
  ['a URI', { uri: ['https://a.example/', 'a.example'] }, ['crafted']],
  ['a URI beside a CN', { uri: ['https://b.example/'], commonNames: ['a.example'] }, ['a.example', 'A.EXAMPLE', 'a.example.']],
  ['a URI and an address as a URI', { uri: ['https://127.0.0.1/', '127.0.0.1'], dns: ['c.example'] }, []],
  ['an e-mail address', { email: ['root@a.example', 'a.example'] }, ['crafted']],
  ['a wildcard', { dns: ['*.a.example'] }, ['x.a.example', '.a.example']],
  ['a wildcard of a top level', { dns: ['*.example'] }, []],
  ['a wildcard alone', { dns: ['*'] }, []],
  ['a wildcard that is not in front', { dns: ['x.*.example', 'a.*', 'a.b.*.example'] }, []],
  ['two wildcards', { dns: ['*.*.example', '*.*.a.example', '**.a.example'] }, []],
  ['a wildcard in an A-label', { dns: ['xn--*.example', 'xn--bcher-*.example'] }, []],
  ['a wildcard with nothing in front of it', { dns: ['.*.a.example', '*..example'] }, []],
  ['an A-label', { dns: ['xn--bcher-kva.example'] }, ['xn--bcher-kva.example']],
  ['a U-label, as bytes', { dns: ['bücher.example'] }, []],
  ['a leading dot', { dns: ['.example', '.a.example'] }, []],
  ['an empty dNSName', { dns: [''] }, []],
  ['a NUL in a dNSName', { dns: ['a.example\0.evil.example', 'x.a.example\0'] }, []],
  ['a NUL in a CN', { commonNames: ['a.example\0.evil.example'] }, []],
  ['a comma in a dNSName', { dns: ['b.test, DNS:a.example', 'x", DNS:a.example, "'] }, []],
  ['an address in a comma', { dns: ['b.test, IP Address:127.0.0.1'] }, []],
  ['an IPv4 address as dNSName', { dns: ['127.0.0.1', '127.0.0.*'] }, []],
  ['a wildcard over an IPv4 address', { dns: ['*.0.0.1'] }, []],
  ['an IPv6 address as dNSName', { dns: ['::1', '::1%lo', '::ffff:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:0:0:1'] }, []],
  ['what inet_aton takes for an address as dNSName', { dns: ['127.0.0.010', '127.1', '2130706433', '0x7f.0.0.1'] }, []],
  ['an IPv4 address', { ip: [V4] }, ['crafted', '127.0.0.1']],
  ['an IPv4 address that inet_aton has other names for', { ip: [Buffer.from([127, 0, 0, 10])], dns: ['c.example'] }, []],
  ['an IPv6 address', { ip: [V6], dns: ['c.example'] }, ['::1', '0:0:0:0:0:0:0:1']],
  ['a v4-mapped address', { ip: [MAPPED], dns: ['c.example'] }, ['::ffff:127.0.0.1', '::ffff:7f00:1']],
  ['an address behind a name', { dns: ['a.example'], ip: [V4] }, ['a.example', 'A.EXAMPLE', 'a.example.', '127.0.0.1']],
  ['an address as text', { ip: [Buffer.from('127.0.0.1')], dns: ['c.example'] }, []],
];

/** Whether the client's own judgement lets it in. */
async function letsIn(server: DTLSServer, options: Partial<ConnectOptions>): Promise<boolean> {
  const client = await dial(server, options);
  const ended = ending(client);
  const opened = new Promise<boolean>((resolve) => {
    client.once('secureConnect', () => {
      resolve(true);
    });
  });
  if (await Promise.race([opened, ended.then(() => false)])) {
    expect(client.authorized).to.equal(true);
    client.destroy();
    return true;
  }
  const { errors } = await ended;
  expect(errors.map(({ code }) => code)).to.deep.equal(['ERR_TLS_CERT_ALTNAME_INVALID']);
  return false;
}

describe('a host and the names of a certificate', () => {
  afterEach(closeEverything);

  for (const [what, names, good] of certificates) {
    it(`${what}: is good for ${good.length === 0 ? 'none' : good.join(', ')}, as node:tls has it`, async () => {
      const { cert, key, ca } = crafted(names);
      const server = await listen({ cert, key }, '::');
      server.on('dtlsClientError', () => undefined);
      const probe = await dial(server, { ca, checkServerIdentity: () => undefined });
      await next(probe, 'secureConnect');
      const shown = probe.getPeerCertificate() as tls.PeerCertificate;
      const verdicts: Record<string, [boolean, boolean]> = {};
      for (const host of [...NAMES, ...DISPUTED, ...ADDRESSES]) {
        const where = isIP(host) === 0 ? { servername: host } : { host };
        verdicts[host] = [
          tls.checkServerIdentity(host, shown) === undefined,
          await letsIn(server, { ca, ...where }),
        ];
      }
      const differing = Object.entries(verdicts).filter(([, [theirs, ours]]) => theirs !== ours);
      expect(differing, 'host, [node:tls, here]').to.deep.equal([]);
      const undisputed = [...NAMES, ...ADDRESSES];
      expect(undisputed.filter((host) => verdicts[host]?.[1])).to.have.members(good);
    });
  }

  it('a servername is what counts, whatever the host; an empty one is none', async () => {
    const { cert, key, ca } = crafted({ dns: ['a.example'] });
    const address = crafted({ dns: ['c.example'], ip: [V4] });
    const [named, numbered] = [await listen({ cert, key }), await listen({ cert: address.cert, key: address.key })];
    for (const server of [named, numbered]) server.on('dtlsClientError', () => undefined);
    for (const [server, trusted, servername, good] of [
      [named, ca, 'a.example', true],
      [named, ca, 'b.example', false],
      [named, ca, '', false],
      [named, ca, undefined, false],
      [numbered, address.ca, 'a.example', false],
      [numbered, address.ca, '', true],
      [numbered, address.ca, undefined, true],
    ] as const) {
      expect(await letsIn(server, { ca: trusted, servername }), String(servername)).to.equal(good);
    }
  });

  it('a name of a certificate is one line of the message about it, whatever is in it', async () => {
    const { cert, key, ca } = crafted({ commonNames: ['\u202eelpmaxe.b\u200b\nerror: forged\u2028'] });
    const server = await listen({ cert, key });
    server.on('dtlsClientError', () => undefined);
    const error = await failure(await dial(server, { ca, servername: 'a.example' }));
    expect(error.code).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(error.message).to.include('\\u202eelpmaxe.b\\u200b\\x0aerror: forged\\u2028');
    expect(error.message).to.not.match(/[\n\u202e\u200b\u2028]/);
  });

  it('an empty host is localhost, and judged as that', async () => {
    for (const [dns, good] of [['localhost', true], ['a.example', false]] as const) {
      const { cert, key, ca } = crafted({ dns: [dns] });
      const server = await listen({ cert, key }, '::');
      server.on('dtlsClientError', () => undefined);
      expect(await letsIn(server, { ca, host: '' })).to.equal(good);
    }
  });

  it('a name with a NUL, or an address for a servername, is refused at once', async () => {
    const { cert, key, ca } = crafted({ dns: ['a.example'] });
    const port = portOf(await listen({ cert, key }));
    for (const where of [
      { servername: 'a.example\0' },
      { servername: 'a.example\0.evil.example' },
      { host: 'a.example\0.evil.example' },
      { servername: '127.0.0.1' },
      { servername: '::1' },
    ]) {
      expect(thrown(() => connect({ ca, port, ...where })).code, JSON.stringify(where)).to.equal('ERR_INVALID_ARG_VALUE');
    }
  });
});

describe('any address as the host', () => {
  afterEach(closeEverything);
  const here: [any: string, address: string][] = [
    ['0.0.0.0', '127.0.0.1'],
    ['::', '::1'],
    ['0:0:0:0:0:0:0:0', '::1'],
  ];

  for (const [any, address] of here) {
    it(`${any} is this host, as for net, and the certificate has to be for ${address}`, async () => {
      const authority = await createAuthority();
      const { cert, key, ca } = await authority.issue({ commonName: 'server', ipAddresses: [address] });
      const server = await listen({ cert, key }, any);
      const client = await dial(server, { host: any, ca });
      await next(client, 'secureConnect');
      expect(client.remoteAddress).to.equal(address);
      expect(client.authorized).to.equal(true);
    });

    it(`${any} as the answer of a lookup, and over a socket of dgram's, is this host`, async () => {
      const server = await listen(PSK_SERVER, any);
      const family = isIP(any);
      const lookup: LookupFunction = (_host, _options, callback) => { callback(null, any, family); };
      const found = await dial(server, { ...PSK_CLIENT, host: 'here.example', lookup });
      await next(found, 'secureConnect');
      expect(found.remoteAddress).to.equal(address);
      const transport = dgram.createSocket(family === 6 ? 'udp6' : 'udp4');
      try {
        await new Promise<void>((resolve) => transport.bind(0, resolve));
        const over = await dial(server, { ...PSK_CLIENT, host: any, transport });
        await next(over, 'secureConnect');
        expect(over.remoteAddress).to.equal(address);
        over.destroy();
      } finally {
        transport.close();
      }
    });
  }
});
