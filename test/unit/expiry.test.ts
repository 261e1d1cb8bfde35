/**
 * Protects: that each certificate which is about to expire is told of, whatever they do who are told: throw, or have others
 * watched; and that contexts in passing, of which each handshake may have its own, leave nothing behind for good.
 */
import { expect } from 'chai';
import { X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { kNative } from '../../lib/base/internals';
import { ExpiryWatch } from '../../lib/identity/expiry';
import { generateCertificate } from '../../lib/identity/generate-certificate';
import type { SecureContext } from '../../lib/identity/secure-context';
import { patience } from '../helpers/patience';

const DAY_MS = 86_400_000;

/** What a watch asks of a context. */
function contextWith(...certificates: readonly X509Certificate[]): SecureContext {
  const ownCertificates = (): Buffer[] => certificates.map(({ raw }) => raw);
  return { [kNative]: { ownCertificates } } as unknown as SecureContext;
}

const validFor = async (days: number): Promise<X509Certificate> =>
  new X509Certificate((await generateCertificate({ days })).cert);

/** The same with another serial number: nobody asks here who signed it. */
function withSerial({ raw }: X509Certificate, serial: number): X509Certificate {
  const der = Buffer.from(raw);
  der.writeUInt16BE(serial, der.indexOf(Buffer.from('a003020102', 'hex')) + 9); // behind the version, within the number
  return new X509Certificate(der);
}

/** A watch, and what it tells of; `then` is who is told. */
function watching(then: (told: number) => void = () => undefined): { watch: ExpiryWatch; told: string[] } {
  const told: string[] = [];
  const watch = new ExpiryWatch(14 * DAY_MS, ({ fingerprint256 }) => {
    told.push(fingerprint256);
    then(told.length);
  });
  return { watch, told };
}

async function until(isTrue: () => boolean): Promise<void> {
  for (const end = Date.now() + patience(2000); !isTrue() && Date.now() < end; ) await sleep(2);
}

describe('certificates that expire', () => {
  const fingerprints = (...certificates: X509Certificate[]): string[] => certificates.map(({ fingerprint256 }) => fingerprint256);

  for (const how of ['watch', 'used'] as const) {
    it(`are all told of where a listener throws, by ${how}`, async () => {
      const [one, two, later] = [await validFor(1), await validFor(2), await validFor(30)];
      const { watch, told } = watching((count) => {
        if (count === 1) throw new Error('of the listener');
      });
      const others = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      const uncaught: string[] = [];
      process.on('uncaughtException', ({ message }) => uncaught.push(message));
      try {
        const context = contextWith(one, later, two);
        if (how === 'watch') watch.watch([context]);
        else watch.used(context);
        await until(() => told.length === 2);
      } finally {
        process.removeAllListeners('uncaughtException');
        for (const listener of others) process.on('uncaughtException', listener);
        watch.stop();
      }
      expect(told).to.deep.equal(fingerprints(one, two));
      expect(uncaught).to.deep.equal(['of the listener']);
    });
  }

  it('are those of the contexts that a listener has watched in place of the ones before', async () => {
    const [old, never, later, fresh] = [await validFor(1), await validFor(2), await validFor(30), await validFor(3)];
    const { watch, told } = watching((count) => {
      if (count === 1) watch.watch([contextWith(fresh)]);
    });
    watch.watch([contextWith(old, never, later)]);
    await until(() => told.length === 2);
    await sleep(20);
    watch.stop();
    expect(told).to.deep.equal(fingerprints(old, fresh));
  });

  it('of contexts in passing are told of once, as long as they are among the last hundred', async () => {
    const { watch, told } = watching();
    const first = await validFor(1);
    const others = Array.from({ length: 129 }, (_, index) => withSerial(first, index));
    const pass = async (certificate: X509Certificate): Promise<void> => {
      watch.used(contextWith(certificate));
      await Promise.resolve(); // it tells in a tick
    };
    await pass(first);
    await pass(first);
    await until(() => told.length > 0);
    expect(told).to.deep.equal(fingerprints(first));
    for (const certificate of others) await pass(certificate);
    await until(() => told.length === 130);
    await pass(first);
    await until(() => told.length === 131);
    watch.stop();
    expect(told).to.have.length(131);
    expect(told.at(-1)).to.equal(first.fingerprint256);
  });
});
