/** Those who begin handshakes only to look, as a scan does, by the dozen: one line for the first, and one for all the others. */

/** A host that has not looked for so long has looked enough. */
const QUIET_MS = 2000;
/** So many hosts are remembered at once; what others do is told as of anybody. */
const MOST_HOSTS = 64;

interface Looks {
  left: number;
  readonly refused: Map<string, number>;
  readonly timer: NodeJS.Timeout;
}

export class Onlookers {
  readonly #byHost = new Map<string, Looks>();
  readonly #quiet: boolean;
  readonly #tell: (text: string) => void;

  /** `quiet`: nothing is told of those who only left. */
  constructor(quiet: boolean, tell: (text: string) => void) {
    this.#quiet = quiet;
    this.#tell = tell;
  }

  /**
   * A handshake with `host` has failed; `left` when the client ended it. False: somebody should hear of it. Of a host that
   * has left before, a refusal is the end of a row of questions, and is counted by its code.
   */
  takes(host: string, code: string, left: boolean): boolean {
    const looks = this.#byHost.get(host);
    if (looks === undefined) {
      if (left && this.#byHost.size < MOST_HOSTS) this.#remember(host);
      return false;
    }
    if (left) looks.left += 1;
    else looks.refused.set(code, (looks.refused.get(code) ?? 0) + 1);
    looks.timer.refresh();
    return true;
  }

  /** Says what is left to say. */
  end(): void {
    for (const host of [...this.#byHost.keys()]) this.#sum(host);
  }

  #remember(host: string): void {
    const timer = setTimeout(() => {
      this.#sum(host);
    }, QUIET_MS);
    timer.unref();
    this.#byHost.set(host, { left: 0, refused: new Map(), timer });
  }

  #sum(host: string): void {
    const looks = this.#byHost.get(host);
    if (looks === undefined) return;
    this.#byHost.delete(host);
    clearTimeout(looks.timer);
    const refused = [...looks.refused].map(([code, times]) => `${String(times)} failed [${code}]`);
    const parts = [...(looks.left === 0 || this.#quiet ? [] : [`${String(looks.left)} more left in their handshakes`]), ...refused];
    if (parts.length > 0) this.#tell(`${host}: ${parts.join(', ')}`);
  }
}
