/**
 * The browser's half of the tests: a page that does what the test tells it to by HTTP, and answers. It knows nothing
 * of any test. `browsers.ts` serves it.
 */

/** What getStats says of a connection. */
export interface Facts {
  readonly connection: RTCPeerConnectionState;
  /** RTCDtlsTransport's. */
  readonly dtls: RTCDtlsTransportState;
  readonly tlsVersion: string | undefined;
  readonly dtlsCipher: string | undefined;
  readonly srtpCipher: string | undefined;
  readonly dtlsRole: string | undefined;
  /** Of the other side's certificate, as in `a=fingerprint`. */
  readonly fingerprint: string | undefined;
  readonly framesSent: number;
  readonly framesDecoded: number;
}

const CANVAS = { width: 160, height: 120 };
const FRAMES_PER_SECOND = 30;

/** Bytes that are told from those of another size. */
function pattern(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, index) => (index * 31 + size) & 0xff);
}

async function sha256(data: ArrayBuffer): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
  return `sha-256 ${[...hash].map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(':')}`;
}

/** A camera's stand-in: every frame differs from the one before. */
function moving(): MediaStream {
  const canvas = Object.assign(document.createElement('canvas'), CANVAS);
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('no canvas');
  let frame = 0;
  setInterval(() => {
    frame++;
    context.fillStyle = `hsl(${frame % 360} 80% 50%)`;
    context.fillRect(0, 0, CANVAS.width, CANVAS.height);
    context.fillStyle = 'white';
    context.fillRect((frame * 7) % CANVAS.width, (frame * 3) % CANVAS.height, 20, 20);
  }, 1000 / FRAMES_PER_SECOND);
  return canvas.captureStream(FRAMES_PER_SECOND);
}
let stream: MediaStream | undefined;

class Peer {
  readonly #connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  readonly #channel = this.#connection.createDataChannel('theirs');
  readonly #video = document.createElement('video');

