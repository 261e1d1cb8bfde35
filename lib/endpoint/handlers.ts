/** Who stands above an endpoint, as the endpoint sees them: a session's socket, and who has the transport. */
import type { BlockList } from 'node:net';

import type { DTLSSocket } from '../base/dtls-socket';
import type {
  kAnsweredPeer,
  kBatchesMessages,
  kBlockList,
  kBorrowsMessages,
  kMakeSession,
  kOnDrain,
  kOnMessage,
  kOnMessages,
  kOnPeerQuestion,
  kOnRecord,
  kOnTransportClosed,
  kOnTransportError,
  kPackets,
  kPeer,
  kSocket,
} from '../base/internals';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import type { Peer } from '../base/peer';
import type { PacketHearer } from './packet-events';

/** What a session's records are handed to: a DTLSSocket, seen from below. */
export interface SessionHandler {
  readonly [kPeer]: Peer;
  /** Its messages need not outlive the handlers that they are given to. */
  readonly [kBorrowsMessages]: boolean;
  /** Its messages wait for one event together. */
  readonly [kBatchesMessages]: boolean;
  /** One message. False: nobody's code has run. */
  [kOnMessage](message: NonSharedBuffer): boolean;
  /** Messages that came behind one another, where they wait. Nobody's code runs. */
  [kOnMessages](messages: NonSharedBuffer[]): void;
  /**
   * Takes a record of the session: not MESSAGE, and not TRANSMIT, PACKET, SENT, TRANSPORT_ERROR and DROPPED, which the
   * endpoint deals with itself. After CLOSE nothing comes any more. False: nobody's code has run.
   */
  [kOnRecord](type: number, a: number, b: number, bytes: NonSharedBuffer): boolean;
  /** The transport had an error that concerns this session's peer. */
  [kOnTransportError](error: Error): void;
  [kOnDrain](): boolean;
  /** Who hears of what its peer sends beside DTLS; undefined: whoever hears of the rest. */
  readonly [kPackets]: PacketHearer | undefined;
  /** The socket that the session is of, for those who watch. */
  readonly [kSocket]: DTLSSocket;
}

/** Who is told what an endpoint has that is of no session. The endpoint stays while there is one. */
export interface TransportHandler {
  /** Who hears of datagrams that are none of DTLS. */
  readonly [kPackets]: PacketHearer;
  /** `broke`: the transport is of no use any more. */
  [kOnTransportError](error: Error, broke?: boolean): void;
  [kOnTransportClosed](): void;
}

/** What makes an endpoint a server's. */
export interface ServerHandler extends TransportHandler {
  /**
   * A cookie was verified. Makes the session's handler; no user code may run. `question`: whose answer counts for the
   * session, or 0.
   */
  [kMakeSession](slot: number, generation: number, peer: Peer, question: number): SessionHandler;
  /** By which rules is this peer to be served? False: nobody's code has run. */
  [kOnPeerQuestion](question: number, peer: Peer): boolean;
  /** Whom the answer to a question was about. */
  [kAnsweredPeer](question: number): Peer | undefined;
  /** Datagrams from these addresses are dropped before anything else is spent on them. */
  readonly [kBlockList]?: BlockList | undefined;
}

/** Who has an endpoint, if anybody has. */
export interface EndpointOwner {
  handler: TransportHandler | undefined;
  /** The handler, where it is a server's. */
  server: ServerHandler | undefined;
}

/** Whoever waits until the transport takes more. */
export interface DrainHandler {
  [kOnDrain](): boolean;
}
