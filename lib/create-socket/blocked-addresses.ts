/** dgram's `receiveBlockList` and `sendBlockList`, which Node 20 has not and the native socket knows nothing of. */
import { BlockList } from 'node:net';

import type { Peer } from '../base/peer';
import { isBlocked } from '../transport/block-list';
import { plain } from '../errors/node-errors';

export class BlockedAddresses {
  readonly #receive: BlockList | undefined;
  readonly #send: BlockList | undefined;

  /** What is no BlockList is dgram's to refuse. */
  constructor(options: { receiveBlockList?: unknown; sendBlockList?: unknown }) {
    const { receiveBlockList, sendBlockList } = options;
    this.#receive = receiveBlockList instanceof BlockList ? receiveBlockList : undefined;
    this.#send = sendBlockList instanceof BlockList ? sendBlockList : undefined;
  }

  get any(): boolean {
    return this.#receive !== undefined || this.#send !== undefined;
  }

  sender({ address }: { address: string }): boolean {
    return this.#receive !== undefined && isBlocked(this.#receive, address);
  }

  /** Why nothing may be sent there. */
  refusal(to: Peer): Error | undefined {
    return this.#send !== undefined && isBlocked(this.#send, to.address)
      ? plain('ERR_IP_BLOCKED', `IP(${to.address}) is blocked by net.BlockList`)
      : undefined;
  }
}
