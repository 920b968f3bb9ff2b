/**
 * How a stream stands, by XINFO STREAM, and what that proves about a place in it.
 *
 * An entry id alone proves little: trimming leaves no trace of what it removed, and a stream that was deleted
 * and created again counts from zero. Three things prove that nothing between an entry and the next one read
 * is missing: the count of entries ever added; that entry itself, still there, with nothing deleted after it;
 * or, for a reader from the very beginning, that nothing was ever removed. Without a proof a loss is assumed.
 */
import { BEFORE_FIRST, compareEntryIds } from '../protocol/entry-id.js';
import { encodeCommand, type ReplyCursor } from './resp.js';

/** https://redis.io/docs/latest/commands/xinfo-stream/ */
export interface StreamState {
  readonly length: number;
  /** Entries ever added. */
  readonly added: number;
  /** The last generated id; `0-0` where there is no stream. */
  readonly lastId: string;
  /** The oldest entry's id; `0-0` where there is none. */
  readonly firstId: string;
  /** The largest id that XDEL has removed; trimming does not count. */
  readonly maxDeletedId: string;
}

const NO_STREAM: StreamState = {
  length: 0,
  added: 0,
  lastId: BEFORE_FIRST,
  firstId: BEFORE_FIRST,
  maxDeletedId: BEFORE_FIRST,
};

/** Whether there is no such stream. */
export const isNoStream = (state: StreamState): boolean => state === NO_STREAM;

/** The reply has the first and the last entry with their payloads. */
export function xinfoStream(key: string): Buffer {
  return encodeCommand(['XINFO', 'STREAM', key]);
}

/** @returns undefined where Redis refuses, as without the right to XINFO */
export function readStreamState(reply: ReplyCursor): StreamState | undefined {
  if (reply.isError) return reply.text().startsWith('ERR no such key') ? NO_STREAM : undefined;
  const state = { ...NO_STREAM };
  for (let fields = reply.array(); fields > 0; fields -= 2) {
    switch (reply.text()) {
      case 'length':
        state.length = reply.number();
        break;
      case 'entries-added':
        state.added = reply.number();
        break;
      case 'last-generated-id':
        state.lastId = reply.text();
        break;
      case 'recorded-first-entry-id':
        state.firstId = reply.text();
        break;
      case 'max-deleted-entry-id':
        state.maxDeletedId = reply.text();
        break;
      default:
        reply.skip();
    }
  }
  return state;
}

/**
 * Whether entries after `cursor` may be missing from a range read that begins there.
 * @param isThere the entry at the cursor was read along with the range
 * @param state of the stream at or after the read; undefined where it is not known
 */
export function mayMiss(cursor: string, isThere: boolean, state: StreamState | undefined): boolean {
  if (cursor === BEFORE_FIRST) return state !== undefined && state.added !== state.length;
  if (isThere) return state !== undefined && compareEntryIds(state.maxDeletedId, cursor) > 0;
  // As the newest of its stream it may be gone without a loss.
  return state?.lastId !== cursor;
}

/**
 * The id after which none was deleted out of the midst of what was read.
 * @param lastId the last entry that was read
 * @param state of the stream after the read: by then it may be another stream, which shows nothing of that one
 */
export function deletedUpTo(lastId: string, state: StreamState): string {
  const isSame =
    compareEntryIds(state.lastId, lastId) >= 0 &&
    state.firstId !== BEFORE_FIRST &&
    compareEntryIds(state.firstId, lastId) <= 0;
  return isSame ? state.maxDeletedId : lastId;
}

/** A read that went on from a place in a stream. */
export interface ReadStep {
  /** The place: the last entry read before. */
  readonly after: string;
  /** Entries ever added up to there; undefined where it is not known. */
  readonly added: number | undefined;
  /** Entries that were read. */
  readonly entries: number;
  /** The last of them. */
  readonly lastId: string;
}

/**
 * Whether entries between the place and the last entry read may be missing.
 * @param state of the stream after the read
 */
export function mayHaveMissed({ after, added, entries, lastId }: ReadStep, state: StreamState): boolean {
  const expected = added === undefined ? undefined : added + entries;
  // While nothing newer is there the count is exact.
  if (expected !== undefined && state.lastId === lastId) return state.added !== expected;
  // It is another stream.
  if (compareEntryIds(state.lastId, lastId) < 0) return true;
  if (expected !== undefined && state.added < expected) return true;
  if (after === BEFORE_FIRST) return state.added !== state.length;
  if (state.firstId === BEFORE_FIRST || compareEntryIds(state.firstId, after) > 0) return true;
  return compareEntryIds(state.maxDeletedId, after) > 0;
}
