/** What a datagram of a handshake is: the beginning of a flight, more of it, or a repetition. */
import { ContentType, HandshakeType } from '../../base/protocol';
import { Malformed } from '../decode/reader';
import { readFragments, readRecords, type DtlsRecord, type Fragment } from '../decode/records';

/**
 * A client that begins anew numbers the records of its attempt this much higher (see "Time" in
 * docs/architecture.md), and the server's go on from there.
 */
const RECORDS_OF_ONE_ATTEMPT = 2 ** 32;

/** What can be read of a datagram without keys. */
export interface Reading {
  /** Counts a client's attempts from 0; undefined for a datagram of protected records alone. */
  readonly attempt: number | undefined;
  readonly fragments: readonly Fragment[];
  readonly changeCipherSpec: boolean;
  /** An alert, or a HelloVerifyRequest: sent once, repeated by no timer. */
  readonly single: boolean;
}

function fragmentsOf({ type, fragment }: DtlsRecord): Fragment[] {
  if (type !== ContentType.Handshake) return [];
  try {
    return readFragments(fragment);
  } catch (error) {
    if (error instanceof Malformed) return [];
    throw error;
  }
}

export function read(datagram: Uint8Array): Reading {
  const clear = readRecords(Buffer.from(datagram)).records.filter(({ epoch }) => epoch === 0);
  const fragments = clear.flatMap(fragmentsOf);
  const [first] = clear;
  return {
    attempt: first === undefined ? undefined : Math.floor(first.sequence / RECORDS_OF_ONE_ATTEMPT),
    fragments,
    changeCipherSpec: clear.some(({ type }) => type === ContentType.ChangeCipherSpec),
    single:
      clear.some(({ type }) => type === ContentType.Alert) ||
      fragments.some(({ type }) => type === HandshakeType.HelloVerifyRequest),
  };
}

/** How far one end has come in one attempt: what it has sent for the first time. */
export class Progress {
  #sequence = -1;
  #reach = 0;
  #changed = false;

  /** Takes a datagram that is sent. True when it has something that was not sent before. */
  advance({ fragments, changeCipherSpec }: Reading): boolean {
    let isNew = changeCipherSpec && !this.#changed;
    this.#changed ||= changeCipherSpec;
    for (const { sequence, offset, body } of fragments) {
      const end = offset + body.length;
      if (sequence > this.#sequence || (sequence === this.#sequence && end > this.#reach)) {
        isNew = true;
        this.#sequence = sequence;
        this.#reach = end;
      }
    }
    return isNew;
  }
}
