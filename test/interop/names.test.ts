// Protects SNI and ALPN between this package and OpenSSL's and GnuTLS's programs, in both roles:
// each side sees the same name and the same protocol, and a refusal by either reaches the other.
import { expect } from 'chai';
import { createSecureContext, type ServerOptions } from '../../lib/index';
import { createAuthority, type Certificate } from '../helpers/certificates';
import { cleanupAfterEach, requirePrograms, temporaryFiles, type PeerProcess } from '../helpers/peers';
import { FOREIGN, serverCertificate, type Foreign } from './foreign';
import { ourClient, ourServer } from './ours';

const NAME = 'b.example.org';
/** For what shows only by silence: long enough for a slow peer to get there. */
const TIMEOUT_MS = 1500;

async function named(): Promise<Certificate> {
  return (await createAuthority()).issue({ commonName: 'interop by name', dnsNames: [NAME] });
}

/** How the programs are told, and what they print. */
interface Dialect {
  readonly offer: (name: string, protocols: readonly string[]) => string[];
  readonly serve: (protocols: readonly string[]) => string[];
  readonly agreed: RegExp;
  readonly subject: RegExp;
  readonly refused: Record<'name' | 'protocol', RegExp>;
  /** Of two refusals: gnutls-serv sends no alert for a handshake that fails, over UDP. */
  readonly serverAlerts: boolean;
  /** By its server, of a name that its certificate is not for; and of protocols. */
  readonly strictName: (name: string, { cert, key }: { cert: string; key: string }) => string[];
}

