/**
 * Which streams a connection that tracks them reads next, in the order in which they changed.
 *
 * A notice is no proof of an entry: Redis sends one for an expiry that is set too, for a key of the same name in
 * another database, and for each key that its tracking table has no room for. A stream whose notices bring nothing
 * again and again is therefore read less and less often, until one of its reads brings entries.
 */
import { backOffMs } from '../src/protocol/back-off.js';

/** A writer may well set an expiry after each entry, so the first empty reads in a row cost no time. */
const FREE_EMPTY_READS = 2;
/** The least and the most time between further ones. */
const FIRST_WAIT_MS = 10;
const LAST_WAIT_MS = 500;

/** What a read brought of a stream: as many entries as it may, fewer, or none. */
export type Brought = 'full' | 'some' | 'none';

interface EmptyReads {
  inARow: number;
  lastAt: number;
}

export class ChangedStreams {
  /** Streams to read, the longest waiting first, and whether Redis told of a change. */
  readonly #ring = new Map<string, boolean>();
  /** Streams that are read later, and when. */
  readonly #delayed = new Map<string, number>();
  readonly #emptyReads = new Map<string, EmptyReads>();

  /** Streams that may be read now. */
  get size(): number {
    return this.#ring.size;
  }

  /** Some streams are read later: `release` is to be called now and then. */
  get hasDelayed(): boolean {
    return this.#delayed.size > 0;
  }

  /** The stream is to be read, whether it has changed or not. */
  add(key: string): void {
    this.#delayed.delete(key);
    if (!this.#ring.has(key)) this.#ring.set(key, false);
  }

  /** Redis told of a change. @param now in ms, of any clock that does not go back */
  noticed(key: string, now: number): void {
    const empty = this.#emptyReads.get(key);
    const waits = (empty?.inARow ?? 0) - FREE_EMPTY_READS;
    const due = waits > 0 ? empty!.lastAt + backOffMs(waits - 1, FIRST_WAIT_MS, LAST_WAIT_MS) : 0;
    if (this.#ring.has(key) || due <= now) this.#ring.set(key, true);
    else this.#delayed.set(key, due);
  }

  /** The stream could not be read: it is due again at `due`. */
  later(key: string, due: number): void {
    this.#ring.delete(key);
    this.#delayed.set(key, due);
  }

  /** Streams whose time has come may be read now. */
  release(now: number): void {
    for (const [key, due] of this.#delayed) {
      if (due > now) continue;
      this.#delayed.delete(key);
      this.#ring.set(key, true);
    }
  }

  /** The next streams to read, at most `most`, and of each whether Redis told of a change. They stay until `read`. */
  next(most: number): (readonly [key: string, isNoticed: boolean])[] {
    const next: (readonly [string, boolean])[] = [];
    for (const changed of this.#ring) {
      if (next.length >= most) break;
      next.push(changed);
    }
    return next;
  }

  /**
   * The stream was read. Notices that came before the reply are of changes that the read has seen.
   * @param wasNoticed what `next` said of it
   */
  read(key: string, brought: Brought, wasNoticed: boolean, now: number): void {
    this.#ring.delete(key);
    this.#delayed.delete(key);
    if (brought === 'none') {
      if (wasNoticed) this.#countEmpty(key, now);
      return;
    }
    this.#emptyReads.delete(key);
    // There may be more. Others have their turn first.
    if (brought === 'full') this.#ring.set(key, true);
  }

  /** The stream is not read any more. */
  delete(key: string): void {
    this.#ring.delete(key);
    this.#delayed.delete(key);
    this.#emptyReads.delete(key);
  }

  clear(): void {
    this.#ring.clear();
    this.#delayed.clear();
    this.#emptyReads.clear();
  }

  #countEmpty(key: string, now: number): void {
    const { inARow } = this.#emptyReads.get(key) ?? { inARow: 0 };
    this.#emptyReads.set(key, { inARow: inARow + 1, lastAt: now });
  }
}
