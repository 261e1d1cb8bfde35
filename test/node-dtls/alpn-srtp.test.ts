// Protects what two `node:dtls` sessions agree on beside their keys (ALPN, SRTP), and what is derived from these
// (RFC 5705).
import { expect } from 'chai';
import { closeAll, connect, KEY, listen, open, PSK, rejection, thrown } from './support';

const psk = { [PSK.identity]: KEY };

describe('node-dtls: alpn, srtp and keying material', () => {
  afterEach(closeAll);

  it('the server picks by its own order', async () => {
    const { client, server } = await open({ psk, alpn: ['b', 'a'] }, { psk: PSK, alpn: ['a', 'b'] });
    expect(client.alpnProtocol).to.equal('b');
    expect(server.alpnProtocol).to.equal('b');
  });

  it('no overlap is a fatal no_application_protocol; no alpn on the server declines', async () => {
    const error = await rejection(connect(listen({ psk, alpn: ['a'] }), { psk: PSK, alpn: ['z'] }).opened);
    expect(error.message).to.match(/application protocol/);
    const { client } = await open({ psk }, { psk: PSK, alpn: Buffer.from('\x01z', 'latin1') });
    expect(client.alpnProtocol).to.equal(undefined);
  });

  it('srtp is a colon list, and its keys are exported', async () => {
    const { client, server } = await open(
      { psk, srtp: 'SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80' },
      { psk: PSK, srtp: 'SRTP_AES128_CM_SHA1_80' },
    );
    expect(client.srtpProfile).to.equal('SRTP_AES128_CM_SHA1_80');
    expect(server.srtpProfile).to.equal('SRTP_AES128_CM_SHA1_80');
    const label = 'EXTRACTOR-dtls_srtp';
    expect(client.exportKeyingMaterial(60, label)).to.deep.equal(server.exportKeyingMaterial(60, label));
    expect(thrown(() => connect(9, { psk: PSK, srtp: 'NO_SUCH_PROFILE' })).code).to.equal(
      'ERR_CRYPTO_OPERATION_FAILED',
    );
  });

  it('exportKeyingMaterial judges its arguments and its moment', async () => {
    const { client } = await open();
    expect(thrown(() => client.exportKeyingMaterial(0, 'x')).code).to.equal('ERR_OUT_OF_RANGE');
    expect(thrown(() => client.exportKeyingMaterial(65537, 'x')).code).to.equal('ERR_OUT_OF_RANGE');
    expect(thrown(() => client.exportKeyingMaterial(1, 1 as unknown as string)).code).to.equal(
      'ERR_INVALID_ARG_TYPE',
    );
    expect(client.exportKeyingMaterial(20, 'x', Buffer.from('context'))).to.have.length(20);
    client.destroy();
    expect(thrown(() => client.exportKeyingMaterial(1, 'x')).code).to.equal('ERR_INVALID_STATE');
  });

  it('exportKeyingMaterial gives 1 to 65536 bytes, the same at both ends, by label and context', async () => {
    const early = connect(listen({ psk }), { psk: PSK });
    expect(thrown(() => early.exportKeyingMaterial(1, 'x')).code).to.equal('ERR_INVALID_STATE');
    const { client, server } = await open();
    const context = Buffer.from('context');
    for (const args of [
      [1, 'label'],
      [65536, 'label'],
      [32, 'label', context],
      [32, 'label', new DataView(context.buffer, context.byteOffset, context.byteLength)],
    ] as [number, string, Buffer?][]) {
      const bytes = client.exportKeyingMaterial(...args);
      expect(bytes).to.be.an.instanceOf(Buffer).with.length(args[0]);
      expect(bytes).to.deep.equal(server.exportKeyingMaterial(...args));
    }
    const one = client.exportKeyingMaterial(32, 'label');
    expect(client.exportKeyingMaterial(32, 'other')).to.not.deep.equal(one);
    expect(client.exportKeyingMaterial(32, 'label', context)).to.not.deep.equal(one);
    for (const [code, ...bad] of [
      ['ERR_INVALID_ARG_TYPE', '1', 'x'],
      ['ERR_OUT_OF_RANGE', 1.5, 'x'],
      ['ERR_INVALID_ARG_TYPE', 1, 'x', 'context'],
      ['ERR_INVALID_ARG_TYPE', 1, 'x', new ArrayBuffer(1)],
    ]) {
      const error = thrown(() => client.exportKeyingMaterial(...(bad as [never, never, never])));
      expect(error.code).to.equal(code);
    }
  });
});
