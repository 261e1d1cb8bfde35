// Protects what exportKeyingMaterial says of what a session cannot derive: which number is at fault, what may be, and why.
import { expect } from 'chai';
import type { DTLSSocket } from '../../lib/index';
import { describe13, DTLS13 } from '../helpers/dtls13';
import { closeEverything, open, PSK_CLIENT, PSK_SERVER, withCertificate } from '../helpers/pair';
import { thrown } from '../helpers/thrown';

const LABEL = 'EXPERIMENTAL of ours';

const refusal = (socket: DTLSSocket, length: number, label: string, context?: Buffer): unknown =>
  thrown(() => socket.exportKeyingMaterial(length, label, context));

describe13('What DTLS 1.3 exports', () => {
  afterEach(closeEverything);

  for (const [ciphers, most] of [['TLS_AES_128_GCM_SHA256', 8160], ['TLS_CHACHA20_POLY1305_SHA256', 8160], ['TLS_AES_256_GCM_SHA384', 12240]] as const) {
    it(`is ${String(most)} bytes with ${ciphers}, and no more`, async () => {
      const { client, peer } = await open(await withCertificate({ ...DTLS13, ciphers }), DTLS13);
      expect(client.exportKeyingMaterial(most, LABEL)).to.deep.equal(peer.exportKeyingMaterial(most, LABEL));
      for (const length of [most + 1, 65536]) {
        const error = refusal(client, length, LABEL);
        expect(error).to.include({ code: 'ERR_OUT_OF_RANGE', category: 'usage' });
        expect(error).to.have.property('message').that.includes(`between 1 and ${String(most)} `).and.includes(String(length));
        expect(error).to.have.property('hint').that.includes("255 times the size of its suite's hash");
      }
    });
  }

  it('goes by labels of 249 bytes, without a NUL byte', async () => {
    const { client, peer } = await open(await withCertificate(DTLS13), DTLS13);
    for (const label of ['', 'x'.repeat(249), `x${'é'.repeat(124)}`, 'master secret']) {
      expect(client.exportKeyingMaterial(20, label)).to.deep.equal(peer.exportKeyingMaterial(20, label));
    }
    for (const label of ['x'.repeat(250), 'é'.repeat(125)]) {
      const error = refusal(client, 20, label);
      expect(error).to.include({ code: 'ERR_OUT_OF_RANGE', message: "'label' must have at most 249 bytes in this session, not 250" });
      expect(error).to.have.property('hint').that.includes("goes into 'context'");
    }
    const cut = refusal(client, 20, 'a\0b');
    expect(cut).to.include({ code: 'ERR_INVALID_ARG_VALUE', message: "'label' has a NUL byte" });
    expect(cut).to.have.property('hint').that.includes('would be cut');
  });
});

describe('What DTLS 1.2 exports', () => {
  afterEach(closeEverything);

  it('goes by no label of its own, and the hint names those', async () => {
    const { client } = await open(PSK_SERVER, PSK_CLIENT);
    for (const label of ['master secret', 'key expansion of mine']) {
      const error = refusal(client, 20, label, Buffer.alloc(900));
      expect(error).to.include({ code: 'ERR_INVALID_ARG_VALUE' });
      expect(error).to.have.property('message').that.includes(`'${label}'`);
      expect(error).to.have.property('hint').that.includes('reserved').and.not.includes('950');
    }
  });

  it('has as much label and context as OpenSSL takes, and the hint says how much', async () => {
    const { client, peer } = await open(PSK_SERVER, PSK_CLIENT);
    const context = Buffer.alloc(1200);
    if (!/^3\.[01]\./.test(process.versions.openssl)) {
      expect(client.exportKeyingMaterial(20, LABEL, context)).to.deep.equal(peer.exportKeyingMaterial(20, LABEL, context));
      return;
    }
    const error = refusal(client, 20, LABEL, context);
    expect(error).to.include({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(error).to.have.property('message').that.includes('1220 bytes of label and context');
    expect(error).to.have.property('hint').that.includes('950').and.not.includes('reserved');
  });
});
