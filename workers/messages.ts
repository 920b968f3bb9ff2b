/** Every message across a thread boundary. */
import type { FailureBody } from '../src/errors.js';
import type { RangeRequest } from '../src/redis/range-reader.js';
import type {
  DecodedEntry,
  DescribeRequest,
  DescribeResult,
  EntryForm,
} from '../src/redis/stream-describer.js';
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

/** A task for the pool: read entries of some streams. */
export interface RangeTask extends RangeRequest {
  readonly type: 'range';
}

/** In the order of the task's streams; a stream without entries has an empty batch. */
export interface RangeResult {
  readonly batches: readonly PackedBatch[];
}

/** A task for the pool: what XINFO STREAM and the metadata say of some streams. */
export interface DescribeTask extends DescribeRequest {
  readonly type: 'describe';
}

/** A task for the pool: a large payload, transferred, in the forms that GraphQL asks for. */
export interface DecodeTask {
  readonly type: 'decode';
  readonly payload: Uint8Array;
  readonly forms: readonly EntryForm[];
}

/** Each kind of task and what it is answered. */
export interface PoolTasks {
  readonly range: { readonly task: RangeTask; readonly answer: RangeResult };
  readonly describe: { readonly task: DescribeTask; readonly answer: DescribeResult };
  readonly decode: { readonly task: DecodeTask; readonly answer: DecodedEntry };
}

export type PoolTask = PoolTasks[keyof PoolTasks]['task'];

/** A failure cannot cross as an Error with its code, so a task answers with one or the other. */
export type PoolAnswer<T> = { readonly ok: T } | { readonly failure: FailureBody };
