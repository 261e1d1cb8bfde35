/** Protects the rules by which a name finds its context: as in tls, but for the case of letters. */
import { expect } from 'chai';
import { ServerNames } from '../../lib/handshake/server-names';
import type { NamedOptions, ResolvedServer } from '../../lib/options/server';

/** Rules that only have to be told apart. */
const rules = (): NamedOptions => ({ resolved: {} as ResolvedServer, given: {} });

describe('names of a server', () => {
  it('match as tls matches them', () => {
    for (const [hostname, matching, others] of [
      ['a.example.org', ['a.example.org', 'A.EXAMPLE.ORG'], ['b.example.org', 'axexample.org', '']],
      ['*.example.org', ['a.example.org', '.example.org'], ['example.org', 'a.b.example.org']],
      ['*', ['localhost'], ['a.b']],
      ['a*c.*', ['ac.org', 'abc.net'], ['ab.org', 'abc']],
      ['a+(b)[c]|d$^?\\{}', ['a+(b)[c]|d$^?\\{}'], ['aab']],
      ['*a+(b)[c]|d$^?\\{}', ['xa+(b)[c]|d$^?\\{}'], ['d$']],
    ] as const) {
      const names = new ServerNames();
      const added = rules();
      names.add(hostname, added);
      for (const name of matching) expect(names.find(name)?.options, `${hostname} ${name}`).to.equal(added.resolved);
      for (const name of others) expect(names.find(name), `${hostname} ${name}`).to.equal(undefined);
    }
  });

  it('are none at first', () => {
    const names = new ServerNames();
    expect(names.empty).to.equal(true);
    names.add('a', rules());
    expect(names.empty).to.equal(false);
  });

  it('that are added again replace what there was', () => {
    const names = new ServerNames();
    const [first, second, third] = [rules(), rules(), rules()];
    names.add('*.org', first);
    names.add('a.org', second);
    expect([names.find('a.org')?.options, names.find('b.org')?.options]).to.have.ordered.members([second.resolved, first.resolved]);
    names.add('*.org', third);
    expect([names.find('a.org')?.options, names.find('b.org')?.options]).to.have.ordered.members([third.resolved, third.resolved]);
  });
});
