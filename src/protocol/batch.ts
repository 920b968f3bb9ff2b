/**
 * A batch: consecutive entries of one stream as they cross threads and go out to followers.
 *
 *     bytes  | payload 0 | payload 1 | … |
 *            0         ends[0]     ends[1]
 *
 * The payloads lie one after the other, so that any run of entries is one view and no copy. A batch is
 * shared by all followers of its stream and must never be changed.
 */
import { compareEntryIds } from './entry-id.js';

/** A batch as it crosses a thread boundary; `buffer` is transferred. */
export interface PackedBatch {
  readonly key: string;
  /** The cursor that it was read after: no entry that Redis held lies between it and the first. */
  readonly after: string;
  /** Ids in canonical form, joined by spaces: one string crosses far faster than many. */
  readonly ids: string;
  /** End of each payload, in bytes from `offset`. A plain array where they are few, which costs far less. */
  readonly ends: Uint32Array | readonly number[];
  readonly buffer: ArrayBuffer;
  /** Where the payloads begin in `buffer`: small batches of one reply share a buffer. */
  readonly offset: number;
  /** Whether entries after `after` may have been removed before they could be read. */
  readonly trimmed: boolean;
  /** Where a loss was found out late: the id, before `after`, after which entries may be missing. */
  readonly lostAfter?: string;
  /** Where entries may be missing: no id after this one was deleted out of the midst. */
  readonly deletedUpTo?: string;
}

/** A typed array is worth its while for more ends than these. */
const MOST_PLAIN_ENDS = 16;

/** What takes the ends of so many payloads, in order. */
export const endsOf = (payloads: number): Uint32Array | number[] =>
  payloads > MOST_PLAIN_ENDS ? new Uint32Array(payloads) : [];

/** The id of the last entry; `after` where there is none. */
export function lastId({ ids, after }: Pick<PackedBatch, 'ids' | 'after'>): string {
  return ids === '' ? after : ids.slice(ids.lastIndexOf(' ') + 1);
}

export class EntryBatch {
  readonly key: string;
  readonly after: string;
  readonly trimmed: boolean;
  readonly lostAfter: string;
  readonly #deletedUpTo: string | undefined;
  readonly ends: PackedBatch['ends'];
  readonly bytes: Uint8Array;
  readonly #joinedIds: string;
  #ids: readonly string[] | undefined;
  #payloads: Uint8Array[] | undefined;
  #messages: Map<string, unknown[]> | undefined;

  constructor(packed: PackedBatch) {
    this.key = packed.key;
    this.after = packed.after;
    this.trimmed = packed.trimmed;
    this.lostAfter = packed.lostAfter ?? packed.after;
    this.#deletedUpTo = packed.deletedUpTo;
    this.ends = packed.ends;
    this.bytes = new Uint8Array(packed.buffer, packed.offset, packed.ends.at(-1) ?? 0);
    this.#joinedIds = packed.ids;
  }

  get length(): number {
    return this.ends.length;
  }

  get ids(): readonly string[] {
    this.#ids ??= this.#joinedIds === '' ? [] : this.#joinedIds.split(' ');
    return this.#ids;
  }

