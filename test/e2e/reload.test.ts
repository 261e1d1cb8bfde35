// Protects certificates that change under a running server: old sessions live on, new ones get the
// new certificate, a broken file changes nothing and is reported, and what is about to expire is said.
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { kNative } from '../../lib/base/internals';
import {
  createSecureContext,
  DTLSError,
  features,
  type ConnectOptions,
  type DTLSServer,
  type DTLSSocket,
  type SecureContext,
  type WatchSecureContextOptions,
} from '../../lib/index';
import { createAuthority, type Certificate } from '../helpers/certificates';
import { DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { requirePrograms, skip } from '../helpers/peers';
import { thrown } from '../helpers/thrown';
import { makePfx } from '../helpers/pki';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  messages,
  next,
  openOn,
  PSK_SERVER,
  within,
} from '../helpers/pair';

const DAY_MS = 86_400_000;
const INTERVAL_MS = 20;

const fingerprint = ({ cert }: Certificate): string => new X509Certificate(cert).fingerprint256;

async function shownBy(server: DTLSServer): Promise<string | undefined> {
  const { client } = await openOn(server);
  const shown = client.getPeerX509Certificate()?.fingerprint256;
  client.destroy();
  return shown;
}

async function alive(client: DTLSSocket, peer: DTLSSocket): Promise<void> {
  const [there, back] = [messages(peer, 1), messages(client, 1)];
  client.send('there');
  peer.send('back');
  expect([(await there).join(), (await back).join()]).to.deep.equal(['there', 'back']);
}

let old: Certificate;
let fresh: Certificate;

before(async () => {
  old = await certificate({ commonName: 'old' });
  fresh = await certificate({ commonName: 'fresh' });
});

afterEach(closeEverything);

describe('setSecureContext', () => {
  it('counts for new sessions, and the old ones live on', async () => {
    const server = await listen({ cert: old.cert, key: old.key });
    const before = await openOn(server);
    server.setSecureContext({ cert: fresh.cert, key: fresh.key });
    expect(await shownBy(server)).to.equal(fingerprint(fresh));
    await alive(before.client, before.peer);
    expect(before.peer.getX509Certificate()?.fingerprint256).to.equal(fingerprint(old));
    server.setSecureContext(createSecureContext({ cert: old.cert, key: old.key }));
    expect(await shownBy(server)).to.equal(fingerprint(old));
  });

  it('leaves the versions as they were where it names none', async function () {
    if (features.dtls13 === false) skip(this, features.dtls13Missing ?? 'there is no DTLS 1.3 here');
    const server = await listen({ cert: old.cert, key: old.key, ...DTLS13 });
    const versionFor = async (options: Partial<ConnectOptions>): Promise<string | null> =>
      (await openOn(server, { ...options, rejectUnauthorized: false })).client.getProtocol();
    server.setSecureContext({ cert: fresh.cert, key: fresh.key });
    expect(await versionFor(UP_TO_DTLS13)).to.equal('DTLSv1.3');
    const older = await failure(await dial(server, { rejectUnauthorized: false }));
    expect(older.code).to.equal('ERR_DTLS_ALERT_PROTOCOL_VERSION');
    const renewal = { cert: fresh.cert, key: fresh.key };
    expect(thrown(() => { server.setSecureContext(createSecureContext(renewal)); }).code).to.equal('ERR_DTLS_CONFLICTING_OPTIONS');
    expect(thrown(() => { server.setSecureContext({ ...renewal, maxVersion: 'DTLSv1.2' }); }).code).to.equal('ERR_DTLS_CONFLICTING_OPTIONS');
    server.setSecureContext(createSecureContext({ ...renewal, ...UP_TO_DTLS13 }));
    expect(await versionFor({})).to.equal('DTLSv1.2');
    server.setSecureContext({ ...renewal, minVersion: 'DTLSv1.2', maxVersion: 'DTLSv1.2' });
    expect(await versionFor(UP_TO_DTLS13)).to.equal('DTLSv1.2');
  });

  it('does not change a handshake that is under way', async () => {
    let answer: (() => void) | undefined;
    const server = await listen({ cert: old.cert, key: old.key });
    server.on('OCSPRequest', (_certificate, _issuer, callback) => {
      answer = callback;
    });
    const client = await dial(server, { requestOCSP: true });
    await next(server, 'OCSPRequest');
    server.setSecureContext({ cert: fresh.cert, key: fresh.key });
    const connected = next(client, 'secureConnect');
    answer?.();
    await connected;
    expect(client.getPeerX509Certificate()?.fingerprint256).to.equal(fingerprint(old));
  });

  it('that is refused changes nothing', async () => {
    const server = await listen({ cert: old.cert, key: old.key });
    expect(() => {
      server.setSecureContext({ cert: fresh.cert, key: old.key });
    })
      .to.throw(DTLSError)
      .with.property('code', 'ERR_DTLS_KEY_MISMATCH');
    expect(await shownBy(server)).to.equal(fingerprint(old));
  });

  it('takes authorities back', async () => {
    const { certificatePem: ca } = await createAuthority();
    const mine = await certificate({ clientAuth: true });
    const server = await listen({ cert: old.cert, key: old.key, ca, requestCert: true });
    const identity = { cert: mine.cert, key: mine.key };
    expect((await openOn(server, identity)).peer.authorized).to.equal(true);
    const { certificatePem: other } = await createAuthority('the next authority');
    server.setSecureContext({ cert: old.cert, key: old.key, ca: other });
    const refused = clientFailure(server);
    (await dial(server, identity)).on('error', () => undefined);
    expect((await refused).category).to.equal('certificate');
  });
});

