/** Tests of DTLS 1.3, which not every Node has. */
import type { Suite } from 'mocha';
import { features } from '../../lib/index';
import { skip } from './peers';

/** The options by which both sides speak DTLS 1.3 and nothing else. */
export const DTLS13 = { minVersion: 'DTLSv1.3', maxVersion: 'DTLSv1.3' } as const;
/** DTLS 1.3 where the peer has it, and else 1.2. */
export const UP_TO_DTLS13 = { maxVersion: 'DTLSv1.3' } as const;

/** Options by which both sides speak one version and no other. */
export interface OneVersion {
  readonly minVersion: 'DTLSv1.2' | 'DTLSv1.3';
  readonly maxVersion: 'DTLSv1.2' | 'DTLSv1.3';
}

/** The same tests for DTLS 1.2, and for 1.3 where there is that. */
export function describeVersions(title: string, tests: (this: Suite, only: OneVersion, is13: boolean) => void): void {
  describe(title, function () {
    tests.call(this, { minVersion: 'DTLSv1.2', maxVersion: 'DTLSv1.2' }, false);
  });
  describe13(`${title}, DTLS 1.3`, function () {
    tests.call(this, DTLS13, true);
  });
}

/** A `describe` that is skipped, for a reason that is told, where there is no DTLS 1.3. */
export function describe13(title: string, tests: (this: Suite) => void): void {
  describe(title, function () {
    before(function () {
      if (features.dtls13 === false) skip(this, features.dtls13Missing ?? 'there is no DTLS 1.3 here');
    });
    tests.call(this);
  });
}