  constructor() {
    const connection = this.#connection;
    this.#channel.binaryType = 'arraybuffer';
    // A channel of the other side's is an echo.
    connection.ondatachannel = ({ channel }) => {
      channel.binaryType = 'arraybuffer';
      channel.onmessage = ({ data }) => {
        channel.send(data as ArrayBuffer);
      };
    };
    // A track that nobody plays need not be decoded.
    Object.assign(this.#video, { muted: true, autoplay: true });
    connection.ontrack = ({ track }) => {
      this.#video.srcObject = new MediaStream([track]);
    };
  }

  async offer(video: boolean): Promise<string> {
    if (video) this.#addVideo();
    await this.#connection.setLocalDescription();
    return this.#connection.localDescription?.sdp ?? '';
  }

  /** Answers the other side's offer, of video among other things. */
  async accept(sdp: string): Promise<string> {
    await this.#connection.setRemoteDescription({ type: 'offer', sdp });
    this.#addVideo();
    await this.#connection.setLocalDescription();
    return this.#connection.localDescription?.sdp ?? '';
  }

  answer(sdp: string): Promise<void> {
    return this.#connection.setRemoteDescription({ type: 'answer', sdp });
  }

  /** Until DTLS is open, or is not going to be. */
  async settled(): Promise<Facts> {
    const dtls = this.#dtls;
    for (;;) {
      const change = new Promise((resolve) => {
        dtls.addEventListener('statechange', resolve, { once: true });
        this.#connection.addEventListener('connectionstatechange', resolve, { once: true });
      });
      const facts = await this.facts();
      if (facts.dtls === 'failed' || facts.dtls === 'closed') return facts;
      if (facts.connection === 'connected' && facts.dtls === 'connected') return facts;
      await change;
    }
  }

  /** Until the other side has closed DTLS. */
  async closed(): Promise<RTCDtlsTransportState> {
    const dtls = this.#dtls;
    while (dtls.state !== 'closed' && dtls.state !== 'failed') {
      await new Promise((resolve) => {
        dtls.addEventListener('statechange', resolve, { once: true });
      });
    }
    return dtls.state;
  }

  async facts(): Promise<Facts> {
    interface Stats {
      type: string;
      kind?: string;
      framesSent?: number;
      framesDecoded?: number;
      tlsVersion?: string;
      dtlsCipher?: string;
      srtpCipher?: string;
      dtlsRole?: string;
    }
    const stats: Stats[] = [];
    (await this.#connection.getStats()).forEach((entry: Stats) => stats.push(entry));
    const [certificate] = this.#dtls.getRemoteCertificates();
    const transport = stats.find(({ type }) => type === 'transport');
    const frames = (type: string, name: 'framesSent' | 'framesDecoded'): number =>
      stats.find((entry) => entry.type === type && entry.kind === 'video')?.[name] ?? 0;
    return {
      connection: this.#connection.connectionState,
      dtls: this.#dtls.state,
      tlsVersion: transport?.tlsVersion,
      dtlsCipher: transport?.dtlsCipher,
      srtpCipher: transport?.srtpCipher,
      dtlsRole: transport?.dtlsRole,
      fingerprint: certificate === undefined ? undefined : await sha256(certificate),
      framesSent: frames('outbound-rtp', 'framesSent'),
      framesDecoded: frames('inbound-rtp', 'framesDecoded'),
    };
  }

  /** Sends messages of these sizes by the data channel, one after the other, and has each come back whole. */
  async exchange(sizes: readonly number[]): Promise<number[]> {
    if (this.#channel.readyState !== 'open') {
      await new Promise((resolve) => {
        this.#channel.onopen = resolve;
      });
    }
    const came: number[] = [];
    for (const size of sizes) {
      const sent = pattern(size);
      const back = new Promise<ArrayBuffer>((resolve) => {
        this.#channel.onmessage = ({ data }) => {
          resolve(data as ArrayBuffer);
        };
      });
      this.#channel.send(sent);
      const received = new Uint8Array(await back);
      if (received.length !== size || received.some((byte, index) => byte !== sent[index])) {
        throw new Error(`what came back for ${size} bytes differs: ${received.length} bytes`);
      }
      came.push(received.length);
    }
    return came;
  }

  /** Until so many frames of the other side's are decoded. */
  async decoded(frames: number): Promise<number> {
    for (;;) {
      const { framesDecoded } = await this.facts();
      if (framesDecoded >= frames) return framesDecoded;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  close(): void {
    this.#connection.close();
    this.#video.srcObject = null;
  }

  #addVideo(): void {
    stream ??= moving();
    for (const track of stream.getTracks()) this.#connection.addTrack(track, stream);
  }

  get #dtls(): RTCDtlsTransport {
    const transport = this.#connection.sctp?.transport;
    if (transport === undefined) throw new Error('no answer yet');
    return transport;
  }
}

const peers = new Map<string, Peer>();
let leaving = false;
function peer(name: string): Peer {
  const found = peers.get(name);
  if (found === undefined) throw new Error(`no peer ${name}`);
  return found;
}

const methods = {
  offer(name: string, { video }: { video: boolean }): Promise<string> {
    peers.set(name, new Peer());
    return peer(name).offer(video);
  },
  accept(name: string, sdp: string): Promise<string> {
    peers.set(name, new Peer());
    return peer(name).accept(sdp);
  },
  answer: (name: string, sdp: string): Promise<void> => peer(name).answer(sdp),
  settled: (name: string): Promise<Facts> => peer(name).settled(),
  closed: (name: string): Promise<RTCDtlsTransportState> => peer(name).closed(),
  /** All connections are gone then, and nothing answers. */
  reload(): Promise<never> {
    leaving = true;
    location.reload();
    return new Promise(() => undefined);
  },
  facts: (name: string): Promise<Facts> => peer(name).facts(),
  exchange: (name: string, sizes: readonly number[]): Promise<number[]> => peer(name).exchange(sizes),
  decoded: (name: string, frames: number): Promise<number> => peer(name).decoded(frames),
  /** Ends the connection. */
  shut(name: string): void {
    peer(name).close();
  },
  /** Ends and forgets it, where the page still has it. */
  close(name: string): void {
    peers.get(name)?.close();
    peers.delete(name);
  },
};
export type Methods = typeof methods;

export interface Call {
  readonly id: number;
  readonly method: keyof Methods;
  readonly args: unknown[];
}
export type Answer = { readonly id: number } & ({ readonly value: unknown } | { readonly error: string });

async function carryOut({ id, method, args }: Call): Promise<void> {
  let answer: Answer;
  try {
    const value = await (methods[method] as (...args: unknown[]) => unknown)(...args);
    answer = { id, value };
  } catch (error) {
    answer = { id, error: String(error) };
  }
  await fetch('/answer', { method: 'POST', body: JSON.stringify(answer) });
}

async function listen(): Promise<void> {
  // A page that is about to go asks no more: what it was told would be lost.
  while (!leaving) {
    // Held back until there is something to do; calls run side by side.
    const calls = (await (await fetch('/calls', { method: 'POST' })).json()) as Call[];
    for (const call of calls) void carryOut(call);
  }
}
void listen();
