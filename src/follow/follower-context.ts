/** What followers are made from, and what they count. */

import type { Threads } from '../threads/threads.js';
import type { Hub } from './live/hub.js';
import type { StreamPayer } from './live/hub-stream.js';

/** Whether a follower keeps up; `follower.ts` says what each means. */
export type FollowerState = 'live' | 'catching_up' | 'behind';

/** What followers did, over all of them, for the metrics. */
export interface FollowerCounters {
  /** Those that there are. */
  readonly followers: Set<{ readonly state: FollowerState }>;
  entries: number;
  bytes: number;
  skipped: number;
  trimmed: number;
}

export const followerCounters = (): FollowerCounters => ({
  followers: new Set(),
  entries: 0,
  bytes: 0,
  skipped: 0,
  trimmed: 0,
});

export interface FollowerContext {
  readonly hub: Hub;
  readonly threads: Threads;
  readonly counters: FollowerCounters;
  /** Whose client the streams are counted for. */
  readonly payer?: StreamPayer | undefined;
}
