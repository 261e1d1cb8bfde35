/** Many browsers on one UDP port, by one server: STUN is answered beside DTLS, and tells whose address is whose. */
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { createServer, type DTLSServer, type DTLSSocket, type Peer, type ServerOptions } from '../../lib/index';
import type { Certificate } from '../helpers/certificates';
import type { Cleanup } from '../helpers/peers';
import { DataChannels } from './data-channels';
import { fingerprintOf } from './endpoint';
import { readOffer, writeDescription, type Offer } from './sdp';
import { answerBinding, requestedUfrag, type Credentials } from './stun';

/** One browser's. */
export class Viewer {
  readonly offer: Offer;
  readonly credentials: Credentials = { ufrag: randomBytes(4).toString('hex'), pwd: randomBytes(12).toString('hex') };
  /** Open, and with the certificate that was signalled; undefined where it has another. */
  readonly opened: Promise<{ socket: DTLSSocket; channels: DataChannels } | undefined>;
  open: (socket: DTLSSocket | undefined) => void = () => undefined;

  constructor(sdp: string) {
    this.offer = readOffer(sdp);
    this.opened = new Promise((resolve) => {
      this.open = (socket): void => {
        resolve(socket === undefined ? undefined : { socket, channels: new DataChannels(socket, false) });
      };
    });
  }
}

/** How a server sends what is not DTLS. */
export interface Carrier {
  readonly options: Pick<ServerOptions, 'transport'>;
  send(server: DTLSServer, packet: Buffer, peer: Peer): void;
}

/** The server's own socket, in C++ or of node:dgram. */
export const serversSocket = (transport: 'native' | 'dgram'): Carrier => ({
  options: { transport },
  send: (server, packet, peer) => {
    server.sendPacket(packet, peer);
  },
});

/** A socket of the user's own. */
export async function ownSocket(cleanup: Cleanup): Promise<Carrier> {
  const udp = dgram.createSocket('udp4');
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  cleanup.add(() => {
    udp.close();
  });
  return {
    options: { transport: udp },
    send: (_server, packet, { address, port }) => {
      udp.send(packet, port, address);
    },
  };
}

const nameOf = ({ address, port }: { address: string; port: number }): string => `${address}:${port}`;

export class Gateway {
  readonly server: DTLSServer;
  readonly #identity: Certificate;
  readonly #carrier: Carrier;
  readonly #byUfrag = new Map<string, Viewer>();
  readonly #byAddress = new Map<string, Viewer>();

  private constructor(identity: Certificate, carrier: Carrier, options: ServerOptions) {
    this.#identity = identity;
    this.#carrier = carrier;
    this.server = createServer({
      cert: identity.cert,
      key: identity.key,
      requestCert: true,
      rejectUnauthorized: false, // who it is to be is known only when it is known from where it comes
      ...carrier.options,
      ...options,
    });
    this.server.on('packet', (packet, peer) => {
      this.#bind(packet, peer);
    });
    this.server.on('secureConnection', (socket) => {
      this.#judge(socket);
    });
  }

  static async listen(
    cleanup: Cleanup,
    identity: Certificate,
    carrier: Carrier,
    options: ServerOptions,
  ): Promise<Gateway> {
    const gateway = new Gateway(identity, carrier, options);
    cleanup.add(() => gateway.server[Symbol.asyncDispose]());
    if (typeof carrier.options.transport === 'object') gateway.server.listen();
    else gateway.server.listen(0, '127.0.0.1');
    await once(gateway.server, 'listening');
    return gateway;
  }

  /** What to answer to a browser's offer, and what comes of it. */
  admit(sdp: string): { viewer: Viewer; answer: string } {
    const viewer = new Viewer(sdp);
    this.#byUfrag.set(viewer.credentials.ufrag, viewer);
    const answer = writeDescription({
      sections: viewer.offer.sections,
      ice: viewer.credentials,
      setup: 'passive',
      fingerprint: fingerprintOf(this.#identity),
      port: this.server.address()?.port ?? 0,
      ssrc: 1,
    });
    return { viewer, answer };
  }

  #bind(packet: Buffer, peer: Peer): void {
    if ((packet[0] ?? 0) > 3) return;
    const viewer = this.#byUfrag.get(requestedUfrag(packet) ?? '');
    if (viewer === undefined) return;
    const binding = answerBinding(packet, viewer.credentials, peer);
    if (binding === undefined) return;
    this.#byAddress.set(nameOf(peer), viewer);
    this.#carrier.send(this.server, binding.answer, peer);
  }

  #judge(socket: DTLSSocket): void {
    const { remoteAddress: address = '', remotePort: port = 0 } = socket;
    const viewer = this.#byAddress.get(nameOf({ address, port }));
    const { fingerprint256 = '' } = socket.getPeerX509Certificate() ?? {};
    const right = viewer?.offer.fingerprint === `sha-256 ${fingerprint256}`;
    if (!right) socket.destroy();
    viewer?.open(right ? socket : undefined);
  }
}
