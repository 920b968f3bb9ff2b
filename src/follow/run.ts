/** What a follower is sent at once: one message, or several small ones. */
import type { EntryBatch } from '../protocol/batch.js';
import type { Gap } from '../protocol/pull-message.js';

/** Entries `from` to `to` (excluded) of a batch of one of a follower's streams. */
export interface Run {
  /** The stream's place among those that the follower was given. */
  readonly index: number;
  readonly batch: EntryBatch;
  readonly from: number;
  readonly to: number;
  /** Others that keep up are sent the same. */
  readonly isShared: boolean;
  /** What was lost before them. */
  readonly gap: Gap | undefined;
}

/** Bytes of its payloads. */
export const runBytes = ({ batch, from, to }: Run): number => batch.start(to) - batch.start(from);

/** How many messages of at most `count` entries it makes. */
export const messagesOf = ({ from, to }: Run, count: number): number => Math.ceil((to - from) / count);
