// Data channels (RFC 8831) over a DTLS session: each of its messages is a packet of SCTP, which werift has. The browser
// opens the channels (RFC 8832), and this side answers.

import { SCTP, WEBRTC_PPID } from 'werift-sctp';

/** The port in `a=sctp-port`, on both sides. */
export const SCTP_PORT = 5000;

const OPEN = 3;
const ACKNOWLEDGED = Buffer.from([2]);

export class DataChannels {
  #sctp;
  /** Labels by stream. */
  #labels = new Map();
  #onText;

  /** `onText(label, text)` may return a text to send back; `onRefused` is told of what cannot be read. */
  constructor(socket, { onText, onRefused }) {
    this.#onText = onText;
    const transport = {
      send: async (packet) => {
        // SCTP repeats what it gets no answer to, so what does not leave is only late.
        if (socket.readyState === 'open') socket.send(packet);
      },
      close() {},
    };
    this.#sctp = SCTP.server(transport, SCTP_PORT);
    this.#sctp.onReceive.subscribe((stream, protocol, data) => this.#receive(stream, protocol, data));
    // What a peer sends may be anything. werift would call this by itself, and leave the promise to nobody: whoever says
    // what is no SCTP would end the process.
    socket.on('message', (packet) => this.#sctp['handleData'](packet).catch(onRefused));
    socket.once('close', () => this.#sctp.stop());
    this.#sctp.start(SCTP_PORT);
  }

  #receive(stream, protocol, data) {
    if (protocol === WEBRTC_PPID.STRING) {
      const answer = this.#onText(this.#labels.get(stream), data.toString());
      if (answer !== undefined) this.#sctp.send(stream, WEBRTC_PPID.STRING, Buffer.from(answer));
    } else if (protocol === WEBRTC_PPID.DCEP && data[0] === OPEN) {
      this.#labels.set(stream, data.subarray(12, 12 + data.readUInt16BE(8)).toString());
      this.#sctp.send(stream, WEBRTC_PPID.DCEP, ACKNOWLEDGED);
    }
  }
}
