/**
 * Looks for entries in one stream, byte for byte.
 *
 * It is read from the last entry on that was answered for, or from where its count was taken, up to its end when the
 * search begins; where neither is known, from a time on. Each piece begins with the last entry of the one before:
 * while that is there, nothing after it was trimmed.
 */
import { compareEntryIds, entryTime, lastIdOf } from '../../protocol/entry-id.js';
import { AUTO_ID } from '../../protocol/push-message.js';
import type { Unanswered } from '../batch.js';
import type { AppendStream } from '../command.js';
import type { Asking } from '../questions.js';
import type { StreamCount } from '../stream-count.js';
import type { Fate, FoundEntry, StreamEvidence } from './matching.js';
import { areOfTime, findOwn, type HeldEntry, type OwnFate, type TimeSpan } from './own-entries.js';
import { PayloadNumbers } from './payload-numbers.js';
import { type SearchBudget, StreamPieces } from './stream-pieces.js';

/** Of a single ms, of which there are rarely more than one. */
const MAX_TIMED_ENTRIES = 8;
const ANY_SEQUENCE = '-*';
/** The number of bytes that are none of ours. */
const OTHER_BYTES = -1;

export class StreamSearch {
  readonly #pieces: StreamPieces;
  readonly #entries: readonly Unanswered[];
  readonly #places: readonly number[];
  readonly #since: number | undefined;
  readonly #stored: TimeSpan | undefined;
  readonly #budget: SearchBudget;
  readonly #payloads = new PayloadNumbers();
  /** Entries with a time of their own, not found yet, by id or `ms-*`. */
  readonly #timed = new Map<string, number[]>();
  readonly #timedFound = new Set<string>();
  readonly #found: FoundEntry[] = [];
  /** All that lies behind the known end, as far as it can be ours. */
  readonly #held: HeldEntry[] = [];
  #count: StreamCount | undefined;
  /** How the stream stood, where all before that has been looked through. */
  #counted: StreamCount | undefined;
  /** What the stream says of entries with Redis' own clock. */
  evidence: StreamEvidence | undefined;
  /** Those with a time of their own that were found. */
  readonly timedIds = new Map<number, string>();
  /** What needs no evidence. */
  readonly fates = new Map<number, Fate>();

  /**
   * @param places where in `entries` those of this stream are, in rising order
   * @param since the first ms of which they can be where no earlier one was answered; undefined: not known
   * @param stored when they were stored, if they were; undefined: not known
   */
  constructor(
    asking: Asking,
    key: string,
    entries: readonly Unanswered[],
    places: readonly number[],
    since: number | undefined,
    stored: TimeSpan | undefined,
    budget: SearchBudget,
  ) {
    this.#pieces = new StreamPieces(asking, key, budget);
    this.#entries = entries;
    this.#places = places;
    this.#since = since;
    this.#stored = stored;
    this.#budget = budget;
  }

