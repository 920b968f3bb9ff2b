/** Writes and reads entries by plain HTTP, for where WebSockets are not at hand. */
import {
  buildRestAddress,
  nameReadParameters,
  type ReadOptions,
  type Target,
  tokenHeaders,
} from './address.js';
import { type Entry, splitBatch } from './entry.js';
import { errorFromAnswer, errorFromNetwork, GatewayError } from './gateway-error.js';

/** The cursor for the next request; ids of several streams are joined by `+`. */
const CURSOR_HEADER = 'x-last-entry-id';
const OFFSETS_HEADER = 'x-offsets';
const ENTRY_PART = 'entries';

export interface RestOptions extends Target {
  readonly signal?: AbortSignal | undefined;
}

export interface NewEntry {
  readonly data: Uint8Array<ArrayBuffer>;
  /** Where the target is `*`: the entry's stream. */
  readonly sid?: string | undefined;
}

export interface Batch {
  readonly entries: readonly Entry[];
  /** The cursor for the next request: a concrete id, never `$`. */
  readonly lastEntryId: string;
}

/**
 * An HTTP request, answered with 2xx.
 * @throws GatewayError the gateway's own sentence otherwise, `unreachable` where nothing answers
 * @throws the signal's reason where it fires
 */
export async function fetchAnswer(address: URL, request: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(address, request);
  } catch (error) {
    request.signal?.throwIfAborted();
    throw errorFromNetwork(error, address);
  }
  if (!answer.ok) throw errorFromAnswer(answer.status, await answer.text());
  return answer;
}

/**
 * Stores entries in one request, as multipart parts `entries` in the order given.
 * @returns their ids, in the same order
 * @throws GatewayError, the signal's reason
 */
export async function postEntries(options: RestOptions, entries: readonly NewEntry[]): Promise<string[]> {
  const form = new FormData();
  for (const { data, sid } of entries) {
    form.append(ENTRY_PART, new Blob([data]), sid ?? options.sids[0]);
  }
  const address = buildRestAddress(options);
  const answer = await fetchAnswer(address, {
    method: 'POST',
    headers: tokenHeaders(options.token),
    body: form,
    signal: options.signal ?? null,
  });
  const ids: unknown = await answer.json().catch(() => undefined);
  if (!Array.isArray(ids) || !ids.every((id) => typeof id === 'string')) {
    throw new GatewayError('bad_answer', `${address.origin} did not answer with the ids of the entries`);
  }
  return ids;
}

/**
 * One read: waits for data up to `block` ms, and may come back empty.
 * @throws GatewayError, the signal's reason
 */
export async function getEntries(options: RestOptions & ReadOptions): Promise<Batch> {
  const address = buildRestAddress(options, nameReadParameters(options));
  const answer = await fetchAnswer(address, {
    headers: tokenHeaders(options.token),
    signal: options.signal ?? null,
  });
  const lastEntryId = answer.headers.get(CURSOR_HEADER);
  const offsets = answer.headers.get(OFFSETS_HEADER);
  if (lastEntryId === null || offsets === null) {
    throw new GatewayError(
      'bad_answer',
      `${address.origin} answered without ${CURSOR_HEADER} or ${OFFSETS_HEADER}`,
    );
  }
  const payload = Buffer.from(await answer.arrayBuffer());
  return { entries: splitBatch(offsets, payload), lastEntryId };
}

/**
 * Reads on and on, each request from where the one before ended, so that nothing is missed or seen twice.
 * The next request starts when the entries of the last are done with. Ends when the signal fires.
 * @throws GatewayError
 */
export async function* pollEntries(options: RestOptions & ReadOptions): AsyncGenerator<Entry, void, void> {
  let { lastEntryId } = options;
  while (!options.signal?.aborted) {
    let batch: Batch;
    try {
      batch = await getEntries({ ...options, lastEntryId });
    } catch (error) {
      if (options.signal?.aborted) return;
      throw error;
    }
    yield* batch.entries;
    lastEntryId = batch.lastEntryId;
  }
}
