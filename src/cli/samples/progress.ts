/**
 * How a push or pull is going: lines about entries on standard output, a live line on standard error,
 * which a terminal rewrites in place and a file gets once a second, and a summary at the end.
 *
 * Owns its timer from the constructor to `finish`.
 */
import { once } from 'node:events';
import type { CommandSession } from '../command-session.js';
import { formatBytes, formatLag } from '../preview.js';

/** What is needed of standard output and standard error. */
export interface Output {
  write(text: string): boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

interface Outputs {
  readonly out: Output;
  readonly err: Output;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const TICK_MS = 1000;
const CLEAR_LINE = '\r\x1b[K';

/** Entries, bytes and lag between two moments. */
class Tally {
  entries = 0;
  bytes = 0;
  lagged = 0;
  lagSum = 0;
  lagMax = Number.NEGATIVE_INFINITY;

  add(bytes: number, lagMs: number | undefined): void {
    this.entries += 1;
    this.bytes += bytes;
    if (lagMs === undefined) return;
    this.lagged += 1;
    this.lagSum += lagMs;
    this.lagMax = Math.max(this.lagMax, lagMs);
  }

  speed(seconds: number): string {
    const perSecond = Math.max(seconds, 0.001);
    return `${(this.entries / perSecond).toFixed(1)}/s, ${(this.bytes / perSecond / 1e6).toFixed(2)} MB/s`;
  }
}

export class Progress {
  readonly #verb: string;
  readonly #outputs: Outputs;
  readonly #began: number;
  readonly #total = new Tally();
  #recent = new Tally();
  #recentBegan: number;
  #line = '';
  readonly #timer: NodeJS.Timeout;

  /** @param verb what happens to entries, such as `pushed` */
  constructor(verb: string, outputs: Outputs = { out: process.stdout, err: process.stderr, now: Date.now }) {
    this.#verb = verb;
    this.#outputs = outputs;
    this.#began = outputs.now();
    this.#recentBegan = this.#began;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /**
   * Shows progress for as long as `work` goes on, and its summary at the end: also where it fails, once
   * there is something to sum up, but not where nobody reads.
   */
  static async over(
    verb: string,
    session: CommandSession,
    work: (progress: Progress) => Promise<void>,
  ): Promise<void> {
    const progress = new Progress(verb);
    let done = false;
    try {
      await work(progress);
      done = true;
    } finally {
      if ((done || progress.entries > 0) && !session.isMuted) progress.finish();
      else progress.abandon();
    }
  }

  get entries(): number {
    return this.#total.entries;
  }

  /**
   * Counts an entry of so many bytes.
   * @param id the entry's own id where it is known; its lag is the time since then by this machine's clock
   */
  count(bytes: number, id?: string): void {
    const lag = id === undefined ? undefined : this.#outputs.now() - Number.parseInt(id, 10);
    this.#total.add(bytes, lag);
    this.#recent.add(bytes, lag);
  }

  /** Writes a line to standard output; resolves when it takes more, or the signal fires. */
  async say(line: string, signal: AbortSignal): Promise<void> {
    const { out, err } = this.#outputs;
    // Both may be the same terminal: the live line makes room and comes back below.
    const shared = out.isTTY && err.isTTY && this.#line !== '';
    if (shared) err.write(CLEAR_LINE);
    const taken = out.write(`${line}\n`);
    if (shared) err.write(this.#line);
    if (!taken && out === process.stdout) await once(process.stdout, 'drain', { signal }).catch(() => {});
  }

  /** Stops the live line and writes the summary to standard error. */
  finish(): void {
    clearInterval(this.#timer);
    const { err, now } = this.#outputs;
    const total = this.#total;
    const seconds = (now() - this.#began) / 1000;
    const { entries, bytes } = total;
    let summary = `${this.#verb} ${entries} ${entries === 1 ? 'entry' : 'entries'}, ${formatBytes(bytes)}`;
    summary += ` in ${seconds.toFixed(1)} s: ${total.speed(seconds)}`;
    if (total.lagged > 0) {
      summary += `, lag mean ${formatLag(total.lagSum / total.lagged)}, max ${formatLag(total.lagMax)}`;
    }
    err.write(`${err.isTTY ? CLEAR_LINE : ''}${summary}\n`);
  }

  /** Stops without a word. */
  abandon(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { err, now } = this.#outputs;
    const at = now();
    const recent = this.#recent;
    let line = `${this.#verb} ${this.#total.entries}  ${recent.speed((at - this.#recentBegan) / 1000)}`;
    if (recent.lagged > 0) line += `  lag ${formatLag(recent.lagSum / recent.lagged)}`;
    this.#recent = new Tally();
    this.#recentBegan = at;
    if (!err.isTTY) {
      err.write(`${line}\n`);
      return;
    }
    // A line that wraps could not be rewritten in place. Some terminals say 0 for a width they do not know.
    this.#line = line.slice(0, Math.max(1, (err.columns || 80) - 1));
    err.write(CLEAR_LINE + this.#line);
  }
}
