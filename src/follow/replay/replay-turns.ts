/**
 * Whose turn it is in a replay: of a follower's streams the one whose next entry is the oldest, once that is
 * due by the clock that all of them share.
 *
 * No entry is sent while it is not known of each stream what comes next, since that may be older. What the pool
 * has read of a stream is held until it is due, where that is soon and not much; else it is let go and read
 * again in time. Once the clock has caught up with the present the streams are followed as any others are.
 */
import { compareEntryIds } from '../../protocol/entry-id.js';
import type { FollowedStream } from '../followed-stream.js';
import type { Run } from '../run.js';
import { Turns } from '../turns.js';
import type { ReplayClock } from './clock.js';

/** What a replay's streams may hold together while nothing of it is due. */
const MAX_HELD_BYTES = 16 * 1024 * 1024;
/** What is not due for so long is let go. */
const MAX_HELD_MS = 1000;
/** The longest time that a timer takes. */
const MAX_TIMER_MS = 0x7fff_ffff;

/** What each of so many streams may hold while nothing of it is due. */
export const replayShare = (streams: number) => Math.floor(MAX_HELD_BYTES / streams);

export class ReplayTurns {
  readonly #clock: ReplayClock;
  readonly #share: number;
  readonly #wake: () => void;
  /** Streams that have to be asked what comes next. */
  readonly #added = new Set<FollowedStream>();
  /** Streams of which it is being read what comes next. */
  readonly #unknown = new Set<FollowedStream>();
  /** The others that have anything, by their next entries, the oldest last. */
  readonly #waiting: { readonly stream: FollowedStream; readonly id: string }[] = [];
  readonly #ids = new Map<FollowedStream, string>();
  #timer: NodeJS.Timeout | undefined;
  /** All streams, and who has the next turn once the replay has caught up. */
  readonly #streams = new Set<FollowedStream>();
  #live: Turns | undefined;

  /** @param share what a stream may hold @param wake called when an entry has become due */
  constructor(clock: ReplayClock, share: number, wake: () => void) {
    this.#clock = clock;
    this.#share = share;
    this.#wake = wake;
  }

  add(stream: FollowedStream): void {
    if (this.#live === undefined) this.#added.add(stream);
    else this.#live.add(stream);
  }

  /** The next message, of at most `count` entries up to `limit`; undefined where none is due. */
  next(count: number, limit?: string): Run | undefined {
    if (this.#live !== undefined) return this.#live.next(count, limit);
    for (;;) {
      this.#askAdded();
      if (this.#clock.hasCaughtUp) return this.#goLive().next(count, limit);
      const first = this.#waiting.at(-1);
      if (first === undefined || this.#unknown.size > 0) return undefined;
      if (!this.#clock.isStarted) this.#start(first.id);
      const { reached } = this.#clock;
      if (compareEntryIds(first.id, reached) > 0) {
        this.#wakeWhenDue(first.id);
        return undefined;
      }
      this.#waiting.pop();
      this.#ids.delete(first.stream);
      // What comes after this, or where it has to be read anew whether it is read.
      this.#added.add(first.stream);
      const isSooner = limit === undefined || compareEntryIds(reached, limit) < 0;
      const run = first.stream.next(count, isSooner ? reached : limit);
      if (run !== undefined) return run;
      if (first.stream.isPending) {
        this.#added.delete(first.stream);
        this.#unknown.add(first.stream);
      }
    }
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #askAdded(): void {
    // One may be given leave to read while another is asked, and is added then.
    for (const stream of this.#added) {
      this.#added.delete(stream);
      this.#streams.add(stream);
      const id = stream.peek();
      if (id === undefined && stream.isPending) this.#unknown.add(stream);
      else this.#unknown.delete(stream);
      this.#place(stream, id);
    }
  }

  #place(stream: FollowedStream, id: string | undefined): void {
    const known = this.#ids.get(stream);
    if (known === id) return;
    if (known !== undefined) {
      const at = this.#waiting.findIndex((waiting) => waiting.stream === stream);
      this.#waiting.splice(at, 1);
      this.#ids.delete(stream);
    }
    if (id === undefined) return;
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareEntryIds(this.#waiting[middle]!.id, id) > 0) low = middle + 1;
      else high = middle;
    }
    this.#waiting.splice(low, 0, { stream, id });
    this.#ids.set(stream, id);
    this.#letGoUntilDue(stream, id);
  }

  /** Lets go of what a stream holds, if that is much or not due soon. */
  #letGoUntilDue(stream: FollowedStream, id: string): void {
    const dueMs = this.#clock.isStarted ? this.#clock.dueIn(id) : MAX_HELD_MS;
    if (dueMs > MAX_HELD_MS || (dueMs > 0 && stream.heldBytes > this.#share)) stream.letGo();
  }

  #start(id: string): void {
    this.#clock.start(id);
    for (const waiting of this.#waiting) this.#letGoUntilDue(waiting.stream, waiting.id);
  }

  #wakeWhenDue(id: string): void {
    clearTimeout(this.#timer);
    const ms = Math.min(Math.max(Math.ceil(this.#clock.dueIn(id)), 1), MAX_TIMER_MS);
    this.#timer = setTimeout(this.#wake, ms);
  }

  #goLive(): Turns {
    clearTimeout(this.#timer);
    const live = new Turns();
    this.#live = live;
    for (const stream of this.#streams) {
      stream.endReplay();
      live.add(stream);
    }
    this.#waiting.length = 0;
    this.#ids.clear();
    this.#unknown.clear();
    return live;
  }
}
