/**
 * Protects: that lib/core/outbox.ts reads what src-native/core/outbox/outbox.h writes: the same numbers under
 * the same names, and records of the same layout.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { KeyLimit, LookupKind, NO_SLOT, RecordType, RecordWord } from '../../lib/core/outbox';
import { fieldOf, isSet, NO_ALERT, RecordField } from '../../lib/core/record-fields';
import { cppEnum, headers } from '../helpers/headers';

const fieldsHeader = readFileSync(
  path.join(__dirname, '../../src-native/core/outbox/record_fields.h'),
  'utf8',
);

describe('outbox', () => {
  it('has the record types of the header', () => {
    expect(RecordType).to.deep.equal(cppEnum('RecordType'));
    expect(RecordType.Transmit).to.equal(1);
  });

  it('has the lookup kinds of the header', () => {
    expect(LookupKind).to.deep.equal(cppEnum('LookupKind'));
  });

  it('has the limits of keys of the header', () => {
    expect(KeyLimit).to.deep.equal(cppEnum('KeyLimit'));
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
    const fields = /struct Record \{([^}]*)\}/.exec(headers)?.[1]?.matchAll(/uint32_t (\w+);/g) ?? [];
    const words = Object.entries(RecordWord).map(([name, word]) => [word, name.toLowerCase()]);
    expect(words).to.deep.equal([...fields].map(([, name], word) => [word, name]));
    expect(words).to.have.length(8);
    expect(headers).to.match(/kNoSlot = UINT32_MAX;/);
    expect(NO_SLOT).to.equal(0xffffffff);
  });
});
