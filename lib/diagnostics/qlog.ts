/**
 * A structured log of each session, in the container of qlog: JSON text sequences (RFC 7464), one file
 * for a session. The schema of its events is in docs/diagnostics.md.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

import type { DTLSSocket } from '../base/dtls-socket';
import type { Peer } from '../base/peer';
import {
  addressOf,
  plainEvent,
  subscribeToAll,
  type DiagnosticsChannelName,
  type SessionRole,
} from './channels';

const SCHEMA = 'urn:dgram-dtls:qlog:events:dtls-01';

const EVENT_NAMES: Readonly<Record<DiagnosticsChannelName, string>> = {
  'dgram-dtls.session.start': 'dtls:session_started',
  'dgram-dtls.session.move': 'dtls:session_moved',
  'dgram-dtls.handshake.message': 'dtls:handshake_message',
  'dgram-dtls.handshake.done': 'dtls:handshake_done',
  'dgram-dtls.handshake.failed': 'dtls:handshake_failed',
  'dgram-dtls.retransmission': 'dtls:retransmission',
  'dgram-dtls.alert': 'dtls:alert',
  'dgram-dtls.heartbeat': 'dtls:heartbeat',
  'dgram-dtls.key.limit': 'dtls:key_limit',
  'dgram-dtls.session.close': 'dtls:session_closed',
  'dgram-dtls.dropped': 'dtls:records_dropped',
};

/** RFC 7464: a record separator before each text, and a line feed after it. */
const record = (value: unknown): string => `\u001e${JSON.stringify(value)}\n`;

const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function snakeKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [snakeCase(key), snakeKeys(inner)]),
  );
}

/** One session's file. It is opened for each record: thousands of sessions may be logged at once. */
class QlogFile {
  readonly #path: string;
  #broken = false;

  constructor(path: string, role: SessionRole, peer: Peer) {
    this.#path = path;
    this.#append({
      file_schema: 'urn:ietf:params:qlog:file:sequential',
      serialization_format: 'application/qlog+json-seq',
      title: `dgram-dtls ${role}`,
      trace: {
        vantage_point: { type: role },
        event_schemas: [SCHEMA],
        common_fields: {
          protocol_types: ['UDP', 'DTLS'],
          group_id: addressOf(peer),
          time_format: 'relative_to_epoch',
          reference_time: { clock_type: 'system', epoch: '1970-01-01T00:00:00.000Z' },
        },
      },
    });
  }

  event(name: DiagnosticsChannelName, data: Record<string, unknown>): void {
    const time = performance.timeOrigin + performance.now();
    this.#append({ time, name: EVENT_NAMES[name], data: snakeKeys(data) });
  }

  #append(value: unknown): void {
    if (this.#broken) return;
    try {
      appendFileSync(this.#path, record(value), { mode: 0o600 });
    } catch (error) {
      // A full disk must not end the sessions that it was to describe.
      this.#broken = true;
      process.emitWarning(`qlog: ${this.#path} is incomplete: ${String(error)}`, 'DTLSWarning');
    }
  }
}

const files = new WeakMap<DTLSSocket, QlogFile>();
let count = 0;
let subscribed = false;

/** Begins the log of a session; to be called before its first event. */
export function logSession(
  socket: DTLSSocket,
  directory: string,
  role: SessionRole,
  peer: Peer,
): void {
  if (!subscribed) {
    subscribed = true;
    subscribeToAll((name, event) => {
      if (event.socket !== undefined) files.get(event.socket)?.event(name, plainEvent(event));
    });
  }
  count += 1;
  const started = new Date().toISOString().replace(/[:.]/g, '-');
  const name = `dtls-${started}-${String(process.pid)}-${String(count)}-${role}.sqlog`;
  files.set(socket, new QlogFile(join(directory, name), role, peer));
}
