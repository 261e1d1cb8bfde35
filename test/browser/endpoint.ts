/** A WebRTC peer on this package: it answers a browser's offer, or offers, as DTLS client or as server, and sends back what comes. */
import { X509Certificate } from 'node:crypto';
import {
  connect,
  createServer,
  type DTLSSocket,
  type ProtocolVersion,
  type SecureContextOptions,
  type ServerOptions,
  type SessionOptions,
} from '../../lib/index';
import type { Certificate } from '../helpers/certificates';
import type { Cleanup } from '../helpers/peers';
import { WatchedServer, WatchedSocket } from '../helpers/watch';
import { DataChannels } from './data-channels';
import { IceLite, type Filter } from './ice-lite';
import { OUR_SECTIONS, readOffer, writeDescription, type Offer, type Section } from './sdp';
import { asksForPicture, isRtcp, pictureLoss } from './rtcp';
import { Srtp } from './srtp';

const SSRC = 0x0dd17e57;

type Shared = SessionOptions & SecureContextOptions & Pick<ServerOptions, 'transport'>;

export interface Setup {
  readonly identity: Certificate;
  /** What we are: the browser offers either. */
  readonly role: 'client' | 'server';
  readonly maxVersion: ProtocolVersion;
  /** In our answer in place of ours. */
  readonly fingerprint?: string;
  /** Expected of the browser in place of what it has signalled. */
  readonly peerFingerprints?: string;
  /** What becomes of the browser's DTLS. */
  readonly filter?: Filter;
  /** And of ours. */
  readonly filterOut?: Filter;
  readonly more?: Shared & Pick<ServerOptions, 'cookieExchange'>;
}

export class Endpoint {
  readonly ice: IceLite;
  /** What the browser has offered, or answered. */
  readonly offer: Offer;
  /** Frames whose packets were authentic. */
  readonly frames = new Set<number>();
  /** Packets of RTCP that were authentic. */
  reports = 0;
  readonly mediaErrors: Error[] = [];
  readonly #setup: Setup;
  readonly #cleanup: Cleanup;
  readonly #watched: Promise<WatchedSocket>;
  #onFrame: () => void = () => undefined;
  #channels: DataChannels | undefined;

  private constructor(cleanup: Cleanup, ice: IceLite, sdp: string, setup: Setup) {
    this.ice = ice;
    this.offer = readOffer(sdp);
    this.#setup = setup;
    this.#cleanup = cleanup;
    this.#watched = this.#begin();
  }

  /** Answers the browser's offer. */
  static async open(cleanup: Cleanup, sdp: string, setup: Setup): Promise<Endpoint> {
    return new Endpoint(cleanup, await openIce(cleanup, setup), sdp, setup);
  }

  /** Offers, and waits for no answer: what comes of it begins with that. */
  static async offering(
    cleanup: Cleanup,
    setup: Setup,
  ): Promise<{ offer: string; answered: (sdp: string) => Endpoint }> {
    const ice = await openIce(cleanup, setup);
    const offer = describe(ice, setup, OUR_SECTIONS, setup.role === 'client' ? 'active' : 'actpass');
    return { offer, answered: (sdp) => new Endpoint(cleanup, ice, sdp, setup) };
  }