describe('watchSecureContext', () => {
  let folder: string;
  let certFile: string;
  let keyFile: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-reload-'));
    [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    write(old);
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function write({ cert, key }: Certificate): void {
    writeFileSync(certFile, cert);
    writeFileSync(keyFile, key);
  }

  /** By way of another name, as careful programs do. */
  function replace(path: string, content: string | Buffer): void {
    writeFileSync(`${path}.new`, content);
    renameSync(`${path}.new`, path);
  }

  async function watched(more: WatchSecureContextOptions = {}): Promise<DTLSServer> {
    const server = await listen({ ...PSK_SERVER });
    server.watchSecureContext({ certFile, keyFile, interval: INTERVAL_MS, ...more });
    return server;
  }

  /** Long enough to have looked many times. */
  const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 15 * INTERVAL_MS));

  it('reads the files at once', async () => {
    expect(await shownBy(await watched())).to.equal(fingerprint(old));
  });

  it('reads them again when they were replaced, and old sessions live on', async () => {
    const server = await watched();
    const before = await openOn(server);
    const reloaded = next(server, 'secureContextReload');
    replace(certFile, fresh.cert);
    replace(keyFile, fresh.key);
    await reloaded;
    expect(await shownBy(server)).to.equal(fingerprint(fresh));
    await alive(before.client, before.peer);
  });

  it('follows a symbolic link that is switched, as of a Kubernetes secret', async () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    for (const [path, made] of [
      [one, old],
      [two, fresh],
    ] as const) {
      mkdirSync(path);
      writeFileSync(join(path, 'cert'), made.cert);
      writeFileSync(join(path, 'key'), made.key);
    }
    const data = join(folder, 'data');
    symlinkSync(one, data);
    const files = { certFile: join(data, 'cert'), keyFile: join(data, 'key') };
    const server = await watched(files);
    const reloaded = next(server, 'secureContextReload');
    symlinkSync(two, `${data}.new`);
    renameSync(`${data}.new`, data);
    await reloaded;
    expect(await shownBy(server)).to.equal(fingerprint(fresh));
  });

  it('reloads authorities', async () => {
    const [mine, stranger] = [await createAuthority(), await createAuthority('the next authority')];
    const ours = await certificate({ clientAuth: true, commonName: 'reload' });
    const theirs = await stranger.issue({ clientAuth: true, commonName: 'reload' });
    const caFile = join(folder, 'ca');
    writeFileSync(caFile, mine.certificatePem);
    const server = await listen({ cert: old.cert, key: old.key, requestCert: true, rejectUnauthorized: false });
    server.watchSecureContext({ certFile, keyFile, caFile, interval: INTERVAL_MS });
    const authorized = async ({ cert, key }: Certificate): Promise<boolean> =>
      (await openOn(server, { cert, key })).peer.authorized;
    expect([await authorized(ours), await authorized(theirs)]).to.deep.equal([true, false]);
    const reloaded = next(server, 'secureContextReload');
    replace(caFile, stranger.certificatePem);
    await reloaded;
    expect([await authorized(ours), await authorized(theirs)]).to.deep.equal([false, true]);
  });

  it('reloads PKCS #12', async function () {
    requirePrograms(this, 'openssl');
    const pfxFile = join(folder, 'both.pfx');
    const passphrase = 'secret';
    writeFileSync(pfxFile, makePfx(old, { passphrase }));
    const server = await listen({ ...PSK_SERVER });
    server.watchSecureContext({ pfxFile, passphrase, interval: INTERVAL_MS });
    expect(await shownBy(server)).to.equal(fingerprint(old));
    const reloaded = next(server, 'secureContextReload');
    replace(pfxFile, makePfx(fresh, { passphrase }));
    await reloaded;
    expect(await shownBy(server)).to.equal(fingerprint(fresh));
    const refused = next(server, 'secureContextError');
    replace(pfxFile, makePfx(old, { passphrase: 'another' }));
    expect((await refused)[0].code).to.equal('ERR_DTLS_PASSPHRASE');
    expect(await shownBy(server)).to.equal(fingerprint(fresh));
  });

  it('reloads revocation lists', async () => {
    const authority = await createAuthority();
    const mine = await certificate({ clientAuth: true, commonName: 'reload' });
    const [caFile, crlFile] = [join(folder, 'ca'), join(folder, 'crl')];
    writeFileSync(caFile, authority.certificatePem);
    writeFileSync(crlFile, await authority.crl({ revoked: [] }));
    const server = await listen({ cert: old.cert, key: old.key, requestCert: true });
    server.watchSecureContext({ certFile, keyFile, caFile, crlFile, interval: INTERVAL_MS });
    const identity = { cert: mine.cert, key: mine.key };
    expect((await openOn(server, identity)).peer.authorized).to.equal(true);
    const reloaded = next(server, 'secureContextReload');
    replace(crlFile, await authority.crl({ revoked: [mine.cert] }));
    await reloaded;
    const refused = clientFailure(server);
    (await dial(server, identity)).on('error', () => undefined);
    expect((await refused).code).to.equal('CERT_REVOKED');
  });

  describe('keeps the context, and reports once,', () => {
    for (const [what, breakIt, code] of [
      ['when the new certificate lacks its key', () => {
        replace(certFile, fresh.cert);
      }, 'ERR_DTLS_KEY_MISMATCH'],
      ['when a file is half written', () => {
        writeFileSync(certFile, fresh.cert.slice(0, fresh.cert.length / 2));
        writeFileSync(keyFile, fresh.key);
      }, 'ERR_DTLS_INVALID_CERTIFICATE'],
      ['when a file is empty', () => {
        writeFileSync(keyFile, '');
      }, 'ERR_DTLS_INVALID_KEY'],
      ['when a file has gone', () => {
        unlinkSync(certFile);
      }, 'ENOENT'],
    ] as readonly [string, () => void, string][]) {
      it(`${what}; then takes what is whole again`, async () => {
        const server = await watched();
        const errors: DTLSError[] = [];
        server.on('secureContextError', (error) => errors.push(error));
        breakIt();
        const [error] = await next(server, 'secureContextError');
        expect(error).to.be.instanceOf(DTLSError);
        expect(error.code).to.equal(code);
        await aWhile();
        expect(errors).to.have.length(1);
        expect(await shownBy(server)).to.equal(fingerprint(old));
        const reloaded = next(server, 'secureContextReload');
        write(fresh);
        await reloaded;
        expect(await shownBy(server)).to.equal(fingerprint(fresh));
      });
    }

    it('or warns the process when nobody listens', async () => {
      const warned = new Promise<Error & { code?: string }>((resolve) => {
        process.on('warning', function listener(warning: Error & { code?: string }) {
          if (warning.code !== 'ERR_DTLS_INVALID_KEY') return;
          process.off('warning', listener);
          resolve(warning);
        });
      });
      await watched();
      writeFileSync(keyFile, 'nothing');
      expect((await warned).message).to.include('keeps its certificate');
    });
  });

  it('does nothing while the files stay the same, or are written again as they were', async () => {
    const server = await watched();
    let reloads = 0;
    server.on('secureContextReload', () => (reloads += 1));
    replace(certFile, old.cert);
    write(old);
    await aWhile();
    expect(reloads).to.equal(0);
  });

  it('ends when it is closed, and with another call', async () => {
    const server = await listen({ ...PSK_SERVER });
    let events = 0;
    server.on('secureContextReload', () => (events += 1));
    server.watchSecureContext({ certFile, keyFile, interval: INTERVAL_MS });
    const second = server.watchSecureContext({ certFile, keyFile, interval: INTERVAL_MS });
    second.close();
    write(fresh);
    await aWhile();
    expect(events).to.equal(0);
    expect(await shownBy(server)).to.equal(fingerprint(old));
  });

  it('refuses what it cannot begin with', async () => {
    const server = await listen({ cert: fresh.cert, key: fresh.key });
    const refusal = (options: WatchSecureContextOptions): string => {
      try {
        server.watchSecureContext(options);
      } catch (error) {
        return (error as DTLSError).code;
      }
      return 'accepted';
    };
    expect(refusal({})).to.equal('ERR_INVALID_ARG_VALUE');
    expect(refusal({ certFile, keyFile: join(folder, 'nothing') })).to.equal('ENOENT');
    expect(refusal({ certFile })).to.equal('ERR_DTLS_CONFLICTING_OPTIONS');
    expect(refusal({ certFile: keyFile, keyFile })).to.equal('ERR_DTLS_INVALID_CERTIFICATE');
    expect(refusal({ certFile, keyFile, interval: 1 })).to.equal('ERR_OUT_OF_RANGE');
    expect(refusal({ certFile, keyFile, cert: 'x' } as never)).to.equal('ERR_DTLS_UNKNOWN_OPTION');
    expect(refusal({ certFile: 7 as never, keyFile })).to.equal('ERR_INVALID_ARG_TYPE');
    expect(await shownBy(server)).to.equal(fingerprint(fresh));
  });
});

