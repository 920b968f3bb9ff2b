/**
 * What became of entries whose answers were lost with a connection, told from what their streams hold.
 *
 * Certain beforehand:
 * - Redis carries out the commands of a connection in order, so those that it carried out are the first
 *   so many, over all streams together: no entry was stored if one before it was not.
 * - What a connection stored in a stream lies there after the last entry that it was answered for, in
 *   order. Other writers' entries may lie between.
 *
 * An entry with the same bytes is taken for ours, in order. Another writer may store the same bytes (two
 * sensors that say "on"), and nothing in a stream tells whose they are. So where a stream holds more
 * entries of some bytes than we look for, they are no evidence: what is not decided by others is unknown.
 * An entry that equals one of another's, while ours was not stored and no more of that kind is there, is
 * mistaken for ours. It would take a mark in the entry to tell them apart, and an entry is its payload.
 *
 * Where a stream was trimmed past the last known entry, its first ones may be gone whether they are ours
 * or not. Then an entry whose bytes occur once on both sides holds the two together: what we sent before
 * it was stored too, what we sent after it is looked for behind it.
 *
 * An entry with a time of its own is evidence where it is found; where not, Redis may have refused it.
 */

/** What became of an entry. */
export type Fate =
  /** Stored, under this id. */
  | { readonly id: string }
  /** Stored, but trimmed meanwhile, so that its id cannot be told. */
  | 'stored'
  /** Not stored. */
  | 'missing'
  | 'unknown';

/** Entries of one stream that are looked for, and what the stream holds that they could be. */
export interface StreamEvidence {
  /** Where each entry stands among all that the connection sent, in rising order. */
  readonly places: readonly number[];
  /** A number for the bytes of each, in the same order; the same number: the same bytes. */
  readonly sought: readonly number[];
  /** The stream's entries with such bytes after the last that was answered for, in its order. */
  readonly found: readonly FoundEntry[];
  /** Whether nothing that could be ours was removed before the first that was found. */
  readonly isComplete: boolean;
  /** Whether the stream was read to its end. */
  readonly isWhole: boolean;
}

export interface FoundEntry {
  readonly id: string;
  readonly bytes: number;
}

/** What one stream says of an entry, before the others are heard. */
type Verdict =
  /** Stored, under `id` where that is known. */
  | { readonly kind: 'stored'; readonly place: number; readonly id: string | undefined }
  /** Something with the same bytes is there under `id`, which may well be another writer's. */
  | { readonly kind: 'contested'; readonly place: number; readonly id: string }
  /** It is there, though an earlier one is not. */
  | { readonly kind: 'out of order'; readonly place: number }
  | { readonly kind: 'missing'; readonly place: number }
  | { readonly kind: 'unknown'; readonly place: number };

/**
 * What became of each entry, by its place.
 * @param certain ids of entries that are known to be stored without being looked for here, by their place
 */
export function judge(
  streams: readonly StreamEvidence[],
  certain: ReadonlyMap<number, string> = new Map(),
): Map<number, Fate> {
  const verdicts = streams.flatMap(judgeStream);
  for (const [place, id] of certain) verdicts.push({ kind: 'stored', place, id });
  let lastStored = -1;
  let firstMissing = Number.POSITIVE_INFINITY;
  for (const { kind, place } of verdicts) {
    if (kind === 'stored') lastStored = Math.max(lastStored, place);
    if (kind === 'missing') firstMissing = Math.min(firstMissing, place);
  }
  // What is found contradicts what is missing where an entry was refused or deleted, or another writer's
  // is taken for ours: then nothing is certain of what comes after the first that is missing.
  const isConsistent = lastStored < firstMissing;
  return new Map(
    verdicts.map((verdict) => {
      const { kind, place } = verdict;
      const isBefore = place < (isConsistent ? lastStored : -1);
      const isAfter = place > (isConsistent ? firstMissing : Number.POSITIVE_INFINITY);
      return [place, fateOf(verdict, kind === 'stored' && place > firstMissing, isBefore, isAfter)];
    }),
  );
}

