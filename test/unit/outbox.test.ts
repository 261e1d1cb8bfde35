/**
 * Protects: that lib/core/outbox.ts reads what src-native/core/outbox/outbox.h writes: the same numbers under
 * the same names, and records of the same layout.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { LookupKind, NO_SLOT, RecordType } from '../../lib/core/outbox';

const header = readFileSync(path.join(__dirname, '../../src-native/core/outbox/outbox.h'), 'utf8');
// Comments out, so that commas and names in them do not count.
const code = header.replace(/\/\/.*$/gm, '');

/** The enumerators of a C++ enum class with their numbers, by their names without the `k`. */
function cppEnum(name: string): Record<string, number> {
  const body = new RegExp(`enum class ${name} : uint32_t \\{([^}]*)\\}`).exec(code)?.[1];
  if (body === undefined) throw new Error(`outbox.h has no enum ${name}`);
  let value = -1;
  return Object.fromEntries(
    body
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '')
      .map((entry) => {
        const [, enumerator = '', given] = /^k(\w+)(?:\s*=\s*(\d+))?$/.exec(entry) ?? [];
        value = given === undefined ? value + 1 : Number(given);
        return [enumerator, value];
      }),
  );
}

/** The members of a TypeScript enum with their numbers. */
const tsEnum = (members: object): Record<string, number> =>
  Object.fromEntries(
    Object.entries(members).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number',
    ),
  );

describe('outbox', () => {
  it('has the record types of the header', () => {
    expect(tsEnum(RecordType)).to.deep.equal(cppEnum('RecordType'));
    expect(RecordType.Transmit).to.equal(1);
  });

  it('has the lookup kinds of the header', () => {
    expect(tsEnum(LookupKind)).to.deep.equal(cppEnum('LookupKind'));
  });

  it('knows how a record is laid out', () => {
    const fields = /struct Record \{([^}]*)\}/.exec(code)?.[1]?.match(/uint32_t (\w+);/g);
    expect(fields).to.deep.equal(
      ['type', 'endpoint', 'slot', 'generation', 'a', 'b', 'offset', 'length'].map(
        (name) => `uint32_t ${name};`,
      ),
    );
    expect(code).to.match(/kNoSlot = UINT32_MAX;/);
    expect(NO_SLOT).to.equal(0xffffffff);
  });
});