  /** The id of the last entry; `after` where there is none. */
  get lastId(): string {
    return lastId({ ids: this.#joinedIds, after: this.after });
  }

  /** The first entry, from entry `low` on, whose id is after `id`; `length` where there is none. */
  firstAfter(id: string, low = 0): number {
    const { ids } = this;
    let high = ids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareEntryIds(ids[middle]!, id) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * What lies after the entry `id`, which is not before `after`; undefined where nothing does.
   */
  restAfter(id: string): EntryBatch | undefined {
    if (id === this.after) return this;
    const from = this.firstAfter(id);
    if (from === this.length) return undefined;
    const start = this.start(from);
    return new EntryBatch({
      key: this.key,
      after: id,
      ids: this.ids.slice(from).join(' '),
      ends: Uint32Array.from(this.ends.slice(from), (end) => end - start),
      buffer: this.bytes.buffer as ArrayBuffer,
      offset: this.bytes.byteOffset + start,
      // Before its second entry nothing is missing; what was lost before the cursor was not told.
      ...(from > 0 && compareEntryIds(this.lostAfter, this.after) >= 0 ? { trimmed: false } : this.#loss),
    });
  }

  /** The same as read after the entry `id`, before `after`, by a read that brought `other` first: what it lost is lost. */
  rightAfter(id: string, other: EntryBatch): EntryBatch {
    return new EntryBatch({
      key: this.key,
      after: id,
      ids: this.#joinedIds,
      ends: this.ends,
      buffer: this.bytes.buffer as ArrayBuffer,
      offset: this.bytes.byteOffset,
      ...other.#loss,
    });
  }

  /** The same, but entries may be missing after `id`, which is before `after`. */
  lackingAfter(id: string): EntryBatch {
    const isFirst = !this.trimmed || compareEntryIds(id, this.lostAfter) < 0;
    return new EntryBatch({
      key: this.key,
      after: this.after,
      ids: this.#joinedIds,
      ends: this.ends,
      buffer: this.bytes.buffer as ArrayBuffer,
      offset: this.bytes.byteOffset,
      ...this.#loss,
      trimmed: true,
      lostAfter: isFirst ? id : this.lostAfter,
    });
  }

  get #loss(): Pick<PackedBatch, 'trimmed' | 'lostAfter' | 'deletedUpTo'> {
    const { trimmed, lostAfter } = this;
    return {
      trimmed,
      ...(trimmed && { lostAfter }),
      ...(this.#deletedUpTo !== undefined && { deletedUpTo: this.#deletedUpTo }),
    };
  }

  /** Where entries are missing: the first entry of the batch before which all of them lie, as far as that is known. */
  get resumedAt(): string | undefined {
    const first = this.#deletedUpTo === undefined ? 0 : this.firstAfter(this.#deletedUpTo);
    return this.ids[Math.min(first, this.length - 1)];
  }

  /** Where entry `index` begins in `bytes`. */
  start(index: number): number {
    return index === 0 ? 0 : this.ends[index - 1]!;
  }

  /** The first entry, from entry `low` on, that does not end within the first `bytes` bytes; `length` where all do. */
  firstBeyond(bytes: number, low = 0): number {
    const { ends } = this;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ends[middle]! <= bytes) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The payload of entry `index`, a view that all followers share. */
  payload(index: number): Uint8Array {
    if (this.length === 1 && index === 0) return this.bytes;
    this.#payloads ??= [];
    let view = this.#payloads[index];
    if (view === undefined) {
      view = this.view(index);
      this.#payloads[index] = view;
    }
    return view;
  }

  /** The same for those who copy it at once: the view is not kept. */
  view(index: number): Uint8Array {
    return this.bytes.subarray(this.start(index), this.ends[index]!);
  }

  /**
   * What `make` makes of the run that begins at entry `from`, made once for all who ask with the same
   * `variant`: followers that keep up send the very same messages.
   */
  message<T>(variant: string, from: number, make: () => T): T {
    this.#messages ??= new Map();
    let messages = this.#messages.get(variant);
    if (messages === undefined) {
      messages = [];
      this.#messages.set(variant, messages);
    }
    messages[from] ??= make();
    return messages[from] as T;
  }

  forgetMessages(): void {
    this.#messages = undefined;
  }

  /** The payloads of entries `from` to `to` (excluded), one after the other. */
  run(from: number, to: number): Uint8Array {
    return to === from + 1 ? this.payload(from) : this.bytes.subarray(this.start(from), this.start(to));
  }
}

/** One batch of several that follow one another in the same stream. */
export function joinBatches(parts: readonly PackedBatch[]): PackedBatch {
  const [first] = parts;
  if (first === undefined) throw new Error('there is no batch to join');
  if (parts.length === 1) return first;
  const sizes = parts.map(({ ends }) => ends.at(-1) ?? 0);
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const ends = new Uint32Array(parts.reduce((sum, part) => sum + part.ends.length, 0));
  let at = 0;
  let entry = 0;
  parts.forEach((part, index) => {
    bytes.set(new Uint8Array(part.buffer, part.offset, sizes[index]), at);
    for (const end of part.ends) ends[entry++] = at + end;
    at += sizes[index]!;
  });
  const ids = parts.map((part) => part.ids).filter((joined) => joined !== '');
  return { ...first, ids: ids.join(' '), ends, buffer: bytes.buffer, offset: 0 };
}
