/**
 * Looks for entries in one stream, byte for byte.
 *
 * It is read from the last entry on that was answered for; where there is none, from a time on. Each piece
 * begins with the last entry of the one before: while that is there, nothing after it was trimmed.
 */
import { crc32 } from 'node:zlib';
import { compareEntryIds } from '../../wire/entry-id.js';
import { AUTO_ID } from '../../wire/push-message.js';
import { failureFromRedis } from '../error-replies.js';
import { PAYLOAD_FIELD } from '../keys.js';
import { encodeOvertaken, readOvertaken } from '../overtaken.js';
import { encodeCommand, type ReplyCursor } from '../resp.js';
import type { Unanswered } from './batch.js';
import type { Fate, FoundEntry, StreamEvidence } from './matching.js';

/** About what is asked for at a time. */
const PIECE_BYTES = 1024 * 1024;
const FIRST_ENTRIES = 4;
const MAX_PIECE_ENTRIES = 64;
/** Of a single ms, of which there are rarely more than one. */
const MAX_TIMED_ENTRIES = 8;
/** An entry's bytes in a reply, besides its fields. */
const FRAMING_BYTES = 64;
const FIELD_NAME = Buffer.from(PAYLOAD_FIELD);
const ANY_SEQUENCE = '-*';
const MAX_SEQUENCE = '18446744073709551615';

/** Where questions are asked: a connection that carries nothing else. */
export interface Asking {
  ask<T>(command: Buffer, take: (reply: ReplyCursor) => T): Promise<T>;
}

/** What may still be read, by all searches together. */
export interface SearchBudget {
  bytes: number;
}

export class StreamSearch {
  readonly #asking: Asking;
  readonly #key: string;
  readonly #entries: readonly Unanswered[];
  readonly #places: readonly number[];
  readonly #since: number | undefined;
  readonly #budget: SearchBudget;
  readonly #payloads = new PayloadNumbers();
  /** Entries with a time of their own, not found yet, by id or `ms-*`. */
  readonly #timed = new Map<string, number[]>();
  readonly #timedFound = new Set<string>();
  readonly #found: FoundEntry[] = [];
  #lastCount = FIRST_ENTRIES;
  #readEntries = 0;
  #readBytes = 0;
  /** What the stream says of entries with Redis' own clock. */
  evidence: StreamEvidence | undefined;
  /** Those with a time of their own that were found. */
  readonly timedIds = new Map<number, string>();
  /** What needs no evidence. */
  readonly fates = new Map<number, Fate>();

