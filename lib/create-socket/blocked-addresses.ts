/** dgram's `receiveBlockList` and `sendBlockList`, which Node 20 has not and the native socket knows nothing of. */
import { BlockList } from 'node:net';

import type { Peer } from '../base/peer';
import { wrongForm } from '../checks/validate';
import { HOW_TO_BLOCK, isBlocked } from '../transport/block-list';
import { plain } from '../errors/node-errors';

function blockList(name: string, given: unknown): BlockList | undefined {
  if (given === undefined || given === null) return undefined; // dgram takes null for none
  if (given instanceof BlockList) return given;
  throw wrongForm(name, 'a BlockList of node:net', given, HOW_TO_BLOCK);
}

export class BlockedAddresses {
  readonly #receive: BlockList | undefined;
  readonly #send: BlockList | undefined;

  /** @throws `ERR_INVALID_ARG_TYPE` for what is no BlockList, which dgram refuses only where it has the option. */
  constructor(options: { receiveBlockList?: unknown; sendBlockList?: unknown }) {
    this.#receive = blockList('receiveBlockList', options.receiveBlockList);
    this.#send = blockList('sendBlockList', options.sendBlockList);
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
