/**
 * Protects: that TypeScript and C++ have the same numbers under the same names: those of the protocol, those that calls
 * of the core return, and the questions that a server may have about a ClientHello.
 */
import { expect } from 'chai';
import {
  CHANGE_CIPHER_SPEC_MESSAGE,
  ContentType,
  HandshakeType,
  HeartbeatType,
} from '../../lib/base/protocol';
import { HeartbeatOutcome, KeyUpdateOutcome, MoveOutcome, SendOutcome } from '../../lib/core/outcomes';
import { handshakeMessageName } from '../../lib/errors/names';
import { HelloQuestion } from '../../lib/handshake/hello';
import { cppEnum, headers } from '../helpers/headers';

describe('numbers that both languages have', () => {
  for (const [name, list] of Object.entries({
    ContentType,
    HandshakeType,
    HeartbeatType,
    SendOutcome,
    HeartbeatOutcome,
    KeyUpdateOutcome,
    MoveOutcome,
  })) {
    it(`are the same in ${name}`, () => {
      expect(list).to.deep.equal(cppEnum(name));
    });
  }

  it('are the same in HelloQuestion', () => {
    const questions = Object.fromEntries(
      [...headers.matchAll(/constexpr uint32_t k(?:Ask|Tell)(\w+) = (\d+);/g)].map(
        ([, name = '', bit]) => [name, Number(bit)],
      ),
    );
    expect(HelloQuestion).to.deep.equal(questions);
  });

  it('are the same for a ChangeCipherSpec among handshake messages, which has a name as they have', () => {
    expect(headers).to.include(
      `constexpr HandshakeType kChangeCipherSpecMessage{${CHANGE_CIPHER_SPEC_MESSAGE}};`,
    );
    expect(handshakeMessageName(CHANGE_CIPHER_SPEC_MESSAGE)).to.equal('change_cipher_spec');
    expect(Object.values(HandshakeType).map(handshakeMessageName).join()).to.not.match(/\d/);
  });
});
