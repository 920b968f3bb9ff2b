/** `GET /data/{sid}`: entries after a cursor, waiting for some where there are none yet. */
import type { Grant } from '../../../access/grant.js';
import type { HubListener, Reset, StreamPayer } from '../../../follow/live/hub-stream.js';
import { readTails, resolveCursors } from '../../../follow/live/tails.js';
import type { EntryBatch } from '../../../protocol/batch.js';
import { compareEntryIds, entryTime } from '../../../protocol/entry-id.js';
import type { Failure } from '../../../protocol/errors.js';
import { checkTable, tableCount } from '../../../protocol/head-table.js';
import { NEWEST, type PullParameters, parsePullParameters, Query } from '../../../protocol/parameters.js';
import type { GatewayContext } from '../../context.js';
import type { HttpExchange } from '../../http/http-exchange.js';
import { answerEntries, tableForm } from './entries-answer.js';
import { readSelection, selectedKeys, shownSids } from './selected-keys.js';

/** A response ends after about so much; the cursors lead on. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

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

  const form = tableForm(exchange, parameters);
  checkTable(sids, parameters.cursors, form);

  const count = Math.min(parameters.count, tableCount(sids, form));
  const { wanted, batches } = await readOrWait(context, exchange, grant, keys, { ...parameters, count });
  const read = keys.map((_, index) => ({
    cursor: wanted.cursors[index]!,
    resetAt: wanted.resetAt[index],
    isResumed: parameters.resumes[index]!,
    batch: batches[index],
  }));
  answerEntries(context, exchange, sids, read, form);
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
