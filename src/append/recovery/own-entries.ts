/**
 * Whether all that a stream got since a known point can only be ours, and which of our entries that is.
 *
 * Equal bytes prove nothing: two sensors may both say "on". What speaks for ours is the stream's own count. It must
 * have grown by exactly the entries that were answered and those that lie behind them, and these must be our first
 * unanswered ones, in order, with times between the sending and the loss of the connection. Then nobody else has
 * written since the gateway came to this stream.
 *
 * What cannot be told apart: another writer whose very first entry since then falls between the sending and the loss
 * (or, if Redis was not restarted, the end of the old connection there), with the bytes of ours, while ours is not
 * stored. Only a mark within the entry could show it.
 */
import { entryTime } from '../../protocol/entry-id.js';
import { AUTO_ID } from '../../protocol/push-message.js';

export interface SentEntry {
  /** As XADD took it: `*`, `ms-*` or `ms-seq`. */
  readonly id: string;
  /** A number for its bytes: the same number, the same bytes. */
  readonly bytes: number;
}

export interface HeldEntry {
  readonly id: string;
  /** The number of the same bytes among those sent; -1 for other bytes. */
  readonly bytes: number;
}

/** What a stream holds behind a known point. */
export interface Behind {
  readonly held: readonly HeldEntry[];
  /** How many entries it got since the known point that were not answered to us. */
  readonly added: number;
  /** Whether entries were, or may have been, trimmed before the first that is held. */
  readonly isTrimmed: boolean;
}

/** When our entries were stored, if they were, in ms by Redis' clock. */
export interface TimeSpan {
  readonly from: number;
  readonly until: number;
}

/** The id of an entry that is stored; `trimmed` where it was stored and is gone; `refused` by Redis. */
export type OwnFate = { readonly id: string } | 'trimmed' | 'refused';

/**
 * @param sent our unanswered entries of the stream, in order
 * @returns what became of each of them from the first on; those beyond are not stored. Undefined where others may
 *   have written.
 */
export function findOwn(sent: readonly SentEntry[], behind: Behind): OwnFate[] | undefined {
  return behind.isTrimmed ? findTrimmed(sent, behind) : findAll(sent, behind);
}

function findAll(sent: readonly SentEntry[], { held, added }: Behind): OwnFate[] | undefined {
  if (held.length !== added) return undefined;
  const fates: OwnFate[] = [];
  let next = 0;
  for (const entry of held) {
    // Redis may have refused an entry with a time of its own, and only such a one.
    while (next < sent.length && sent[next]!.id !== AUTO_ID && !isSame(sent[next]!, entry)) {
      fates.push('refused');
      next++;
    }
    if (next === sent.length || !isSame(sent[next]!, entry)) return undefined;
    fates.push({ id: entry.id });
    next++;
  }
  return fates;
}

/** The last entry must be unlike all others of ours, or an earlier one could be taken for it. */
function findTrimmed(sent: readonly SentEntry[], { held, added }: Behind): OwnFate[] | undefined {
  const last = held.at(-1);
  if (last === undefined || added > sent.length || held.length > added) return undefined;
  if (sent.some(({ id }) => id !== AUTO_ID)) return undefined;
  const first = added - held.length;
  if (held.some((entry, index) => !isSame(sent[first + index]!, entry))) return undefined;
  if (sent.filter(({ bytes }) => bytes === last.bytes).length > 1) return undefined;
  return [...new Array<OwnFate>(first).fill('trimmed'), ...held.map(({ id }) => ({ id }))];
}

function isSame(sent: SentEntry, held: HeldEntry): boolean {
  if (sent.bytes !== held.bytes) return false;
  if (sent.id === AUTO_ID || sent.id === held.id) return true;
  return sent.id.endsWith('-*') && held.id.startsWith(sent.id.slice(0, -1));
}

/**
 * Whether entries can be ours by their times.
 * @param fates what `findOwn` says of `sent`
 * @param knownMs of the last entry before them: where that is ahead of the clock, Redis goes on from it
 */
export function areOfTime(
  sent: readonly SentEntry[],
  fates: readonly OwnFate[],
  { from, until }: TimeSpan,
  knownMs: number,
): boolean {
  let last = knownMs;
  return fates.every((fate, index) => {
    if (typeof fate === 'string') return true;
    const ms = entryTime(fate.id);
    const isOfTime = sent[index]!.id !== AUTO_ID || ms === last || (ms >= from && ms <= until);
    last = ms;
    return isOfTime;
  });
}
