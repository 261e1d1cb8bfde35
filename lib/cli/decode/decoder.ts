/** Datagrams of a capture, decoded one after the other with what the ones before have shown. */
import { ContentType, HandshakeType, Version } from '../../base/protocol';
import { handshakeMessageName } from '../../errors/names';
import type { Datagram } from './capture';
import { chosenVersion, isHelloRetryRequest, readClientHello, readServerHello, type Fields } from './hello';
import { RecordKeys13 } from './keys13';
import { describeContent, describeMessage, type Agreed } from './messages';
import { contentTypeName, versionName } from './names';
import { Malformed } from './reader';
import { Assembly, readAllRecords, readFragments, type Fragment, type DtlsRecord, type UnifiedRecord } from './records';
import { RecordKeys, secretName } from './secrets';
import { suiteName } from './suites';

/** What is known of the two ends of one flow. */
interface Flow {
  client?: string | undefined;
  clientRandom?: Buffer;
  serverRandom?: Buffer;
  agreed?: Agreed;
  keys?: RecordKeys | undefined;
  keys13?: RecordKeys13 | undefined;
  readonly assemblies: Map<string, Assembly>;
}

/** Flows are kept by their addresses; a capture may have any number of them. */
const MOST_FLOWS = 10_000;

export class Decoder {
  readonly #secrets: ReadonlyMap<string, Buffer>;
  readonly #flows = new Map<string, Flow>();

  constructor(secrets: ReadonlyMap<string, Buffer>) {
    this.#secrets = secrets;
  }

  /** Undefined for a datagram that has no record in front. */
  decode(datagram: Datagram): Fields | undefined {
    const { frame, at, from, to, data } = datagram;
    const flow = this.#flow(from ?? '', to ?? '');
    // A datagram that was given by hand is DTLS; of a capture's, only those of flows that are known to be DTLS 1.3.
    const takesUnified = from === undefined || flow.agreed?.version === Version.Dtls13;
    const { records, malformed } = readAllRecords(data, takesUnified);
    if (records.length === 0) return undefined;
    return {
      frame,
      ...(at === undefined ? {} : { at }),
      ...(from === undefined ? {} : { from, to }),
      length: data.length,
      records: records.map((record) =>
        'epochBits' in record ? this.#unified(record, flow, from) : this.#record(record, flow, from),
      ),
      ...(malformed === undefined ? {} : { malformed }),
    };
  }

  #flow(from: string, to: string): Flow {
    const name = from < to ? `${from} ${to}` : `${to} ${from}`;
    let flow = this.#flows.get(name);
    if (flow === undefined) {
      if (this.#flows.size >= MOST_FLOWS) this.#flows.clear();
      flow = { assemblies: new Map() };
      this.#flows.set(name, flow);
    }
    return flow;
  }

  #record(record: DtlsRecord, flow: Flow, from: string | undefined): Fields {
    const header = {
      content_type: record.type,
      type: contentTypeName(record.type),
      version: versionName(record.version),
      epoch: record.epoch,
      sequence_number: record.sequence,
      length: record.fragment.length,
    };
    let content = record.fragment;
    if (record.epoch !== 0) {
      const fromClient = flow.client === undefined ? undefined : flow.client === from;
      const opened = flow.keys?.open(record, fromClient);
      if (opened === undefined) return { ...header, encrypted: true };
      content = opened;
    }
    const decrypted = record.epoch === 0 ? {} : { decrypted: true };
    return { ...header, ...decrypted, ...this.#content(record.type, content, flow, from) };
  }

  #unified(record: UnifiedRecord, flow: Flow, from: string | undefined): Fields {
    const fromClient = flow.client === undefined ? undefined : flow.client === from;
    const opened = flow.keys13?.open(record, fromClient);
    const version = versionName(Version.Dtls13);
    const { length } = record.fragment;
    if (opened === undefined) {
      return { content_type: record.header[0], type: 'ciphertext', version, epoch_bits: record.epochBits, length, encrypted: true };
    }
    const { type, content, epoch, sequence } = opened;
    return {
      content_type: type,
      type: contentTypeName(type),
      version,
      epoch,
      sequence_number: sequence,
      length,
      decrypted: true,
      ...this.#content(type, content, flow, from),
    };
  }

  #content(type: number, content: Buffer, flow: Flow, from: string | undefined): Fields {
    if (type !== ContentType.Handshake) return describeContent(type, content);
    try {
      return { handshake: readFragments(content).map((fragment) => this.#fragment(fragment, flow, from)) };
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      return { malformed: error.message };
    }
  }

  #fragment(fragment: Fragment, flow: Flow, from: string | undefined): Fields {
    const side = from ?? (isFromClient(fragment.type) ? 'client' : 'server');
    let assembly = flow.assemblies.get(side);
    if (assembly === undefined) {
      assembly = new Assembly();
      flow.assemblies.set(side, assembly);
    }
    const whole = assembly.add(fragment);
    if (whole !== undefined) this.#learn(fragment.type, whole, flow, from);
    const body = whole === undefined ? undefined : describeMessage(fragment.type, whole, flow.agreed);
    return {
      type: fragment.type,
      name: handshakeMessageName(fragment.type),
      length: fragment.length,
      message_seq: fragment.sequence,
      fragment_offset: fragment.offset,
      fragment_length: fragment.body.length,
      ...(body === undefined ? {} : { body }),
    };
  }

  #learn(type: number, body: Buffer, flow: Flow, from: string | undefined): void {
    try {
      if (type === HandshakeType.ClientHello) {
        flow.clientRandom = readClientHello(body).random;
        flow.client = from;
      } else if (type === HandshakeType.ServerHello) {
        const hello = readServerHello(body);
        const { suite, random } = hello;
        const version = chosenVersion(hello);
        flow.agreed = { version, suite: suiteName(suite) };
        const { clientRandom } = flow;
        if (clientRandom === undefined || isHelloRetryRequest(hello)) return;
        const secretOf = (label: string): Buffer | undefined => this.#secrets.get(secretName(label, clientRandom.toString('hex')));
        const master = secretOf('CLIENT_RANDOM');
        if (version === Version.Dtls13) {
          // A hello that is repeated makes no keys anew: those that there are know the numbers that have come.
          if (flow.keys13 === undefined || flow.serverRandom?.equals(random) !== true) flow.keys13 = RecordKeys13.derive(suite, secretOf);
          flow.serverRandom = random;
        } else if (master !== undefined) {
          flow.keys = RecordKeys.derive(suite, master, clientRandom, random);
        }
      }
    } catch (error) {
      if (!(error instanceof Malformed)) throw error; // it is shown as malformed where it is described
    }
  }
}

/** The messages that only a client sends; the side of others is asked of the addresses, or taken for the server's. */
const OF_CLIENTS: readonly number[] = [
  HandshakeType.ClientHello,
  HandshakeType.CertificateVerify,
  HandshakeType.ClientKeyExchange,
];
const isFromClient = (type: number): boolean => OF_CLIENTS.includes(type);
