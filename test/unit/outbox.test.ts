/**
 * Protects: that lib/core/outbox.ts reads what src-native/core/outbox/outbox.h writes: the same numbers under
 * the same names, and records of the same layout.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { LookupKind, NO_SLOT, RecordType } from '../../lib/core/outbox';
import { fieldOf, isSet, NO_ALERT, RecordField } from '../../lib/core/record-fields';

const header = readFileSync(path.join(__dirname, '../../src-native/core/outbox/outbox.h'), 'utf8');
// Comments out, so that commas and names in them do not count.
const code = header.replace(/\/\/.*$/gm, '');

const fieldsHeader = readFileSync(
  path.join(__dirname, '../../src-native/core/outbox/record_fields.h'),
  'utf8',
);

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

  it('has the fields of record_fields.h', () => {
    const fields = Object.fromEntries(
      [...fieldsHeader.matchAll(/constexpr RecordField k(\w+)\{(\d+), (\d+)\};/g)].map(
        ([, name = '', shift, bits]) => [name, [Number(shift), Number(bits)]],
      ),
    );
    expect(RecordField).to.deep.equal(fields);
    expect(fieldsHeader).to.include(`constexpr uint32_t kCloseNoAlert = ${NO_ALERT};`);
  });

  it('reads a field whatever stands beside it', () => {
    for (const field of Object.values(RecordField)) {
      const [shift, bits] = field;
      const all = 2 ** bits - 1;
      const there = (all << shift) >>> 0;
      expect(fieldOf(there, field)).to.equal(all);
      expect(fieldOf(0xffffffff, field)).to.equal(all);
      expect(isSet(~there >>> 0, field)).to.equal(false);
    }
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
