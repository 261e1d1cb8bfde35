// Protects which identity a `node:dtls` server shows under which name, and which names it refuses.
import { expect } from 'chai';
import { certificate, closeAll, connect, listen, pause, rejection } from './support';

describe('node-dtls: server names', () => {
  afterEach(closeAll);

  it("matches exactly, with '*' as the fallback, and gives each name its certificate", async () => {
    const [a, b] = await Promise.all([certificate('a.example'), certificate('b.example')]);
    const { cert, key, ca } = await certificate();
    const endpoint = listen({
      cert,
      key,
      sni: { 'a.example': { cert: a.cert, key: a.key }, '*': { cert: b.cert, key: b.key } },
    });
    const named = async (servername: string): Promise<string | undefined> => {
      const client = connect(endpoint, { ca, servername, rejectUnauthorized: false });
      await client.opened;
      return client.peerX509Certificate?.subjectAltName;
    };
    expect(await named('a.example')).to.include('a.example');
    expect(await named('A.example'), 'case-sensitive').to.include('b.example');
    expect(await named('x.a.example')).to.include('b.example');
    expect(await named(''), 'no name at all').to.include('b.example');
  });

  it("unmatched without '*', or declined, is a fatal unrecognized_name", async () => {
    const a = await certificate('a.example');
    for (const sni of [{ 'a.example': { cert: a.cert, key: a.key } }, () => undefined, () => null]) {
      const endpoint = listen({ cert: a.cert, key: a.key, sni });
      for (const servername of ['other.example', '']) {
        const error = await rejection(connect(endpoint, { ca: a.ca, servername }).opened);
        expect(error.message).to.match(/unrecognized name/);
      }
    }
  });

  it('a function gets the name, or undefined, and may give a context', async () => {
    const a = await certificate('a.example');
    const asked: unknown[] = [];
    const endpoint = listen({
      cert: a.cert,
      key: a.key,
      sni: (servername) => {
        asked.push(servername);
        return { cert: a.cert, key: a.key };
      },
    });
    await connect(endpoint, { ca: a.ca, servername: 'a.example' }).opened;
    await connect(endpoint, { ca: a.ca, servername: '' }).opened;
    expect(asked).to.deep.equal(['a.example', undefined]);
  });

  it('a throw fails that handshake with the thrown value', async () => {
    const a = await certificate('a.example');
    const reason = new Error('no such tenant');
    let seen: unknown;
    const endpoint = listen(
      {
        cert: a.cert,
        key: a.key,
        sni: () => {
          throw reason;
        },
      },
      (session) => {
        session.onerror = (error) => (seen = error);
      },
    );
    await rejection(connect(endpoint, { ca: a.ca, servername: 'a.example' }).opened);
    await pause();
    expect(seen).to.equal(reason);
  });
});
