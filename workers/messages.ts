/** Every message across a thread boundary. */
import type { FailureBody } from '../src/errors.js';
import type { RedisTarget } from '../src/redis/target.js';
import type { PackedBatch } from '../src/wire/batch.js';

/** What a thread is started with. */
export interface ThreadData {
  readonly target: RedisTarget;
}

/** Main to reader. */
export type ReaderCommand =
  /** Read `key` from after the entry `after` on. */
  | { readonly type: 'follow'; readonly key: string; readonly after: string }
  | { readonly type: 'unfollow'; readonly key: string }
  /** Main has taken in so many bytes of entries: the reader may have as many more under way. */
  | { readonly type: 'consumed'; readonly bytes: number }
  | { readonly type: 'stop' };

/** Reader to main. */
export type ReaderEvent =
  | { readonly type: 'entries'; readonly batches: readonly PackedBatch[]; readonly bytes: number }
  /** The key cannot be read, and is not followed any more. */
  | { readonly type: 'evicted'; readonly key: string; readonly failure: FailureBody }
  | { readonly type: 'connected' }
  | { readonly type: 'disconnected'; readonly reason: string };

/** A task for the pool: read entries after each stream's cursor, where a stream's newest only with `latest`. */
export interface RangeTask {
  readonly type: 'range';
  readonly streams: readonly { readonly key: string; readonly after: string }[];
  /** At most so many entries a stream. */
  readonly count: number;
  readonly latest: boolean;
  /** Reading ends once so many bytes were read, though never before an entry. */
  readonly maxBytes: number;
  /** What an entry is expected to take, so that a first read is not far too large. */
  readonly expectedBytes: number;
  /** Whether to find out if entries after a cursor were trimmed away; it costs a script a stream. */
  readonly detectTrimming: boolean;
}

/** In the order of the task's streams; a stream without entries has an empty batch. */
export interface RangeResult {
  readonly batches: readonly PackedBatch[];
}

export type PoolTask = RangeTask;

/** A failure cannot cross as an Error with its code, so a task answers with one or the other. */
export type PoolAnswer<T> = { readonly ok: T } | { readonly failure: FailureBody };