  async run(): Promise<void> {
    const auto: number[] = [];
    for (const place of this.#places) {
      const { id } = this.#entries[place]!;
      const sameTime = this.#timed.get(id);
      if (id === AUTO_ID) auto.push(place);
      else if (sameTime === undefined) this.#timed.set(id, [place]);
      else sameTime.push(place);
    }
    const numbers = this.#places.map((place) => this.#payloads.numberOf(this.#entries[place]!.payload));
    const sought = numbers.filter((_, index) => this.#isAuto(index));
    const count = await this.#pieces.askCount();
    if (count === 'no stream') return this.#noStream();
    this.#count = count;
    const last = this.#knownEnd();
    if (last !== undefined && count !== undefined && compareEntryIds(count.lastId, last) <= 0) {
      // Nothing was added behind it, or the stream is back in an older state, without ours.
      this.evidence = { places: auto, sought, found: [], isComplete: true, isWhole: true };
      for (const id of [...this.#timed.keys()]) this.#notFound(id, 'missing');
      this.#counted = count;
      return;
    }
    // Without a known end they can be anywhere: their times are their own.
    if (last === undefined) for (const id of [...this.#timed.keys()]) await this.#readTimed(id);
    if (auto.length === 0 && this.#timed.size === 0) return;
    const read = await this.#read(last);
    if (read === 'no stream') return this.#noStream();
    const own = last === undefined ? undefined : this.#findOwn(numbers, read);
    if (own === undefined) this.#doubtTimed();
    this.evidence = {
      places: auto,
      sought,
      found: this.#found,
      ...read,
      own: own?.filter((_, index) => this.#isAuto(index)),
    };
    this.#counted = count;
    for (const id of [...this.#timed.keys()]) {
      // Redis refuses what is not after the last entry.
      const isLate = last !== undefined && compareEntryIds(rangeOf(id).end, last) <= 0;
      this.#notFound(id, isLate || (read.isComplete && read.isWhole) ? 'missing' : 'unknown');
    }
  }

  /**
   * All searches are done, and what they found will be told: later ones begin behind that. Not before, since a search
   * that the loss of a connection ends is begun anew.
   */
  settle(): void {
    if (this.#counted !== undefined) this.#stream.count(this.#counted);
  }

  #isAuto(index: number): boolean {
    return this.#entries[this.#places[index]!]!.id === AUTO_ID;
  }

  get #stream(): AppendStream {
    return this.#entries[this.#places[0]!]!.stream;
  }

  /** The id behind which all that is looked for was added. */
  #knownEnd(): string | undefined {
    let last: string | undefined;
    for (const place of this.#places) {
      const { knownEnd } = this.#entries[place]!.stream;
      if (knownEnd !== undefined && (last === undefined || compareEntryIds(knownEnd, last) > 0))
        last = knownEnd;
    }
    // A stream that never got more than these can be read from its beginning.
    if (last === undefined && this.#count !== undefined && this.#count.added <= this.#places.length)
      return '0-0';
    return last;
  }

  /** What became of each entry if nobody else wrote to the stream; undefined where somebody may have. */
  #findOwn(
    numbers: readonly number[],
    { isComplete, isWhole }: { readonly isComplete: boolean; readonly isWhole: boolean },
  ): (OwnFate | undefined)[] | undefined {
    const count = this.#count;
    const stream = this.#stream;
    if (count === undefined || this.#stored === undefined || !isWhole || stream.isShared) return undefined;
    const sent = numbers.map((bytes, index) => ({ id: this.#entries[this.#places[index]!]!.id, bytes }));
    const added = count.added - stream.expectedCount;
    const own = findOwn(sent, { held: this.#held, added, isTrimmed: !isComplete });
    // Fewer than were answered: the stream was deleted, or has lost its end.
    if (own === undefined && isComplete && added >= 0) stream.isShared = true;
    if (own === undefined || !areOfTime(sent, own, this.#stored, entryTime(this.#knownEnd()!)))
      return undefined;
    return numbers.map((_, index) => own[index]);
  }

  /**
   * An entry with the time of ours and the bytes of ours may be another writer's, so that its fate is not known; one
   * with its id may be used as ours.
   */
  #doubtTimed(): void {
    for (const place of [...this.timedIds.keys()]) {
      if (this.#entries[place]!.id.endsWith(ANY_SEQUENCE)) this.timedIds.delete(place);
    }
  }

  async #read(last: string | undefined): Promise<{ isComplete: boolean; isWhole: boolean } | 'no stream'> {
    let isComplete = last !== undefined || this.#since !== undefined;
    if (!isComplete) return { isComplete, isWhole: false };
    // Each piece begins with the last entry that is known: while that is there, nothing after it was trimmed.
    let known = last;
    for (;;) {
      const count = this.#pieces.nextCount();
      const before = this.#found.length;
      const heldBefore = this.#held.length;
      let isKnownHeld = false;
      const from = known ?? `${this.#since}-0`;
      const piece = await this.#pieces.read(from, this.#count?.lastId ?? '+', count, (id, payload) => {
        if (id === known) isKnownHeld = true;
        else this.#look(id, payload);
      });
      if (piece === 'no stream') return piece;
      if (piece === 'not allowed') return { isComplete: false, isWhole: false };
      if (!isKnownHeld && (await this.#pieces.isOvertaken(known ?? `${this.#since! - 1}`))) {
        isComplete = false;
        // Something may be gone between these and what was read now.
        this.#found.splice(0, before);
        this.#held.splice(0, heldBefore);
      }
      const isWhole = piece.entries < count;
      if (isWhole || this.#budget.bytes <= 0) return { isComplete, isWhole };
      known = piece.end;
    }
  }

  /** Looks for entries with a time of their own where they would be. */
  async #readTimed(id: string): Promise<void> {
    const { begin, end } = rangeOf(id);
    for (let from = begin; ; ) {
      const count = Math.min(this.#pieces.nextCount(), MAX_TIMED_ENTRIES);
      const piece = await this.#pieces.read(from, end, count, (id, payload) => this.#lookTimed(id, payload));
      if (piece === 'no stream') return this.#noStream();
      if (piece === 'not allowed') return this.#notFound(id, 'unknown');
      if (piece.entries < count) break;
      from = `(${piece.end}`;
    }
    this.#notFound(id, (await this.#pieces.isOvertaken(begin)) ? 'unknown' : 'missing');
  }

  /** What is left of entries with that time. */
  #notFound(id: string, fate: Fate): void {
    for (const place of this.#timed.get(id) ?? []) this.fates.set(place, fate);
    this.#timed.delete(id);
  }

  /** Nothing can be stored there: sent again, each entry is told so. */
  #noStream(): void {
    for (const place of this.#places) this.fates.set(place, 'missing');
    this.#timed.clear();
  }

  #look(id: string, payload: Uint8Array | undefined): void {
    const bytes = payload === undefined ? undefined : this.#payloads.find(payload);
    // One more than could be ours shows that others wrote.
    if (this.#held.length <= this.#places.length) this.#held.push({ id, bytes: bytes ?? OTHER_BYTES });
    if (this.#timedFound.has(id) || this.#lookTimed(id, payload) || bytes === undefined) return;
    // Redis gave ours the time at which it stored them, or a later one.
    if (entryTime(id) >= (this.#since ?? 0)) this.#found.push({ id, bytes });
  }

  /** @returns whether it is one with a time of its own */
  #lookTimed(id: string, payload: Uint8Array | undefined): boolean {
    if (this.#timed.size === 0 || payload === undefined) return false;
    return this.#takeTimed(id, id, payload) || this.#takeTimed(msOf(id), id, payload);
  }

  #takeTimed(sought: string, id: string, payload: Uint8Array): boolean {
    const places = this.#timed.get(sought);
    if (places === undefined) return false;
    const index = places.findIndex((place) => isSame(this.#entries[place]!.payload, payload));
    if (index < 0) return false;
    this.timedIds.set(places[index]!, id);
    this.#timedFound.add(id);
    places.splice(index, 1);
    return true;
  }
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** What XADD would be given for any entry of the same ms. */
const msOf = (id: string): string => id.slice(0, id.indexOf('-')) + ANY_SEQUENCE;

/** The ids that an XADD with `id`, `ms-seq` or `ms-*`, can make. */
function rangeOf(id: string): { readonly begin: string; readonly end: string } {
  if (!id.endsWith(ANY_SEQUENCE)) return { begin: id, end: id };
  const ms = id.slice(0, -ANY_SEQUENCE.length);
  return { begin: `${ms}-0`, end: lastIdOf(ms) };
}
