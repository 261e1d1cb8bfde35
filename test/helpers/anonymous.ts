/** Suites by which a peer proves nothing (anonymous Diffie-Hellman, RFC 5246 appendix A.5), and servers of them. */
import type { DTLSServer, ServerOptions } from '../../lib/index';
import { Link } from './link';
import { listen, withCertificate } from './pair';

export const ANONYMOUS = 'AECDH-AES128-SHA:@SECLEVEL=0';
/** A list that a user may well pass, and that has the anonymous suites. */
export const OPEN_MINDED = 'ALL:@SECLEVEL=0';

const AECDH_AES128_SHA = 0xc018;

/** It would take anybody, and proves nothing. */
export const anonymousServer = async (): Promise<DTLSServer> =>
  listen(await withCertificate({ ciphers: ANONYMOUS }));

/** Its ServerHello names the anonymous suite, which no client offered. */
export async function pickyServer(options: ServerOptions = {}): Promise<DTLSServer> {
  const link = await Link.bound();
  link.outgoing = (datagram) => {
    const [HANDSHAKE, SERVER_HELLO] = [22, 2];
    if (datagram[0] === HANDSHAKE && datagram.readUInt16BE(3) === 0 && datagram[13] === SERVER_HELLO) {
      const sessionId = 13 + 12 + 2 + 32;
      datagram.writeUInt16BE(AECDH_AES128_SHA, sessionId + 1 + datagram.readUInt8(sessionId));
    }
    return [datagram];
  };
  return listen(await withCertificate({ transport: link, ...options }));
}