  /** To the browser's offer. */
  get answer(): string {
    return describe(this.ice, this.#setup, this.offer.sections, this.#setup.role === 'client' ? 'active' : 'passive');
  }

  /** Our session with the browser, when it is open. */
  async session(limit?: number): Promise<DTLSSocket> {
    const watched = await this.#watched;
    await watched.secure(limit);
    return watched.socket;
  }

  /** The error that ended it, and the alerts that went and came. */
  async failure(): Promise<{ code: string; message: string; out: string[]; in: string[] }> {
    const watched = await this.#watched;
    const { code, message } = await watched.error();
    return { code, message, out: watched.alertNames('out'), in: watched.alertNames('in') };
  }

  get role(): Setup['role'] {
    return this.#setup.role;
  }

  /** The session's data channels: the browser begins with them as soon as it is open. */
  get channels(): DataChannels {
    if (this.#channels === undefined) throw new Error('no session yet');
    return this.#channels;
  }

  /** Sends the video back that comes, under our keys, and hands on what asks for a whole picture. */
  returnVideo(socket: DTLSSocket): void {
    const keys = socket.getSrtp();
    if (keys === null) throw new Error('no SRTP');
    const incoming = new Srtp(keys.profile, keys.remoteKey, keys.remoteSalt);
    const outgoing = new Srtp(keys.profile, keys.localKey, keys.localSalt);
    const payloadType = this.offer.sections.find(({ kind }) => kind === 'video')?.payloadType;
    let source: number | undefined;
    this.ice.takeMedia((packet) => {
      try {
        if (isRtcp(packet)) {
          const asks = asksForPicture(incoming.unprotectRtcp(packet));
          this.reports++;
          if (asks && source !== undefined) this.ice.sendMedia(outgoing.protectRtcp(pictureLoss(SSRC, source)));
          return;
        }
        const rtp = incoming.unprotect(packet);
        const second = rtp.readUInt8(1);
        if ((second & 0x7f) !== payloadType) return;
        if (second >> 7 === 1) this.frames.add(rtp.readUInt32BE(4)); // the last packet of a frame
        source = rtp.readUInt32BE(8);
        rtp.writeUInt32BE(SSRC, 8);
        this.ice.sendMedia(outgoing.protect(rtp));
      } catch (error) {
        this.mediaErrors.push(error as Error);
      }
      this.#onFrame();
    });
  }

  /** Until so many frames have come. */
  came(frames: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onFrame = (): void => {
        const [error] = this.mediaErrors;
        if (error !== undefined) reject(error);
        else if (this.frames.size >= frames) resolve();
      };
      this.#onFrame();
    });
  }

  /** Those that both roles have. */
  get #options(): Shared {
    const { cert, key } = this.#setup.identity;
    return {
      cert,
      key,
      maxVersion: this.#setup.maxVersion,
      peerFingerprints: this.#setup.peerFingerprints ?? this.offer.fingerprint,
      srtpProfiles: ['SRTP_AEAD_AES_256_GCM', 'SRTP_AEAD_AES_128_GCM', 'SRTP_AES128_CM_SHA1_80'],
      retransmission: { initial: 100 },
      transport: this.ice,
      ...this.#setup.more,
    };
  }

  async #begin(): Promise<WatchedSocket> {
    const client = this.#setup.role === 'client';
    const watched = await (client ? this.#connect() : this.#listen());
    watched.socket.once('secureConnect', () => {
      this.#channels = new DataChannels(watched.socket, client);
    });
    return watched;
  }

  async #connect(): Promise<WatchedSocket> {
    const { address, port } = await this.ice.nominated;
    const socket = connect({ ...this.#options, host: address, port });
    this.#cleanup.add(() => socket[Symbol.asyncDispose]());
    return new WatchedSocket(socket);
  }

  #listen(): Promise<WatchedSocket> {
    const server = createServer(this.#options);
    this.#cleanup.add(() => server[Symbol.asyncDispose]());
    const watched = new WatchedServer(server);
    server.listen();
    return watched.connection();
  }
}

async function openIce(cleanup: Cleanup, { filter, filterOut }: Setup): Promise<IceLite> {
  const ice = await IceLite.open();
  cleanup.add(() => ice.shut());
  if (filter !== undefined) ice.filter = filter;
  if (filterOut !== undefined) ice.filterOut = filterOut;
  return ice;
}

function describe(
  ice: IceLite,
  { identity, fingerprint = fingerprintOf(identity) }: Setup,
  sections: readonly Section[],
  setup: 'active' | 'passive' | 'actpass',
): string {
  return writeDescription({ sections, ice: ice.credentials, setup, fingerprint, port: ice.port, ssrc: SSRC });
}

export const fingerprintOf = ({ cert }: Certificate): string =>
  `sha-256 ${new X509Certificate(cert).fingerprint256}`;