const DIALECTS: Record<string, Dialect> = {
  OpenSSL: {
    offer: (name, protocols) => ['-servername', name, '-alpn', protocols.join()],
    serve: (protocols) => ['-alpn', protocols.join()],
    agreed: /^ALPN protocols?(?: selected)?: (\S+)/m,
    subject: /subject=CN = (.+)/,
    refused: {
      name: /SSL3 alert read:fatal:unrecognized name/,
      protocol: /SSL3 alert read:fatal:no application protocol/,
    },
    serverAlerts: true,
    strictName: (name, { cert, key }) => [
      ...['-servername', name, '-servername_fatal', '-cert2', cert, '-key2', key],
    ],
  },
  GnuTLS: {
    offer: (name, protocols) => [
      `--sni-hostname=${name}`,
      ...protocols.map((protocol) => `--alpn=${protocol}`),
    ],
    serve: (protocols) => [...protocols.map((protocol) => `--alpn=${protocol}`), '--alpn-fatal'],
    agreed: /Application protocol: (\S+)/,
    subject: /subject `CN=([^']+)'/,
    refused: { name: /Alert\[2\|112\]/, protocol: /Alert\[2\|120\]/ },
    serverAlerts: false,
    strictName: (name) => [`--sni-hostname=${name}`, '--sni-hostname-fatal'],
  },
};

for (const foreign of FOREIGN) {
  const dialect = DIALECTS[foreign.name];
  if (dialect === undefined) throw new Error(`no dialect for ${foreign.name}`);

  describe(`${foreign.clientName}, names and protocols`, function () {
    const cleanup = cleanupAfterEach(this);
    const files = temporaryFiles(this);
    before(function () {
      requirePrograms(this, ...foreign.programs);
    });

    /** Our server, and a client of theirs that asks for NAME and two protocols. */
    async function meet(options: ServerOptions): Promise<{
      peer: PeerProcess;
      server: Awaited<ReturnType<typeof ourServer>>['watched'];
    }> {
      const { cert, key } = await serverCertificate();
      const { watched, port } = await ourServer(cleanup, { cert, key, ...options });
      const extra = dialect?.offer(NAME, ['x', 'coap']) ?? [];
      return { server: watched, peer: foreign.client(cleanup, files, port, { extra }) };
    }

    it('is served the context for its name, and a protocol', async () => {
      const { cert, key } = await named();
      const asked: string[] = [];
      const { peer, server } = await meet({
        ALPNProtocols: ['coap', 'x'],
        SNICallback: async (name) => {
          asked.push(name);
          return Promise.resolve(createSecureContext({ cert, key }));
        },
      });
      const socket = await server.connection();
      await socket.secure();
      const [, subject] = await peer.sees(dialect.subject);
      expect(subject).to.equal('interop by name');
      const [, protocol] = await peer.sees(dialect.agreed);
      expect(protocol).to.equal('coap');
      expect(socket.socket.alpnProtocol).to.equal('coap');
      expect(socket.socket.servername).to.equal(NAME);
      expect(asked).to.deep.equal([NAME]);
    });

    it('hears of a refused name', async () => {
      const { peer, server } = await meet({
        SNICallback: () => {
          throw new Error('not here');
        },
      });
      const error = await (await server.connection()).error();
      expect(error.code).to.equal('ERR_DTLS_SNI_CALLBACK');
      await peer.sees(dialect.refused.name);
    });

    it('hears that no protocol of its own will do', async () => {
      const { peer, server } = await meet({ ALPNProtocols: ['y'] });
      const error = await (await server.connection()).error();
      expect(error.code).to.equal('ERR_DTLS_NO_APPLICATION_PROTOCOL');
      expect(error.message).to.include('the client offers x, coap');
      await peer.sees(dialect.refused.protocol);
    });
  });

  describe(`${foreign.serverName}, names and protocols`, function () {
    const cleanup = cleanupAfterEach(this);
    const files = temporaryFiles(this);
    before(function () {
      requirePrograms(this, ...foreign.programs);
    });

    async function meet(
      extra: readonly string[],
      servername: string,
      ALPNProtocols: readonly string[],
    ): Promise<ReturnType<typeof ourClient>['client']> {
      const certificate = await named();
      const { port } = await (foreign satisfies Foreign).server(cleanup, files, {
        certificate,
        extra,
      });
      const { ca } = certificate;
      const options = { port, servername, ALPNProtocols, ca, handshakeTimeout: TIMEOUT_MS };
      return ourClient(cleanup, options).client;
    }
    const refusal = (alert: string): string =>
      dialect.serverAlerts ? `ERR_DTLS_ALERT_${alert}` : 'ERR_DTLS_HANDSHAKE_TIMEOUT';

    it('agrees on a protocol', async () => {
      const client = await meet(dialect.serve(['coap', 'z']), NAME, ['x', 'coap']);
      await client.secure();
      expect(client.socket.alpnProtocol).to.equal('coap');
    });

    it('refuses when there is none', async () => {
      const client = await meet(dialect.serve(['z']), NAME, ['x', 'coap']);
      expect((await client.error()).code).to.equal(refusal('NO_APPLICATION_PROTOCOL'));
    });

    it('refuses a name that it does not have', async () => {
      const paths = files.identity(await named());
      const client = await meet(dialect.strictName(NAME, paths), 'other.example.org', ['x']);
      expect((await client.error()).code).to.equal(refusal('UNRECOGNIZED_NAME'));
    });
  });
}

describe('the acknowledgement of a server name', function () {
  const cleanup = cleanupAfterEach(this);
  const files = temporaryFiles(this);
  const acknowledged = 'TLS server extension "server name"';
  before(function () {
    requirePrograms(this, 'openssl');
  });

  for (const used of [true, false]) {
    it(`is ${used ? 'sent where the name chose a context' : 'not sent where no name was used'} (RFC 6066 section 3)`, async () => {
      const [own, byName] = [await serverCertificate(), await named()];
      const { watched, server, port } = await ourServer(cleanup, { cert: own.cert, key: own.key });
      if (used) server.addContext(NAME, createSecureContext({ cert: byName.cert, key: byName.key }));
      const openssl = FOREIGN.find(({ name }) => name === 'OpenSSL');
      const peer = openssl?.client(cleanup, files, port, {
        extra: ['-servername', NAME, '-tlsextdebug'],
      });
      const socket = await watched.connection();
      await socket.secure();
      await peer?.sees(/Verify return code/);
      expect(peer?.output.includes(acknowledged)).to.equal(used);
      expect(socket.socket.servername).to.equal(NAME);
    });
  }
});
