/** `GET /data/{sid}`: entries after a cursor, waiting for some where there are none yet. */
import type { Grant } from '../../access/grant.js';
import type { Failure } from '../../errors.js';
import type { HubListener, Reset, StreamPayer } from '../../streams/hub-stream.js';
import { readTails, resolveCursors } from '../../streams/tails.js';
import type { EntryBatch } from '../../wire/batch.js';
import { compareEntryIds, entryTime } from '../../wire/entry-id.js';
import { NEWEST, type PullParameters, parsePullParameters, Query } from '../../wire/parameters.js';
import { describeGap, entryOffsets, type Gap, packEntries } from '../../wire/pull-message.js';
import type { GatewayContext } from '../context.js';
import type { HttpExchange } from '../http/http-exchange.js';
import { readSelection, selectedKeys, shownSids } from './selected-keys.js';

/** A response ends after about so much; the cursors lead on. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;
const MSGPACK = 'application/msgpack';

interface Wanted {
  readonly keys: readonly string[];
  /** What is read after; a stream that is reset meanwhile is read from where it then begins. */
  readonly cursors: string[];
  /** Of each stream the cursor that it had when it was reset. */
  readonly resetAt: (string | undefined)[];
  readonly parameters: PullParameters;
}

export async function getData(
  context: GatewayContext,
  exchange: HttpExchange,
  grant: Grant,
  encodedSid: string,
): Promise<void> {
  const { rights } = grant;
  const query = new Query(exchange.query);
  const selection = readSelection(rights, encodedSid, query);
  const parameters = parsePullParameters(query, selection, 'rest');
  const keys = selectedKeys(context.config, rights, 'read', selection);
  const sids = shownSids(rights, selection, keys, parameters.keepDevicePrefix);

  const { wanted, batches } = await readOrWait(context, exchange, grant, keys, parameters);
  answerEntries(exchange, sids, wanted, batches);
  for (const { length, bytes } of batches) {
    context.counters.out.get.entries += length;
    context.counters.out.get.bytes += bytes.length;
  }
}

/**
 * Reads entries after the cursors, and waits for some where there are none yet.
 * @returns a batch for each key, or none at all @throws Failure
 */
export async function readOrWait(
  context: GatewayContext,
  exchange: HttpExchange,
  grant: Grant,
  keys: readonly string[],
  parameters: PullParameters,
): Promise<{ readonly wanted: Wanted; readonly batches: readonly EntryBatch[] }> {
  const asksNewest = parameters.cursors.includes(NEWEST);
  const tails = asksNewest ? await readTails(context.control, context.hub, keys) : undefined;
  const cursors = tails ? resolveCursors(parameters.cursors, tails) : [...parameters.cursors];
  const wanted = { keys, cursors, resetAt: keys.map(() => undefined), parameters };
  const isAtEnd = parameters.cursors.every((cursor) => cursor === NEWEST);
  let batches = isAtEnd ? [] : await readAfter(context, wanted);
  if (isEmpty(batches) && parameters.block !== -1 && timeUntilEnd(wanted) > 0)
    batches = await waitForEntries(context, exchange, grant, wanted, tails);
  // What is read after the token's end is not for its client.
  grant.check();
  return { wanted, batches };
}

function isEmpty(batches: readonly EntryBatch[]): boolean {
  return batches.every((batch) => batch.length === 0);
}

function readAfter(context: GatewayContext, { keys, cursors, parameters }: Wanted): Promise<EntryBatch[]> {
  return context.ranges.read({
    streams: keys.map((key, index) => ({ key, after: cursors[index]! })),
    count: parameters.count,
    latest: parameters.latest,
    until: parameters.until,
    detectTrimming: parameters.gaps && !parameters.latest && parameters.resumes.includes(true),
    maxBytes: MAX_RESPONSE_BYTES,
  });
}

/** Ms until no more entries can come that are wanted. */
function timeUntilEnd({ parameters: { until } }: Wanted): number {
  return until === undefined ? Number.POSITIVE_INFINITY : entryTime(until) + 1 - Date.now();
}

