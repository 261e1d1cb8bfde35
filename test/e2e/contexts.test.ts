// Protects a SecureContext that a server and clients share: a client's use of it must not make the
// server trust anybody more.

import { once } from 'node:events';

import { expect } from 'chai';

import { connect, createSecureContext, createServer } from '../../lib/index';
import { createAuthority } from '../helpers/certificates';

/** Bytes of the CertificateRequest that a server with this context sends: it lists whom it trusts. */
async function certificateRequestSize(
  secureContext: ReturnType<typeof createSecureContext>,
): Promise<number> {
  const server = createServer({ secureContext, requestCert: true, rejectUnauthorized: false });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // Trusts nobody on purpose: the context's client side has to bring Node's authorities along.
  const client = connect({
    host: '127.0.0.1',
    port: server.address()?.port ?? 0,
    secureContext,
    rejectUnauthorized: false,
  });
  let size = -1;
  client.on('handshake', ({ direction, message, length }) => {
    if (direction === 'in' && message === 'certificate_request') size = length;
  });
  await once(client, 'secureConnect');
  client.close();
  await once(client, 'close');
  server.close();
  await once(server, 'close');
  return size;
}

describe('a shared context', () => {
  it('trusts no more after a client has used it', async () => {
    const authority = await createAuthority();
    const { cert, key } = await authority.issue({ commonName: 'localhost' });
    const context = createSecureContext({ cert, key });
    const before = await certificateRequestSize(context);
    const after = await certificateRequestSize(context);
    expect(before).to.be.within(1, 200);
    expect(after).to.equal(before);
  });
});