describe('certificateExpiring', () => {
  const soon = (ms: number): Promise<Certificate> =>
    certificate({ commonName: `soon ${ms}`, notAfter: new Date(Date.now() + ms) });

  let expired: Certificate;
  before(async () => {
    expired = await certificate({
      notBefore: new Date('2001-01-01'),
      notAfter: new Date('2002-01-01'),
    });
  });

  it('comes once for a certificate that ends within the notice', async () => {
    const made = await soon(3 * DAY_MS);
    const server = await listen({ cert: made.cert, key: made.key });
    const events: number[] = [];
    server.on('certificateExpiring', (_certificate, left) => events.push(left));
    const [expiring, left] = await next(server, 'certificateExpiring');
    expect(expiring.fingerprint256).to.equal(fingerprint(made));
    expect(left).to.be.within(2.9 * DAY_MS, 3 * DAY_MS);
    server.setSecureContext({ cert: made.cert, key: made.key });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(events).to.have.length(1);
  });

  it('comes when the time has come', async () => {
    // X.509 counts whole seconds.
    const made = await soon(5 * DAY_MS);
    const ends = new Date(new X509Certificate(made.cert).validTo).getTime();
    const certificateExpiryNotice = ends - Date.now() - 700;
    const server = await listen({ cert: made.cert, key: made.key, certificateExpiryNotice });
    const [, left] = await next(server, 'certificateExpiring');
    expect(left).to.be.at.most(certificateExpiryNotice);
  });

  it('comes for one that has expired', async () => {
    const server = await listen({ cert: expired.cert, key: expired.key });
    const [, left] = await next(server, 'certificateExpiring');
    expect(left).to.be.below(0);
  });

  it('does not parse certificates again for each server', async () => {
    const made = await soon(DAY_MS);
    const context = createSecureContext({ cert: made.cert, key: made.key });
    let parsed = 0;
    const { [kNative]: native } = context;
    const ownCertificates = native.ownCertificates.bind(native);
    Object.defineProperty(native, 'ownCertificates', {
      value: () => {
        parsed += 1;
        return ownCertificates();
      },
    });
    for (let round = 0; round < 5; ++round) {
      const server = await listen({ secureContext: context });
      const [{ fingerprint256 }] = await next(server, 'certificateExpiring');
      expect(fingerprint256).to.equal(fingerprint(made));
      server.setSecureContext(context);
    }
    expect(parsed).to.equal(1);
  });

  it('does not come after close, as nothing else of a certificate does', async () => {
    const [own, named] = [await soon(DAY_MS), await soon(2 * DAY_MS)];
    let answer: (context: SecureContext) => void = () => undefined;
    let isAsked: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (isAsked = resolve));
    const server = await listen({
      cert: own.cert,
      key: own.key,
      SNICallback: () => {
        isAsked();
        return new Promise((resolve) => (answer = resolve));
      },
    });
    const events: string[] = [];
    for (const name of ['certificateExpiring', 'secureContextReload', 'secureContextError', 'close'] as const) {
      server.on(name, () => events.push(name));
    }
    await next(server, 'certificateExpiring');
    const client = await dial(server, { servername: 'a.example', rejectUnauthorized: false });
    client.on('error', () => undefined);
    await within(asked, 'SNICallback');
    // Whoever takes a program's own listeners away takes nothing of this with them.
    const closed = new Promise<void>((resolve) => {
      server.removeAllListeners('close').on('close', () => {
        events.push('close');
        resolve();
      });
    });
    server.close();
    await within(closed, 'close');
    answer(createSecureContext({ cert: named.cert, key: named.key }));
    const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-'));
    const [certFile, keyFile] = [join(folder, 'after.crt'), join(folder, 'after.key')];
    const put = ({ cert, key }: Certificate): void => {
      writeFileSync(certFile, cert);
      writeFileSync(keyFile, key);
    };
    put(own);
    server.watchSecureContext({ certFile, keyFile, interval: 10 });
    put(named);
    await new Promise((resolve) => setTimeout(resolve, 200));
    rmSync(folder, { recursive: true });
    expect(events).to.deep.equal(['certificateExpiring', 'close']);
  });

  it('comes for those of names, and after setSecureContext', async () => {
    const [one, two] = [await soon(DAY_MS), await soon(2 * DAY_MS)];
    const server = await listen({ cert: old.cert, key: old.key });
    const seen: string[] = [];
    server.on('certificateExpiring', ({ fingerprint256 }) => seen.push(fingerprint256));
    const first = next(server, 'certificateExpiring');
    server.addContext('*.example', { cert: one.cert, key: one.key });
    await first;
    const second = next(server, 'certificateExpiring');
    server.setSecureContext({ cert: two.cert, key: two.key });
    await second;
    expect(seen).to.deep.equal([fingerprint(one), fingerprint(two)]);
  });

  describe('for a context that SNICallback gives', () => {
    const asking = { servername: 'a.example', checkServerIdentity: (): undefined => undefined };

    it('comes when a handshake uses it, once', async () => {
      const made = await soon(DAY_MS);
      const context = createSecureContext({ cert: made.cert, key: made.key });
      const server = await listen({
        cert: old.cert,
        key: old.key,
        SNICallback: (name) => (name === 'a.example' ? context : null),
      });
      const seen: string[] = [];
      server.on('certificateExpiring', ({ fingerprint256 }, left) => {
        seen.push(fingerprint256);
        expect(left).to.be.within(0.9 * DAY_MS, DAY_MS);
      });
      await openOn(server, { ...asking, servername: 'b.example' });
      expect(seen).to.deep.equal([]);
      for (let round = 0; round < 3; ++round) await openOn(server, asking);
      expect(seen).to.deep.equal([fingerprint(made)]);
    });

    it('comes also for contexts that are made anew each time, once', async () => {
      const made = await soon(DAY_MS);
      const server = await listen({
        cert: old.cert,
        key: old.key,
        SNICallback: async () => Promise.resolve(createSecureContext({ cert: made.cert, key: made.key })),
      });
      const seen: string[] = [];
      server.on('certificateExpiring', ({ fingerprint256 }) => seen.push(fingerprint256));
      for (let round = 0; round < 3; ++round) await openOn(server, asking);
      expect(seen).to.deep.equal([fingerprint(made)]);
    });

    it('comes when its time has come between two handshakes', async () => {
      const made = await soon(6 * DAY_MS);
      const context = createSecureContext({ cert: made.cert, key: made.key });
      // X.509 counts whole seconds. Early enough that the first handshake is surely over by then.
      const ends = new Date(new X509Certificate(made.cert).validTo).getTime();
      const certificateExpiryNotice = ends - Date.now() - 1500;
      const server = await listen({ cert: old.cert, key: old.key, certificateExpiryNotice, SNICallback: () => context });
      const seen: number[] = [];
      server.on('certificateExpiring', (_certificate, left) => seen.push(left));
      await openOn(server, asking);
      if (ends - Date.now() > certificateExpiryNotice) expect(seen).to.deep.equal([]);
      await new Promise((resolve) => setTimeout(resolve, ends - certificateExpiryNotice - Date.now() + 20));
      await openOn(server, asking);
      expect(seen).to.have.length(1);
      expect(seen[0]).to.be.at.most(certificateExpiryNotice);
    });

    it('does not come with a notice of 0, not even for one that has expired', async () => {
      const context = createSecureContext({ cert: expired.cert, key: expired.key });
      const own = { cert: old.cert, key: old.key, SNICallback: (): typeof context => context };
      const server = await listen({ ...own, certificateExpiryNotice: 0 });
      server.on('certificateExpiring', () => {
        throw new Error('it came');
      });
      for (let round = 0; round < 2; ++round) {
        const { client } = await openOn(server, { ...asking, rejectUnauthorized: false });
        expect(client.authorizationError).to.equal('CERT_HAS_EXPIRED');
      }
    });
  });

  it('does not come for one that is fresh, nor with a notice of 0', async () => {
    const quiet = [
      await listen({ cert: old.cert, key: old.key }),
      await listen({ cert: expired.cert, key: expired.key, certificateExpiryNotice: 0 }),
    ];
    for (const server of quiet) {
      server.on('certificateExpiring', () => {
        throw new Error('it came');
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  });
});
