/** Reads entries after cursors, and waits for some where there are none yet: what REST does. */
import type { Hub } from '../follow/live/hub.js';
import type { HubListener, Reset, StreamPayer } from '../follow/live/hub-stream.js';
import { readTails, resolveCursors } from '../follow/live/tails.js';
import type { EntryBatch } from '../protocol/batch.js';
import { compareEntryIds, entryTime } from '../protocol/entry-id.js';
import type { Failure } from '../protocol/errors.js';
import { NEWEST, type PullParameters } from '../protocol/parameters.js';
import type { Control } from '../redis/control.js';
import type { RangeReads } from './range-reads.js';

/** A response ends after about so much; the cursors lead on. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

/** What is read from. */
export interface ReadSources {
  readonly control: Control;
  readonly hub: Hub;
  readonly ranges: RangeReads;
  readonly maxBlockMs: number;
  /** The client's: what is read after its token's end is not for it. */
  readonly grant: { check(): void };
}

/** Who reads. */
export interface Reader {
  /** @throws Failure where the streams are too many for it to follow */
  checkRoom(keys: readonly string[]): void;
  /** @throws Failure where too many wait @returns who pays for the streams, until `end` */
  beginWaiting(): { readonly payer: StreamPayer; end(): void };
  /** Nobody waits for the answer any more, or it has to be given now. */
  readonly isOver: boolean;
  /** Calls `wake` when `isOver` becomes true. @returns ends that */
  watch(wake: () => void): () => void;
}

interface ReadRequest {
  readonly keys: readonly string[];
  /** What is read after; a stream that is reset meanwhile is read from where it then begins. */
  readonly cursors: string[];
  /** Of each stream the cursor that it had when it was reset. */
  readonly resetAt: (string | undefined)[];
  readonly parameters: PullParameters;
}

/**
 * @param openReader says who reads: asked only where the read has to wait
 * @returns a batch for each key, or none at all, with the cursors after which was read at last
 * @throws Failure, also where the token has ended meanwhile
 */
export async function readOrWait(
  sources: ReadSources,
  openReader: () => Reader,
  keys: readonly string[],
  parameters: PullParameters,
): Promise<{ readonly wanted: ReadRequest; readonly batches: readonly EntryBatch[] }> {
  const asksNewest = parameters.cursors.includes(NEWEST);
  const tails = asksNewest ? await readTails(sources.control, sources.hub, keys) : undefined;
  const cursors = tails ? resolveCursors(parameters.cursors, tails) : [...parameters.cursors];
  const wanted = { keys, cursors, resetAt: keys.map(() => undefined), parameters };
  const isAtEnd = parameters.cursors.every((cursor) => cursor === NEWEST);
  let batches = isAtEnd ? [] : await readAfter(sources, wanted);
  if (isEmpty(batches) && parameters.block !== -1 && timeUntilEnd(wanted) > 0)
    batches = await waitForEntries(sources, openReader(), wanted, tails);
  sources.grant.check();
  return { wanted, batches };
}

function isEmpty(batches: readonly EntryBatch[]): boolean {
  return batches.every((batch) => batch.length === 0);
}

function readAfter(
  { ranges }: ReadSources,
  { keys, cursors, parameters }: ReadRequest,
): Promise<EntryBatch[]> {
  return ranges.read({
    streams: keys.map((key, index) => ({ key, after: cursors[index]! })),
    count: parameters.count,
    latest: parameters.latest,
    until: parameters.until,
    proof: parameters.gaps && !parameters.latest && parameters.resumes.includes(true) ? 'state' : 'none',
    maxBytes: MAX_RESPONSE_BYTES,
  });
}

/** Ms until no more entries can come that are wanted. */
function timeUntilEnd({ parameters: { until } }: ReadRequest): number {
  return until === undefined ? Number.POSITIVE_INFINITY : entryTime(until) + 1 - Date.now();
}

/** Waits on the hub, whose readers follow the streams for everyone, and reads again when entries came. */
async function waitForEntries(
  sources: ReadSources,
  reader: Reader,
  wanted: ReadRequest,
  knownTails: readonly string[] | undefined,
): Promise<EntryBatch[]> {
  const { hub, control, maxBlockMs } = sources;
  const { block } = wanted.parameters;
  const wait = Math.min(block === 0 ? maxBlockMs : block, maxBlockMs, timeUntilEnd(wanted));
  const deadline = performance.now() + wait;
  reader.checkRoom(wanted.keys);
  const tails = knownTails ?? (await readTails(control, hub, wanted.keys));
  reader.checkRoom(wanted.keys);
  const { payer, end } = reader.beginWaiting();
  const arrival = new Arrival(wanted, payer);
  const streams = wanted.keys.map((key, index) => hub.follow(key, tails[index]!, arrival));
  const unwatch = reader.watch(() => arrival.give());
  try {
    // What was stored since the first read does not come again.
    const isPast = streams.some(({ lastId }, index) =>
      isAfter(lastId, tails[index]!, wanted.cursors[index]!),
    );
    let batches = isPast ? await readAfter(sources, wanted) : [];
    while (isEmpty(batches) && !reader.isOver) {
      if (!(await arrival.within(deadline - performance.now()))) break;
      batches = await readAfter(sources, wanted);
    }
    return batches;
  } finally {
    unwatch();
    for (const stream of streams) hub.unfollow(stream, arrival);
    end();
  }
}

/** Whether the stream is known to have gone on after the cursor. @param read the last id that the hub has read */
function isAfter(read: string, tail: string, cursor: string): boolean {
  return compareEntryIds(read, cursor) > 0 || compareEntryIds(tail, cursor) > 0;
}

/** Turns the hub's calls into something to wait for. */
class Arrival implements HubListener {
  readonly payer: StreamPayer;
  readonly #wanted: ReadRequest;
  #came = false;
  #failure: Failure | undefined;
  #wake: (() => void) | undefined;

  constructor(wanted: ReadRequest, payer: StreamPayer) {
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
