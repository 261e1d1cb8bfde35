/**
 * Keeps a server's context up to date with files. They are read again and again, not watched by the system:
 * renames, symbolic links that are switched and file systems on a network all look alike then.
 */
import { promises, readFileSync } from 'node:fs';

import { late } from '../base/late';
import { DTLSError, usageError } from '../errors/errors';
import { fileError } from '../errors/file-error';
import { withoutObjectPrototype } from '../checks/no-inheritance';
import { CONTEXT_OPTIONS } from '../checks/option-names';
import { SecureContext } from './secure-context';
import { checkNames, checkObject, inRange, text } from '../checks/validate';
import type { SecureContextOptions } from './types';

const FILES = { certFile: 'cert', keyFile: 'key', caFile: 'ca', crlFile: 'crl', pfxFile: 'pfx' } as const;

type FileOption = keyof typeof FILES;
const FILE_OPTIONS = Object.keys(FILES) as FileOption[];

/** Files, and the other options of {@link createSecureContext}. */
export interface WatchSecureContextOptions extends Omit<
  SecureContextOptions,
  'cert' | 'key' | 'ca' | 'crl' | 'pfx'
> {
  /** PEM certificate chain, own certificate first. */
  certFile?: string | undefined;
  /** PEM private key. */
  keyFile?: string | undefined;
  /** PEM certificates of authorities. */
  caFile?: string | undefined;
  /** PEM revocation lists. */
  crlFile?: string | undefined;
  /** PKCS #12. */
  pfxFile?: string | undefined;
  /** Milliseconds between two looks at the files, 10 or more. Default 5000. */
  interval?: number | undefined;
}

/** What {@link DTLSServer.watchSecureContext} gives. */
export interface SecureContextWatch {
  /** Looks no more. The context stays. */
  close(): void;
}

interface Contents {
  readonly files: Readonly<Record<string, Buffer>>;
  readonly digest: string;
}

const OTHER_OPTIONS = CONTEXT_OPTIONS.filter(
  (name) => !(Object.values(FILES) as string[]).includes(name),
);

/** The server that a {@link FileWatch} works for. */
interface WatchOwner {
  /** In whose place the next one comes. */
  current(): SecureContext;
  /** Takes what is in the files now; or throws why that cannot be done, and keeps what it had. */
  use(context: SecureContext): void;
  /** What was new has been taken. */
  reloaded(context: SecureContext): void;
  /** What was new is of no use. */
  failed(error: DTLSError): void;
}

export class FileWatch implements SecureContextWatch {
  readonly #paths: ReadonlyMap<FileOption, string>;
  readonly #others: SecureContextOptions;
  readonly #interval: number;
  readonly #owner: WatchOwner;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #loaded = '';
  // What was there at the last look, and the last that was of no use.
  #seen = '';
  #refused = '';

  /** Loads the files, which its owner uses before it returns; or throws why that cannot be done. */
  constructor(given: WatchSecureContextOptions, owner: WatchOwner) {
    checkObject('options', given);
    const known = [...FILE_OPTIONS, 'interval', ...OTHER_OPTIONS];
    checkNames(given, known);
    const options = withoutObjectPrototype(given, known);
    const paths = new Map<FileOption, string>();
    for (const name of FILE_OPTIONS) {
      const path = text(name, options[name]);
      if (path !== undefined) paths.set(name, path);
    }
    this.#paths = paths;
    this.#interval = inRange('interval', options.interval, 5000, 10, 0x7fffffff);
    if (paths.size === 0) {
      throw usageError('ERR_INVALID_ARG_VALUE', 'there is no file to watch', "Pass 'certFile' and 'keyFile', or 'pfxFile'.");
    }
    const others: SecureContextOptions = options;
    this.#others = Object.fromEntries(
      OTHER_OPTIONS.filter((name) => others[name] !== undefined).map((name) => [name, others[name]]),
    );
    this.#owner = owner;
    let contents: Contents;
    try {
      contents = this.#digest([...paths].map(([name, path]) => [name, readFileSync(path)]));
    } catch (error) {
      throw fileError(error);
    }
    this.#load(contents);
    this.#arm();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      void this.#read().then((found) => {
        // Outside the promise: what a listener throws goes where Node sends such errors, and no watch ends with it.
        process.nextTick(() => {
          this.#arm();
          this.#judge(found);
        });
      });
    }, this.#interval);
    this.#timer.unref();
  }

  #digest(read: [FileOption, Buffer][]): Contents {
    const hash = late.crypto.createHash('sha256');
    for (const [name, content] of read) hash.update(`${name} ${String(content.length)} `).update(content);
    return {
      files: Object.fromEntries(read.map(([name, content]) => [FILES[name], content])),
      digest: hash.digest('hex'),
    };
  }

  #load({ files, digest }: Contents): SecureContext {
    const context = new SecureContext({ ...this.#others, ...files }, undefined, this.#owner.current());
    this.#owner.use(context);
    this.#loaded = digest;
    return context;
  }

  /** What is in the files, or why they cannot be read. */
  async #read(): Promise<Contents | DTLSError> {
    try {
      const read = [...this.#paths].map(
        async ([name, path]): Promise<[FileOption, Buffer]> => [name, await promises.readFile(path)],
      );
      return this.#digest(await Promise.all(read));
    } catch (error) {
      return fileError(error);
    }
  }

  /**
   * What is new must look the same twice before it counts: a file may be half written, or the certificate be
   * there and its key not yet.
   */
  #judge(found: Contents | DTLSError): void {
    if (this.#closed) return;
    const now = found instanceof DTLSError ? `${found.code} ${found.message}` : found.digest;
    const twice = now === this.#seen;
    this.#seen = now;
    if (now === this.#loaded) this.#refused = '';
    if (now === this.#loaded || now === this.#refused || !twice) return;
    this.#refused = now;
    const loaded = found instanceof DTLSError ? found : this.#tryToLoad(found);
    if (loaded instanceof DTLSError) {
      this.#owner.failed(loaded);
      return;
    }
    this.#refused = '';
    this.#owner.reloaded(loaded);
  }

  #tryToLoad(contents: Contents): SecureContext | DTLSError {
    try {
      return this.#load(contents);
    } catch (error) {
      if (error instanceof DTLSError) return error;
      throw error;
    }
  }
}