/** Waits on the hub, whose readers follow the streams for everyone, and reads again when entries came. */
async function waitForEntries(
  context: GatewayContext,
  exchange: HttpExchange,
  grant: Grant,
  wanted: Wanted,
  knownTails: readonly string[] | undefined,
): Promise<EntryBatch[]> {
  const { block } = wanted.parameters;
  const limit = context.config.MAX_BLOCK_MS;
  const wait = Math.min(block === 0 ? limit : block, limit, timeUntilEnd(wanted));
  const deadline = performance.now() + wait;
  const { client } = exchange;
  const checkRoom = () =>
    context.hub.checkRoom(wanted.keys, (more) => context.streamShares.check(client, more));
  checkRoom();
  const tails = knownTails ?? (await readTails(context.control, context.hub, wanted.keys));
  checkRoom();
  const endWaiting = context.waitingReads.begin(client);
  const share = context.streamShares.open(client);
  const arrival = new Arrival(wanted, share);
  const streams = wanted.keys.map((key, index) => context.hub.follow(key, tails[index]!, arrival));
  const wake = () => arrival.give();
  const stopping = context.stopping.signal;
  exchange.onAborted(wake);
  stopping.addEventListener('abort', wake);
  const unwatch = grant.watch(wake);
  try {
    // What was stored since the first read does not come again.
    const isPast = streams.some(({ lastId }, index) =>
      isAfter(lastId, tails[index]!, wanted.cursors[index]!),
    );
    let batches = isPast ? await readAfter(context, wanted) : [];
    while (isEmpty(batches) && !exchange.isOver && !stopping.aborted && grant.failure === undefined) {
      if (!(await arrival.within(deadline - performance.now()))) break;
      batches = await readAfter(context, wanted);
    }
    return batches;
  } finally {
    unwatch();
    stopping.removeEventListener('abort', wake);
    for (const stream of streams) context.hub.unfollow(stream, arrival);
    share.close();
    endWaiting();
  }
}

/** Whether the stream is known to have gone on after the cursor. @param read the last id that the hub has read */
function isAfter(read: string, tail: string, cursor: string): boolean {
  return compareEntryIds(read, cursor) > 0 || compareEntryIds(tail, cursor) > 0;
}

/** Turns the hub's calls into something to wait for. */
class Arrival implements HubListener {
  readonly payer: StreamPayer;
  readonly #wanted: Wanted;
  #came = false;
  #failure: Failure | undefined;
  #wake: (() => void) | undefined;

  constructor(wanted: Wanted, payer: StreamPayer) {
    this.payer = payer;
    this.#wanted = wanted;
  }

  onEntries(): void {
    this.give();
  }

  onReset({ key, base, lastId }: Reset): void {
    const { keys, cursors, resetAt } = this.#wanted;
    const index = keys.indexOf(key);
    const cursor = cursors[index]!;
    // One that was ahead of all that there was is taken at its word.
    if (compareEntryIds(cursor, lastId) > 0 || compareEntryIds(cursor, base) <= 0) return;
    resetAt[index] ??= cursor;
    cursors[index] = base;
    this.give();
  }

  onEvicted(failure: Failure): void {
    this.#failure = failure;
    this.give();
  }

  give(): void {
    this.#came = true;
    this.#wake?.();
  }

  /** @returns whether something came within `ms`; each arrival is told once. @throws Failure */
  async within(ms: number): Promise<boolean> {
    if (!this.#came && ms > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
      this.#wake = undefined;
    }
    if (this.#failure !== undefined) throw this.#failure;
    const came = this.#came;
    this.#came = false;
    return came;
  }
}

function answerEntries(
  exchange: HttpExchange,
  sids: readonly string[],
  wanted: Wanted,
  batches: readonly EntryBatch[],
): void {
  const rows: [string, string, number][] = [];
  let bytes = 0;
  batches.forEach((batch, index) => {
    const offsets = entryOffsets(sids[index]!, batch, 0, batch.length, wanted.parameters.offsets);
    for (const [sid, id, offset] of offsets) rows.push([sid, id, bytes + offset]);
    bytes += batch.bytes.length;
  });
  const isPacked = exchange.header('accept').toLowerCase().includes(MSGPACK);
  const parts = isPacked
    ? packEntries(batches.map((batch, index) => ({ sid: sids[index]!, batch, from: 0, to: batch.length })))
    : batches.map((batch) => batch.bytes);
  exchange.answer({
    type: isPacked ? MSGPACK : 'application/octet-stream',
    headers: [
      ['x-last-entry-id', wanted.cursors.map((cursor, index) => lastId(batches[index], cursor)).join('+')],
      ['x-offsets', asciiJson(rows)],
      ...(wanted.parameters.gaps ? [['x-gap', asciiJson(gapsBefore(sids, wanted, batches))] as const] : []),
      ['cache-control', 'no-store'],
    ],
    body: parts.length === 1 ? parts[0]! : Buffer.concat(parts),
  });
}

/** What each stream lost before the entries that it goes on with. */
function gapsBefore(
  sids: readonly string[],
  { resetAt, parameters }: Wanted,
  batches: readonly EntryBatch[],
): object[] {
  return batches.flatMap((batch, index) => {
    const resumedAt = batch.ids[0];
    if (resumedAt === undefined) return [];
    const lostAfter = resetAt[index];
    const isTrimmed = batch.trimmed && parameters.resumes[index];
    if (lostAfter === undefined && !isTrimmed) return [];
    const gap: Gap =
      lostAfter === undefined
        ? { after: batch.after, resumedAt, reason: 'trimmed' }
        : { after: lostAfter, resumedAt, reason: 'deleted' };
    return [describeGap(sids[index]!, gap)];
  });
}

function lastId(batch: EntryBatch | undefined, cursor: string): string {
  return batch !== undefined && batch.length > 0 ? batch.lastId : cursor;
}

/** JSON for a header, whose characters clients take for Latin-1: all others are escaped. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
