/** Every message across a thread boundary. */
import type { MessagePort } from 'node:worker_threads';
import type { PackedBatch } from '../src/protocol/batch.js';
import type { FailureBody } from '../src/protocol/errors.js';
import type { PackedReply } from '../src/protocol/packed-reply.js';
import type { SharedSlots } from '../src/redis/cluster/slot-table.js';
import type { RangeRequest } from '../src/redis/range-reader.js';
import type { RedisTarget } from '../src/redis/target.js';
import type { DescribeResult } from './stream-describer.js';
import type { DecodedEntry, DescribeRequest, EntryForm } from './stream-description.js';

/** What a thread is started with. */
export interface ThreadData {
  readonly target: RedisTarget;
  /** Which shard has what, where the target is a cluster. */
  readonly cluster?: SharedSlots | undefined;
}

/** Read `key` from after the entry `after` on, from now on under that number. */
export interface FollowCommand {
  readonly type: 'follow';
  readonly key: string;
  readonly after: string;
  /** Entries ever added to the stream up to `after`; undefined where it is not known. */
  readonly added: number | undefined;
  /** A follower wants to know of losses. */
  readonly isCounted: boolean;
  readonly generation: number;
}

/** Main to reader. */
export type ReaderCommand =
  | FollowCommand
  | { readonly type: 'unfollow'; readonly key: string }
  /** From the next read on, whether a follower wants to know of losses. */
  | { readonly type: 'count'; readonly key: string; readonly isCounted: boolean }
  /** See soon whether the stream still reaches up to what was read of it; answered by `checked`. */
  | { readonly type: 'check'; readonly key: string }
  /** Main has taken in so many more bytes of entries: the reader may have as many more under way. */
  | { readonly type: 'consumed'; readonly bytes: number }
  /** Say that you are well; answered by `beat`. */
  | { readonly type: 'beat' }
  | { readonly type: 'stop' };

/** A stream that ends before what was read of it. */
export interface LostEnd {
  readonly key: string;
  readonly generation: number;
  /** Its last generated id; `0-0` where it is gone. */
  readonly last: string;
  /** Its newest entry, where the stream may be an older state of itself: Redis was away in between. */
  readonly newest: PackedBatch | undefined;
}

/** Reader to main. */
export type ReaderEvent =
  | {
      readonly type: 'entries';
      /** Each batch begins after the one before it of the same following. */
      readonly reply: PackedReply;
      /** For each batch it is known whether entries before it are missing. */
      readonly isCounted: boolean;
      readonly bytes: number;
    }
  /** The key cannot be read, and is not followed any more. */
  | {
      readonly type: 'evicted';
      readonly key: string;
      readonly generation: number;
      readonly failure: FailureBody;
    }
  /** Nothing more is read of the stream before it is followed anew. */
  | { readonly type: 'lost'; readonly end: LostEnd }
  | { readonly type: 'checked'; readonly key: string }
  | { readonly type: 'connected' }
  | { readonly type: 'disconnected'; readonly reason: string }
  /** Redis refuses to read, for a reason that is no single key's; it is asked again and again. */
  | { readonly type: 'refused'; readonly reason: string }
  | { readonly type: 'beat' /** Of the thread's own heap and buffers. */; readonly bytes: number };

/**
 * A thread of the pool to main, when it starts. Each message on the port asks for a beat, and is answered with the
 * bytes of the thread's own heap and buffers.
 */
export interface PoolGreeting {
  readonly threadId: number;
  readonly beats: MessagePort;
}

/** A task for the pool: read entries of some streams. */
export interface RangeTask extends RangeRequest {
  readonly type: 'range';
}

/** In the order of the task's streams; a stream without entries has an empty batch. */
export interface RangeResult {
  readonly batches: readonly PackedBatch[];
}

/**
 * A task for the pool, answered at once: serve a port with ranges of a stream, the first after `after`, which
 * whoever wishes for them has had.
 */
export interface RangesTask extends Pick<RangeRequest, 'until' | 'proof'> {
  readonly type: 'ranges';
  readonly port: MessagePort;
  readonly key: string;
  readonly after: string;
}

/** On that port, to the thread: read the range after the last one. */
export type RangeWish = Pick<RangeRequest, 'count' | 'maxBytes' | 'expectedBytes' | 'spare'>;

/** On that port, to main: what was wished for, in order; a failure is the last. */
export type RangeNews = { readonly batch: PackedBatch } | { readonly failure: FailureBody };

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
  readonly ranges: { readonly task: RangesTask; readonly answer: undefined };
  readonly describe: { readonly task: DescribeTask; readonly answer: DescribeResult };
  readonly decode: { readonly task: DecodeTask; readonly answer: DecodedEntry };
}

export type PoolTask = PoolTasks[keyof PoolTasks]['task'];

/** A failure cannot cross as an Error with its code, so a task answers with one or the other. */
export type PoolAnswer<T> = { readonly ok: T } | { readonly failure: FailureBody };
