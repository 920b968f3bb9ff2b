/** What waits while a stream goes from one shard of a cluster to another, or while nobody takes entries of it. */
import type { Receipt, Unanswered } from './batch.js';
import type { AppendBudget } from './budget.js';
import type { AppendStream } from './command.js';

/** About what an entry takes besides its payload. */
const FRAMING_BYTES = 128;
/** How long entries wait before they are sent again where nobody took them, at first and at most. */
const FIRST_WAIT_MS = 20;
const LAST_WAIT_MS = 250;
/** So many times in a row entries are sent on at once. */
const FREE_ROUNDS = 3;

export interface StreamTarget {
  readonly shard: number;
  /** The slot is still on its way there: each entry needs ASKING. */
  readonly asks: boolean;
}

export class StreamMove {
  readonly #stream: AppendStream;
  readonly #budget: AppendBudget;
  /** Entries that a server did not take, in order, then those that came since. */
  #entries: Unanswered[] = [];
  #redirected = 0;
  /** How many entries of the stream were stored when the first of these came back. */
  #storedThen = 0;
  #rounds = 0;
  readonly #begunAt = performance.now();
  /** Where the last redirect leads; undefined where the slot table says it. */
  target: StreamTarget | undefined;
  /** Set while the next attempt is waited for. */
  timer: NodeJS.Timeout | undefined;

  constructor(stream: AppendStream, budget: AppendBudget, target: StreamTarget | undefined) {
    this.#stream = stream;
    this.#budget = budget;
    this.target = target;
  }

  /** For how long entries have waited, in ms. */
  get waitedMs(): number {
    return performance.now() - this.#begunAt;
  }

  /** Whether it was tried so often that nobody seems to take entries. */
  get isHard(): boolean {
    return this.#rounds > FREE_ROUNDS;
  }

  /** Whether a server did not take entries that were sent in the last round. */
  get isRedirected(): boolean {
    return this.#redirected > 0;
  }

  /** How long to wait before the next round, in ms. */
  get pauseMs(): number {
    if (this.#rounds < FREE_ROUNDS && this.target !== undefined) return 0;
    return Math.min(FIRST_WAIT_MS * 2 ** Math.min(this.#rounds, 8), LAST_WAIT_MS);
  }

  static bytesOf(payload: Uint8Array): number {
    return payload.length + FRAMING_BYTES;
  }

  /** An entry that came since. */
  hold(id: string, payload: Uint8Array, receipt: Receipt, token: number): void {
    const bytes = StreamMove.bytesOf(payload);
    this.#budget.usedBytes += bytes;
    this.#entries.push({ stream: this.#stream, id, payload: Buffer.from(payload), receipt, token, bytes });
  }

  /** An entry that a server did not take, which is older than all that are held. */
  takeBack(entry: Unanswered): void {
    if (this.#redirected === 0) this.#storedThen = this.#stream.totalStored;
    // It leaves the group of those that wait for the replicas of that server.
    const { receipt, token } = entry.receipt.leave?.(entry.token) ?? entry;
    const bytes = StreamMove.bytesOf(entry.payload);
    this.#budget.usedBytes += bytes;
    this.#entries.splice(this.#redirected++, 0, { ...entry, receipt, token, bytes });
  }

  /**
   * Takes out entries that a server did not take although it took later ones, as where a cluster is well again in
   * between: sent now, they would be out of order.
   */
  takeOvertaken(): readonly Unanswered[] {
    if (this.#redirected === 0 || this.#stream.totalStored === this.#storedThen) return [];
    const overtaken = this.#entries.splice(0, this.#redirected);
    this.#redirected = 0;
    for (const { bytes } of overtaken) this.#budget.usedBytes -= bytes;
    return overtaken;
  }

  beginRound(): void {
    this.#rounds++;
  }

  /** All that waits, in order: from now on it does not. */
  takeAll(): readonly Unanswered[] {
    const entries = this.#entries;
    this.#entries = [];
    this.#redirected = 0;
    for (const { bytes } of entries) this.#budget.usedBytes -= bytes;
    return entries;
  }
}
