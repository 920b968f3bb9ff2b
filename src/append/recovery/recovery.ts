/**
 * Finds out what became of entries that were written to a connection which was lost before it answered:
 * looks for them, byte for byte, in what their streams hold. An entry is acknowledged only where nobody else can have
 * written it (`own-entries.ts`).
 *
 * Each stream is read from the last entry that the lost connection's pipe was answered for; where it was
 * answered for none, from the time by Redis' clock at which the connection began, since what it stored is
 * not older. Reading is bounded. An entry that somebody deleted meanwhile counts as not stored.
 */
import type { Unanswered } from '../batch.js';
import type { Asking } from '../questions.js';
import { type Fate, judge } from './matching.js';
import type { TimeSpan } from './own-entries.js';
import { StreamSearch } from './search.js';

/** Streams that are read at once. */
const LANES = 4;
/** Beyond so many bytes what was not found is unknown; an outage would be over its limit by then. */
const MAX_SEARCH_BYTES = 256 * 1024 * 1024;
/** Redis' clock counts as put back if it is behind by more than this, and this part of the time between. */
const CLOCK_SLACK_MS = 1000;
const CLOCK_DRIFT = 0.001;

/** For whole ms, and for clocks that differ in speed during an outage. */
const CLOCK_ERROR_MS = 5;

/** A moment by Redis' clock, in ms since 1970, and by our own monotonic one, and the server it was asked of. */
export interface Clocks {
  /** Of the server's process; undefined where Redis does not tell. */
  readonly runId: string | undefined;
  readonly redisTime: number | undefined;
  /** When `redisTime` was asked for, and when it was answered. */
  readonly askedAt: number;
  readonly localTime: number;
}

export interface LostEntries {
  /** In the order sent, all that the connection may have carried to Redis. */
  readonly entries: readonly Unanswered[];
  /** When that connection began. */
  readonly begun: Clocks;
  /** When the first of them was written at the earliest, and when the connection was lost, by our own clock. */
  readonly writtenAt: number;
  readonly lostAt: number;
  /** Whether Redis certainly carries out no more of its commands. */
  readonly isFenced: boolean;
  /** Where to ask about a stream; undefined where that is the connection itself. */
  readonly askingOf?: ((key: string, asking: Asking) => Asking) | undefined;
}

/**
 * @param now when the connection behind `asking` began
 * @returns what became of each entry, in their order
 * @throws Error where the connection is lost, Failure where Redis cannot answer now
 */
export async function findFates(asking: Asking, lost: LostEntries, now: Clocks): Promise<Fate[]> {
  const { askingOf = () => asking } = lost;
  const since = beginOf(lost.begun, now);
  const stored = storedIn(lost, now, since);
  const budget = { bytes: MAX_SEARCH_BYTES };
  const searches = [...groupByStream(lost.entries)].map(
    ([key, places]) =>
      new StreamSearch(askingOf(key, asking), key, lost.entries, places, since, stored, budget),
  );
  const waiting = [...searches];
  const lane = async () => {
    for (let search = waiting.pop(); search !== undefined; search = waiting.pop()) await search.run();
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  // Of one server the order of all commands is known; in a cluster some may have been sent elsewhere.
  const together = lost.askingOf === undefined ? [searches] : searches.map((search) => [search]);
  const fates = new Map(together.flatMap((some) => [...judgeTogether(some)]));
  for (const search of searches) {
    for (const [place, fate] of search.fates) fates.set(place, fate);
    search.settle();
  }
  return lost.entries.map((_, place) => {
    const fate = fates.get(place) ?? 'unknown';
    // It may be stored yet.
    return fate === 'missing' && !lost.isFenced ? 'unknown' : fate;
  });
}

function judgeTogether(searches: readonly StreamSearch[]): Map<number, Fate> {
  return judge(
    searches.flatMap((search) => search.evidence ?? []),
    new Map(searches.flatMap((search) => [...search.timedIds])),
  );
}

/** The first ms of which entries of a lost connection can be; undefined where the clock was put back. */
function beginOf(begun: Clocks, now: Clocks): number | undefined {
  if (begun.redisTime === undefined || now.redisTime === undefined) return undefined;
  const passed = now.localTime - begun.localTime;
  const isBehind = now.redisTime - begun.redisTime < passed * (1 - CLOCK_DRIFT) - CLOCK_SLACK_MS;
  return isBehind ? undefined : begun.redisTime;
}

/** When Redis stored the entries, if it did, by its own clock. */
function storedIn(
  { begun, writtenAt, lostAt }: LostEntries,
  { redisTime, askedAt, localTime, runId }: Clocks,
  since: number | undefined,
): TimeSpan | undefined {
  if (redisTime === undefined || since === undefined) return undefined;
  // A server that goes on running may carry out later what it had received.
  const isSameServer = begun.runId !== undefined && begun.runId === runId;
  return {
    from: Math.max(since, redisTime - (localTime - writtenAt) - CLOCK_ERROR_MS),
    until: isSameServer ? Number.POSITIVE_INFINITY : redisTime - (askedAt - lostAt) + CLOCK_ERROR_MS,
  };
}

function groupByStream(entries: readonly Unanswered[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  entries.forEach(({ stream: { key } }, place) => {
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [place]);
    else group.push(place);
  });
  return groups;
}
