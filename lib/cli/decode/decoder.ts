/** Datagrams of a capture, decoded one after the other with what the ones before have shown. */
import { ContentType, HandshakeType } from '../../base/protocol';
import { handshakeMessageName } from '../../errors/names';
import type { Datagram } from './capture';
import { readClientHello, readServerHello, type Fields } from './hello';
import { describeContent, describeMessage, type Agreed } from './messages';
import { contentTypeName, versionName } from './names';
import { Malformed } from './reader';
import { Assembly, readFragments, readRecords, type Fragment, type DtlsRecord } from './records';
import { RecordKeys } from './secrets';
import { suiteName } from './suites';

/** What is known of the two ends of one flow. */
interface Flow {
  client?: string | undefined;
  clientRandom?: Buffer;
  agreed?: Agreed;
  keys?: RecordKeys | undefined;
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
    const { records, malformed } = readRecords(datagram.data);
    if (records.length === 0) return undefined;
    const { frame, at, from, to, data } = datagram;
    const flow = this.#flow(from ?? '', to ?? '');
    return {
      frame,
      ...(at === undefined ? {} : { at }),
      ...(from === undefined ? {} : { from, to }),
      length: data.length,
      records: records.map((record) => this.#record(record, flow, from)),
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
    if (record.type !== ContentType.Handshake) return { ...header, ...decrypted, ...describeContent(record.type, content) };
    try {
      const messages = readFragments(content).map((fragment) => this.#fragment(fragment, flow, from));
      return { ...header, ...decrypted, handshake: messages };
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      return { ...header, ...decrypted, malformed: error.message };
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
        const { version, suite, random } = readServerHello(body);
        flow.agreed = { version, suite: suiteName(suite) };
        const { clientRandom } = flow;
        const master = clientRandom === undefined ? undefined : this.#secrets.get(clientRandom.toString('hex'));
        if (clientRandom !== undefined && master !== undefined) {
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