/** @param isBefore whether a later entry is known to be stored; @param isAfter an earlier one not to be */
function fateOf(verdict: Verdict, isContradicted: boolean, isBefore: boolean, isAfter: boolean): Fate {
  switch (verdict.kind) {
    case 'missing':
      return 'missing';
    case 'stored':
      if (isContradicted) return 'unknown';
      return verdict.id === undefined ? 'stored' : { id: verdict.id };
    case 'out of order':
      return 'unknown';
    case 'contested':
      return isBefore ? { id: verdict.id } : isAfter ? 'missing' : 'unknown';
    case 'unknown':
      return isBefore ? 'stored' : isAfter ? 'missing' : 'unknown';
  }
}

function judgeStream(evidence: StreamEvidence): Verdict[] {
  const { places, sought, found, isComplete, isWhole } = evidence;
  const unknown = (index: number): Verdict => ({ kind: 'unknown', place: places[index]! });
  const anchor = isComplete ? { sought: -1, found: -1 } : findAnchor(sought, found);
  if (anchor === undefined) return places.map((_, index) => unknown(index));
  const verdicts = judgeBefore(evidence, anchor);

  const matches: FoundEntry[] = [];
  let next = anchor.found + 1;
  for (let index = anchor.sought + 1; index < sought.length; index++) {
    let at = next;
    while (at < found.length && found[at]!.bytes !== sought[index]) at++;
    if (at === found.length) break;
    matches.push(found[at]!);
    next = at + 1;
  }
  const contested = contestedBytes(matches, found.slice(anchor.found + 1));
  // What comes before a match that is beyond doubt was stored too.
  const settled = matches.findLastIndex(({ bytes }) => !contested.has(bytes)) + 1;
  matches.forEach(({ id }, index) => {
    const place = places[anchor.sought + 1 + index]!;
    verdicts.push({ kind: index < settled ? 'stored' : 'contested', place, id });
  });

  const later = new Set(found.slice(next).map(({ bytes }) => bytes));
  for (let index = verdicts.length; index < sought.length; index++) {
    const place = places[index]!;
    if (!isWhole) verdicts.push(unknown(index));
    else verdicts.push({ kind: later.has(sought[index]!) ? 'out of order' : 'missing', place });
  }
  return verdicts;
}

/** The last entry that can be told among all others on both sides. */
function findAnchor(
  sought: readonly number[],
  found: readonly FoundEntry[],
): { readonly sought: number; readonly found: number } | undefined {
  const soughtTimes = countEach(sought);
  const foundTimes = countEach(found.map(({ bytes }) => bytes));
  const index = sought.findLastIndex((bytes) => soughtTimes.get(bytes) === 1 && foundTimes.get(bytes) === 1);
  if (index < 0) return undefined;
  return { sought: index, found: found.findIndex(({ bytes }) => bytes === sought[index]) };
}

/** All up to the anchor was stored; the newest entries with their bytes before it are theirs. */
function judgeBefore(
  { places, sought, found }: StreamEvidence,
  anchor: { readonly sought: number; readonly found: number },
): Verdict[] {
  const verdicts: Verdict[] = [];
  let at = anchor.found;
  for (let index = anchor.sought; index >= 0; index--) {
    while (at >= 0 && found[at]!.bytes !== sought[index]) at--;
    verdicts.push({ kind: 'stored', place: places[index]!, id: found[at]?.id });
    at--;
  }
  return verdicts.reverse();
}

/** Bytes of which the stream holds more entries than were matched. */
function contestedBytes(matches: readonly FoundEntry[], found: readonly FoundEntry[]): Set<number> {
  const matched = countEach(matches.map(({ bytes }) => bytes));
  const held = countEach(found.map(({ bytes }) => bytes));
  return new Set([...matched.keys()].filter((bytes) => held.get(bytes)! > matched.get(bytes)!));
}

function countEach(values: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