  /**
   * @param places where in `entries` those of this stream are, in rising order
   * @param since the first ms of which they can be where no earlier one was answered; undefined: not known
   */
  constructor(
    asking: Asking,
    key: string,
    entries: readonly Unanswered[],
    places: readonly number[],
    since: number | undefined,
    budget: SearchBudget,
  ) {
    this.#asking = asking;
    this.#key = key;
    this.#entries = entries;
    this.#places = places;
    this.#since = since;
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
    const sought = auto.map((place) => this.#payloads.numberOf(this.#entries[place]!.payload));
    const last = this.#lastId();
    // Without a last entry they can be anywhere: their times are their own.
    if (last === undefined) for (const id of [...this.#timed.keys()]) await this.#readTimed(id);
    if (auto.length === 0 && this.#timed.size === 0) return;
    const read = await this.#read(last);
    if (read === 'no stream') {
      this.#noStream();
      return;
    }
    this.evidence = { places: auto, sought, found: this.#found, ...read };
    for (const id of [...this.#timed.keys()]) {
      // Redis refuses what is not after the last entry.
      const isLate = last !== undefined && compareEntryIds(rangeOf(id).end, last) <= 0;
      this.#notFound(id, isLate || (read.isComplete && read.isWhole) ? 'missing' : 'unknown');
    }
  }

  /** The newest entry of ours that was answered: what is looked for comes after it. */
  #lastId(): string | undefined {
    let last: string | undefined;
    for (const place of this.#places) {
      const { lastId } = this.#entries[place]!.stream;
      if (lastId !== undefined && (last === undefined || compareEntryIds(lastId, last) > 0)) last = lastId;
    }
    return last;
  }

  async #read(last: string | undefined): Promise<{ isComplete: boolean; isWhole: boolean } | 'no stream'> {
    let isComplete = last !== undefined || this.#since !== undefined;
    if (!isComplete) return { isComplete, isWhole: false };
    // Each piece begins with the last entry that is known: while that is there, nothing after it was trimmed.
    let known = last;
    for (;;) {
      const count = this.#pieceEntries();
      const before = this.#found.length;
      let isKnownHeld = false;
      const piece = await this.#readPiece(known ?? `${this.#since}-0`, '+', count, (id, payload) => {
        if (id === known) isKnownHeld = true;
        else if (!this.#lookTimed(id, payload)) this.#look(id, payload);
      });
      if (piece === 'no stream') return piece;
      if (piece === 'not allowed') return { isComplete: false, isWhole: false };
      if (!isKnownHeld && (await this.#isOvertaken(known ?? `${this.#since! - 1}`))) {
        isComplete = false;
        // Something may be gone between these and what was read now.
        this.#found.splice(0, before);
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
      const count = Math.min(this.#pieceEntries(), MAX_TIMED_ENTRIES);
      const piece = await this.#readPiece(from, end, count, (id, payload) => this.#lookTimed(id, payload));
      if (piece === 'no stream') return this.#noStream();
      if (piece === 'not allowed') return this.#notFound(id, 'unknown');
      if (piece.entries < count) break;
      from = `(${piece.end}`;
    }
    this.#notFound(id, (await this.#isOvertaken(begin)) ? 'unknown' : 'missing');
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

  /**
   * As many entries as are about a piece, by those that were read, and not many more than the last time:
   * of what is not read yet only the number is known.
   */
  #pieceEntries(): number {
    const fitting = Math.floor((PIECE_BYTES * this.#readEntries) / Math.max(this.#readBytes, 1));
    const count = Math.min(this.#lastCount * 2, this.#readEntries === 0 ? FIRST_ENTRIES : fitting);
    // More than one, since the first is known.
    this.#lastCount = Math.min(Math.max(count, 2), MAX_PIECE_ENTRIES);
    return this.#lastCount;
  }

  /** Reads at most `count` entries; `look` is given the payload of those that could be ours. */
  #readPiece(
    from: string,
    to: string,
    count: number,
    look: (id: string, payload: Uint8Array | undefined) => void,
  ): Promise<{ readonly entries: number; readonly end: string } | 'no stream' | 'not allowed'> {
    return this.#asking.ask(encodeCommand(['XRANGE', this.#key, from, to, 'COUNT', count]), (reply) => {
      if (reply.isError) return readRefusal(reply.text());
      let end = from;
      const entries = reply.array();
      for (let index = 0; index < entries; index++) {
        reply.array();
        end = reply.text();
        const { payload, bytes } = readFields(reply);
        this.#count(bytes);
        look(end, payload);
      }
      return { entries, end };
    });
  }

  #count(bytes: number): void {
    this.#readEntries++;
    this.#readBytes += bytes + FRAMING_BYTES;
    this.#budget.bytes -= bytes + FRAMING_BYTES;
  }

  #look(id: string, payload: Uint8Array | undefined): void {
    const bytes = payload === undefined ? undefined : this.#payloads.find(payload);
    if (bytes !== undefined && !this.#timedFound.has(id)) this.#found.push({ id, bytes });
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

  /** Whether entries after `cursor` were removed. */
  #isOvertaken(cursor: string): Promise<boolean> {
    // Where scripts are not allowed, it may have been.
    return this.#asking.ask(
      encodeOvertaken(this.#key, cursor),
      (reply) => readOvertaken(reply)?.mayBe ?? true,
    );
  }
}

/** Numbers payloads: the same bytes have the same number. */
class PayloadNumbers {
  readonly #lengths = new Set<number>();
  readonly #known = new Map<string, { readonly payload: Uint8Array; readonly number: number }[]>();
  #next = 0;

  numberOf(payload: Uint8Array): number {
    const found = this.find(payload);
    if (found !== undefined) return found;
    this.#lengths.add(payload.length);
    const key = keyOf(payload);
    const number = this.#next++;
    this.#known.set(key, [...(this.#known.get(key) ?? []), { payload, number }]);
    return number;
  }

  find(payload: Uint8Array): number | undefined {
    if (!this.#lengths.has(payload.length)) return undefined;
    return this.#known.get(keyOf(payload))?.find((known) => isSame(known.payload, payload))?.number;
  }
}

const keyOf = (payload: Uint8Array): string => `${payload.length} ${crc32(payload)}`;
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** What XADD would be given for any entry of the same ms. */
const msOf = (id: string): string => id.slice(0, id.indexOf('-')) + ANY_SEQUENCE;

/** The ids that an XADD with `id`, `ms-seq` or `ms-*`, can make. */
function rangeOf(id: string): { readonly begin: string; readonly end: string } {
  if (!id.endsWith(ANY_SEQUENCE)) return { begin: id, end: id };
  const ms = id.slice(0, -ANY_SEQUENCE.length);
  return { begin: `${ms}-0`, end: `${ms}-${MAX_SEQUENCE}` };
}

/** Reads an entry's fields: how many bytes, and the payload where that is the only one, as in our entries. */
function readFields(reply: ReplyCursor): {
  readonly payload: Uint8Array | undefined;
  readonly bytes: number;
} {
  const words = Array.from({ length: reply.array() }, () => reply.bytes() ?? Buffer.alloc(0));
  const isOurs = words.length === 2 && words[0]!.equals(FIELD_NAME);
  return {
    payload: isOurs ? words[1] : undefined,
    bytes: words.reduce((sum, { length }) => sum + length, 0),
  };
}

/** @throws Failure where it passes by itself */
function readRefusal(text: string): 'no stream' | 'not allowed' {
  const failure = failureFromRedis(text);
  if (failure.code === 'wrong_type') return 'no stream';
  if (failure.code === 'redis_denied') return 'not allowed';
  throw failure;
}
