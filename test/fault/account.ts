/** What became of messages over a link that tells what it let through, for the lossy matrices of all versions. */
import { expect } from 'chai';
import type { DTLSSocket } from '../../lib/index';

/** What became of the messages that one end sends. */
export class Account {
  readonly #sent: string[] = [];
  readonly #copies: number[] = [];
  readonly #received: string[] = [];
  readonly #receiver: DTLSSocket;
  /** Of the handshake: a Finished may have come twice, too. */
  readonly #replays: number;

  constructor(receiver: DTLSSocket) {
    this.#receiver = receiver;
    this.#replays = receiver.stats.replays;
    receiver.on('message', (message) => this.#received.push(message.toString('hex')));
  }

  sent(message: Buffer): void {
    this.#sent.push(message.toString('hex'));
  }

  /** A datagram with a message left, and so many copies of it will arrive. */
  left(copies: number): void {
    this.#copies.push(copies);
  }

  check(loss: number): void {
    expect(this.#copies, 'one datagram for each message').to.have.length(this.#sent.length);
    const expected = this.#sent.filter((_, index) => this.#copies[index] !== 0);
    expect([...this.#received].sort(), 'exactly what the link let through').to.deep.equal(
      [...expected].sort(),
    );
    const arrived = this.#copies.reduce((sum, copies) => sum + copies, 0);
    const { replays, badRecords } = this.#receiver.stats;
    expect(replays - this.#replays, 'each second copy is a replay').to.equal(arrived - expected.length);
    expect(badRecords).to.equal(0);
    // The oversized ones are always lost, the others at the rate that was asked for.
    const lost = 1 - expected.length / this.#sent.length;
    expect(lost).to.be.within(Math.max(loss - 0.2, 0.05), loss + 0.3);
  }
}

/** A message that no other equals, of any size that fits; each tenth is too long for the path. */
export function makeMessage(random: () => number, index: number, longest: number): Buffer {
  const size = index % 10 === 9 ? longest + 1 : 4 + Math.floor(random() * (longest - 3));
  const message = Buffer.from(Array.from({ length: size }, () => Math.floor(random() * 256)));
  message.writeUInt32BE(index);
  return message;
}
