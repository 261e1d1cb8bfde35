/** WebRTC data channels (RFC 8831, RFC 8832) over a session of ours, by werift's SCTP. */
import { EventEmitter, once } from 'node:events';
import { SCTP, WEBRTC_PPID } from 'werift-sctp';
import type { DTLSSocket } from '../../lib/index';

const PORT = 5000;
const OPEN = 3;
const ACK = 2;
const RELIABLE = 0;
const NORMAL_PRIORITY = 256;

/** The type of a packet's first chunk, by RFC 9260 section 3. */
export const chunkType = (packet: Uint8Array): number => packet[12] ?? -1;
export const INIT = 1;
export const INIT_ACK = 2;

const ignored = (packet: Buffer): unknown => packet;

/** Messages on channels of the browser's are sent back to it; one channel is ours, and the browser's echo comes there. */
export class DataChannels {
  /** Labels of the channels that the browser has opened. */
  readonly labels: string[] = [];
  /** The first chunks of what came and what was sent, in order. */
  readonly came: number[] = [];
  readonly left: number[] = [];
  readonly #sctp: SCTP;
  readonly #events = new EventEmitter();

  /** `begin`: our INIT; otherwise the browser's is waited for. Browsers send one in either case. */
  constructor(socket: DTLSSocket, begin: boolean) {
    const transport = {
      onData: ignored, // SCTP puts its own here
      send: (packet: Buffer): Promise<void> => {
        if (socket.readyState !== 'open') return Promise.resolve();
        this.left.push(chunkType(packet));
        return new Promise((resolve, reject) => {
          socket.send(packet, (error) => {
            if (error === null) resolve();
            else reject(error);
          });
        });
      },
      close: (): void => undefined,
    };
    this.#sctp = begin ? SCTP.client(transport, PORT) : SCTP.server(transport, PORT);
    this.#sctp.onReceive.subscribe((stream, protocol, data) => {
      this.#receive(stream, protocol, data);
    });
    socket.on('message', (packet) => {
      this.came.push(chunkType(packet));
      transport.onData(packet);
    });
    socket.once('close', () => void this.#sctp.stop());
    void this.#sctp.start(PORT);
  }

  /** Until there is an association. */
  async open(): Promise<void> {
    if (this.#sctp.state !== 'connected') await this.#sctp.stateChanged.connected.asPromise();
  }

  /** Opens a channel of that label on that stream: even ones are the DTLS client's (RFC 8832 section 6). */
  async channel(stream: number, label: string): Promise<void> {
    const name = Buffer.from(label);
    const open = Buffer.alloc(12);
    open.writeUInt8(OPEN, 0);
    open.writeUInt8(RELIABLE, 1);
    open.writeUInt16BE(NORMAL_PRIORITY, 2);
    open.writeUInt16BE(name.length, 8);
    const acknowledged = once(this.#events, `ack ${stream}`);
    await this.#sctp.send(stream, WEBRTC_PPID.DCEP, Buffer.concat([open, name]));
    await acknowledged;
  }

  /** Sends, and gives what comes back on that channel. */
  async exchange(stream: number, message: Buffer): Promise<Buffer> {
    const back = once(this.#events, `message ${stream}`) as Promise<[Buffer]>;
    await this.#sctp.send(stream, WEBRTC_PPID.BINARY, message);
    return (await back)[0];
  }

  #receive(stream: number, protocol: number, data: Buffer): void {
    if (protocol !== (WEBRTC_PPID.DCEP as number)) {
      if (!this.#events.emit(`message ${stream}`, data)) void this.#sctp.send(stream, protocol, data);
    } else if (data[0] === OPEN) {
      this.labels.push(data.subarray(12, 12 + data.readUInt16BE(8)).toString());
      void this.#sctp.send(stream, WEBRTC_PPID.DCEP, Buffer.from([ACK]));
    } else if (data[0] === ACK) {
      this.#events.emit(`ack ${stream}`);
    }
  }
}
