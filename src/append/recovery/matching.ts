/**
 * What became of entries whose answers were lost with a connection, judged by what their streams hold.
 *
 * Certain beforehand:
 * - Redis carries out the commands of a connection in order, so those that it carried out are the first ones, over
 *   all streams together.
 * - What a connection stored in a stream lies there behind the last entry that it was answered for, in order. Other
 *   writers' entries may lie between.
 *
 * Where nobody else wrote to a stream (`own-entries.ts`), the fate of each entry is known. Elsewhere an entry with the
 * same bytes may be another writer's, and is never acknowledged as ours: its fate is unknown. What has no equal there
 * is not stored.
 *
 * An entry with an id of its own is stored if it is there under that id. Where it is not, Redis may have refused it.
 */
import type { OwnFate } from './own-entries.js';

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
  /** Where nobody else wrote to the stream: what became of the first ones; those beyond are not stored. */
  readonly own?: readonly (OwnFate | undefined)[] | undefined;
}

export interface FoundEntry {
  readonly id: string;
  readonly bytes: number;
}

/** What one stream says of an entry, before the others are considered. */
type Verdict =
  /** Stored, under `id` where that is known. */
  | { readonly kind: 'stored'; readonly place: number; readonly id: string | undefined }
  | { readonly kind: 'missing'; readonly place: number }
  /** Not decided here, and the order of all commands may decide. */
  | { readonly kind: 'unknown'; readonly place: number }
  /** There is an entry with these bytes, but not where it would have to be. */
  | { readonly kind: 'out of order'; readonly place: number };

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
  // What is found contradicts what is missing where an entry was refused or deleted: then nothing is certain of
  // what comes after the first that is missing.
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
    case 'unknown':
      return isBefore ? 'stored' : isAfter ? 'missing' : 'unknown';
  }
}

function judgeStream(evidence: StreamEvidence): Verdict[] {
  const { places, own } = evidence;
  return own === undefined
    ? judgeShared(evidence)
    : places.map((place, index) => ownVerdict(place, own[index]));
}

function ownVerdict(place: number, fate: OwnFate | undefined): Verdict {
  if (fate === undefined || fate === 'refused') return { kind: 'missing', place };
  return { kind: 'stored', place, id: fate === 'trimmed' ? undefined : fate.id };
}

/** The entries of a stream to which others write, too. */
function judgeShared({ places, sought, found, isComplete, isWhole }: StreamEvidence): Verdict[] {
  if (!isComplete) return places.map((place) => ({ kind: 'unknown', place }));
  // The first entry that has no equal behind those of the entries before it.
  let first = 0;
  let next = 0;
  for (; first < sought.length; first++) {
    const at = indexFrom(found, sought[first]!, next);
    if (at < 0) break;
    next = at + 1;
  }
  const later = new Set(found.slice(next).map(({ bytes }) => bytes));
  return places.map((place, index): Verdict => {
    if (index < first || !isWhole) return { kind: 'unknown', place };
    return { kind: later.has(sought[index]!) ? 'out of order' : 'missing', place };
  });
}

function indexFrom(found: readonly FoundEntry[], bytes: number, from: number): number {
  for (let at = from; at < found.length; at++) if (found[at]!.bytes === bytes) return at;
  return -1;
}
