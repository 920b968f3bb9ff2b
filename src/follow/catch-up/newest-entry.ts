/** With `latest`: where the newest entry is that a follower may be sent now. */
import type { EntryBatch } from '../../protocol/batch.js';
import { compareEntryIds } from '../../protocol/entry-id.js';
import type { HubStream } from '../live/hub-stream.js';
import type { Backlog } from './backlog.js';

/** Only Redis can tell. */
export const ASK_REDIS = Symbol('ask Redis');

export interface Search {
  readonly hub: HubStream;
  readonly backlog: Backlog;
  /** Entries after this id are meant. */
  readonly cursor: string;
  /** And none after this one; undefined: all that there are. */
  readonly limit: string | undefined;
  /** Redis has been asked what it holds after the cursor, so that the hub has what follows that. */
  readonly wasAsked: boolean;
  /** The hub may not be relied on, since it may not have been told of all. */
  readonly isPastHub: boolean;
}

/** @returns the newest entry's batch and place in it; undefined where there is none, or none yet */
export function findNewest(search: Search): [EntryBatch, number] | typeof ASK_REDIS | undefined {
  const { hub, backlog, cursor, limit, wasAsked, isPastHub } = search;
  const batch = backlog.current();
  if (!isPastHub && (limit === undefined || compareEntryIds(hub.lastId, limit) <= 0)) {
    const isNew = compareEntryIds(hub.lastId, cursor) > 0;
    if (isNew && hub.newest !== undefined) return [hub.newest, hub.newest.length - 1];
    if (!isNew && batch === undefined && wasAsked) return undefined;
  }
  if (batch !== undefined) return newestOfBacklog(batch, backlog, limit);
  if (isPastHub || !wasAsked || limit === undefined) return ASK_REDIS;
  // The hub has all that follows the cursor, or it must be asked for.
  if (hub.locate(cursor) === undefined) return ASK_REDIS;
  const place = hub.newestUpTo(limit);
  const newest = place && hub.batch(place.number);
  if (newest === undefined || compareEntryIds(newest.ids[place!.index]!, cursor) <= 0) return undefined;
  return [newest, place!.index];
}

function newestOfBacklog(
  batch: EntryBatch,
  backlog: Backlog,
  limit: string | undefined,
): [EntryBatch, number] | typeof ASK_REDIS | undefined {
  if (backlog.isNewest || limit === undefined) return [batch, batch.length - 1];
  const end = batch.firstAfter(limit, backlog.entry);
  if (end === backlog.entry) return undefined;
  // Where it is all of it, there may be more.
  return end < batch.length ? [batch, end - 1] : ASK_REDIS;
}
