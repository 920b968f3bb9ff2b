/** What a reader thread does with the streams of main, at one server or at the shards of a cluster. */
import type { FollowCommand, ReaderEvent } from './messages.js';

export type Post = (event: ReaderEvent, transfer?: ArrayBuffer[]) => void;

export interface ThreadReader {
  start(): void;
  follow(command: FollowCommand): void;
  unfollow(key: string): void;
  /** From the next read on, whether a follower wants to know of losses. */
  count(key: string, isCounted: boolean): void;
  /** Sees soon whether the stream still reaches up to what was read of it. */
  check(key: string): void;
  /** Reads on, where main has taken in what was under way. */
  readOn(): void;
  close(): void;
}
