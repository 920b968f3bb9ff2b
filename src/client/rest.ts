/** Writes and reads entries by plain HTTP: one request, one answer. */
import { buildDataAddress, type Place } from './address.js';
import { decodeEntries, type Entry, nameMoment } from './entry.js';
import { type EntryRange, joinIds } from './entry-range.js';
import { type Gap, readGap } from './gap.js';
import { errorFromNetwork, GatewayError } from './gateway-error.js';
import { fetchAnswer, tokenHeaders } from './http.js';

export interface ReadOptions extends EntryRange {
  /** At most this many entries a stream. The gateway's default: 1. */
  readonly count?: number | undefined;
  /** Milliseconds to wait for data; -1 not at all. The gateway's default: 500. */
  readonly block?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ReadResult {
  readonly entries: readonly Entry[];
  /** `lastEntryId` for the next read: who goes on from it misses nothing and sees nothing twice. */
  readonly cursor: string;
  /** What was lost to trimming or deletion, told where the gateway can know. */
  readonly gaps: readonly Gap[];
}

/** The cursor for the next request; ids of several streams are joined by `+`. */
const CURSOR_HEADER = 'x-last-entry-id';
const GAP_HEADER = 'x-gap';
const PINNED_AT_ONCE = 64;

/** @throws GatewayError, the signal's reason */
export async function readEntries(
  place: Place,
  sids: readonly string[],
  { lastEntryId, from, until, latest, count, block, signal }: ReadOptions,
): Promise<ReadResult> {
  const address = buildDataAddress(place, sids, {
    last_entry_id: joinIds(lastEntryId),
    from: nameMoment(from),
    until: nameMoment(until),
    latest,
    count,
    block,
    gaps: true,
  });
  const answer = await fetchAnswer(address, {
    headers: { accept: 'application/msgpack', ...tokenHeaders(place.token) },
    signal: signal ?? null,
  });
  const cursor = answer.headers.get(CURSOR_HEADER);
  if (cursor === null) {
    throw new GatewayError('bad_answer', `${address.origin} answered without ${CURSOR_HEADER}`);
  }
  const body = new Uint8Array(await readBody(answer, address, signal));
  return { entries: decodeEntries(body), cursor, gaps: parseGaps(answer.headers.get(GAP_HEADER)) };
}

/**
 * The ids that a cursor with `$` stands for now, joined by `+`, in the streams' order.
 * @param lastEntryId one for all streams, or one for each joined by `+`
 * @throws GatewayError, the signal's reason
 */
export async function pinCursor(
  place: Place,
  sids: readonly string[],
  lastEntryId: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const given = lastEntryId.split('+');
  const pinned: string[] = [];
  // The head of one answer has room for the cursors of so many streams.
  for (let from = 0; from < sids.length; from += PINNED_AT_ONCE) {
    const to = from + PINNED_AT_ONCE;
    const cursors = given.length === 1 ? given : given.slice(from, to);
    const options = { lastEntryId: cursors.join('+'), block: -1, signal };
    pinned.push((await readEntries(place, sids.slice(from, to), options)).cursor);
  }
  return pinned.join('+');
}

async function readBody(
  answer: Response,
  address: URL,
  signal: AbortSignal | undefined,
): Promise<ArrayBuffer> {
  try {
    return await answer.arrayBuffer();
  } catch (error) {
    signal?.throwIfAborted();
    throw errorFromNetwork(error, address);
  }
}

function parseGaps(header: string | null): Gap[] {
  if (header === null) return [];
  try {
    const gaps: unknown = JSON.parse(header);
    return (Array.isArray(gaps) ? gaps : []).map(readGap).filter((gap) => gap !== undefined);
  } catch {
    return [];
  }
}

/** What can be appended; text goes as UTF-8. */
export type Payload = Uint8Array<ArrayBuffer> | string;

export interface AppendOptions {
  /** Acknowledge it only once so many replicas of Redis have it, too. */
  readonly minReplicas?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Stores one entry, in one request.
 * @returns its id, once it is stored
 * @throws GatewayError, the signal's reason
 */
export async function postEntry(
  place: Place,
  sid: string,
  payload: Payload,
  { minReplicas, signal }: AppendOptions,
): Promise<string> {
  const address = buildDataAddress(place, [sid], { min_replicas: minReplicas });
  const answer = await fetchAnswer(address, {
    method: 'POST',
    // Any type but a form's means that the body is the entry.
    headers: { 'content-type': 'application/octet-stream', ...tokenHeaders(place.token) },
    body: payload,
    signal: signal ?? null,
  });
  const ids: unknown = await answer.json().catch(() => undefined);
  const [id] = Array.isArray(ids) ? (ids as unknown[]) : [];
  if (typeof id !== 'string') {
    throw new GatewayError('bad_answer', `${address.origin} did not answer with the entry's id`);
  }
  return id;
}
