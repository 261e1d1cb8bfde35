/** What commands print: for people (tables, colours on a terminal) or for programs (JSON). */
import { isatty } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';

import pc = require('picocolors');
import ProgressBar = require('progress');
import table = require('text-table');

import { printable, printableJson } from '../errors/printable';
import { inFlags } from './words';

/** A command that takes longer than this shows a progress bar. */
const PATIENCE_MS = 2000;

export type Colors = ReturnType<typeof pc.createColors>;

export interface Progress {
  advance(by?: number): void;
  /** There is more or less to do than was thought. */
  expect(total: number): void;
  done(): void;
}

/** A peer's message as one line. Many end with a line feed of their own, which says nothing. */
export const printableLine = (message: Uint8Array): string => printable(message.toString().replace(/\r?\n$/, ''));

export class Output {
  readonly json: boolean;
  /** Standard output and standard error have colours each by itself: either may be a terminal or not. */
  readonly colors: Colors;
  readonly errorColors: Colors;

  constructor(json: boolean) {
    this.json = json;
    this.colors = pc.createColors(!json && wantsColor(process.stdout));
    this.errorColors = pc.createColors(!json && wantsColor(process.stderr));
  }

  /** A line for people. */
  line(text = ''): void {
    if (!this.json) process.stdout.write(`${text}\n`);
  }

  /** A line for people that is no part of the result. */
  note(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`);
  }

  /** One JSON text on a line: a result, or one event of several. */
  data(value: unknown): void {
    if (this.json) process.stdout.write(`${printableJson(value)}\n`);
  }

  table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
    if (!this.json) process.stdout.write(`${renderTable(head, rows, this.colors)}\n`);
  }

  /** Shows how far the work is, beside the result, on standard error; only on a terminal, and only when it takes long. */
  progress(total: number, what: string): Progress {
    if (this.json || !process.stderr.isTTY) return { advance: () => undefined, expect: () => undefined, done: () => undefined };
    let value = 0;
    let most = total;
    let bar: ProgressBar | undefined;
    const timer = setTimeout(() => {
      bar = new ProgressBar(`${what} :bar :percent :current/:total`, {
        stream: process.stderr,
        total: most,
        width: 40,
        clear: true,
      });
      bar.tick(value);
    }, PATIENCE_MS);
    timer.unref();
    return {
      advance: (by = 1) => {
        value += by;
        bar?.tick(by);
      },
      expect: (changed) => {
        most = changed;
        if (bar === undefined) return;
        bar.total = most;
        bar.render();
      },
      done: () => {
        clearTimeout(timer);
        bar?.terminate();
      },
    };
  }

  /** What went wrong, with its hint. */
  failure(error: unknown): void {
    if (this.json) {
      this.data({ error: describeError(error) });
      return;
    }
    const { red, dim } = this.errorColors;
    const { code, message, hint } = describeError(error);
    process.stderr.write(`${red('error:')} ${printable(message)}${code === undefined ? '' : dim(` [${code}]`)}\n`);
    if (hint !== undefined) process.stderr.write(`${dim('hint:')}  ${hint.split('\n').map(printable).join('\n')}\n`);
  }
}

function wantsColor(stream: NodeJS.WriteStream): boolean {
  // https://no-color.org and https://force-color.org: any value that is not empty.
  if ((process.env.NO_COLOR ?? '') !== '') return false;
  if ((process.env.FORCE_COLOR ?? '') !== '') return true;
  // `isTTY` is undefined on a pipe, which would leave it to picocolors to guess.
  return isatty(stream === process.stdout ? 1 : 2) && process.env.TERM !== 'dumb';
}

function renderTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  colors: Colors,
): string {
  const align = head.map((_, column) =>
    rows.length > 0 && rows.every((row) => typeof row[column] === 'number') ? 'r' : 'l',
  );
  const lines = rows.map((row) => row.map(String));
  return table(head.some((name) => name !== '') ? [head.map((name) => colors.bold(name)), ...lines] : lines, {
    align,
    // Colours take no room.
    stringLength: (text) => stripVTControlCharacters(text).length,
  });
}

export interface ErrorDescription {
  readonly code?: string;
  readonly category?: string;
  readonly message: string;
  readonly hint?: string;
}

/** Where a hint of the library's speaks of its options, the command line has other words. */
const HINTS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "The peer's certificate is self-signed, and none of those that --ca names, where one of the same name is not enough: pass this very one with --ca when it is the one you expect. That of 'listen' without --cert is in no file: for trying things out a client takes any certificate with --insecure.",
  ERR_DTLS_HEARTBEAT_NOT_NEGOTIATED:
    "The server has no heartbeats: 'heartbeat: true' of createServer(), or --heartbeat of 'listen' and 'proxy', has it agree to them (RFC 6520). Sessions of DTLS 1.3 have none: leave --max-version out.",
  ERR_DTLS_ALERT_UNKNOWN_PSK_IDENTITY:
    "The server has no key for the identity that was sent: check --psk-identity, without which it is 'Client_identity', and that the server has it.",
  EADDRINUSE: 'Another program has this port: choose another one, or stop that program.',
};

/** An error is described by what it has, not by its class: a DTLSError comes with the addon, which is not there for every command. */
export function describeError(error: unknown): ErrorDescription {
  if (!(error instanceof Error)) return { message: String(error) };
  const named = (name: 'code' | 'category' | 'hint'): object => {
    const value = (error as Error & Partial<Record<typeof name, unknown>>)[name];
    return typeof value === 'string' ? { [name]: value } : {};
  };
  const described: ErrorDescription = { ...named('code'), ...named('category'), message: error.message, ...named('hint') };
  const hint = HINTS[described.code ?? ''] ?? described.hint;
  return { ...described, message: inFlags(described.message), ...(hint === undefined ? {} : { hint: inFlags(hint) }) };
}
