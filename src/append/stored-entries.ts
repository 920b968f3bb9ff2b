/** Packs entries that were stored for the followers of their stream, from the batch that carried them. */
import { endsOf, type PackedBatch } from '../protocol/batch.js';

/** An entry that Redis has stored. */
export interface StoredEntry {
  readonly id: string;
  /** Where its payload is; of a large one the buffer is handed over. */
  readonly payload: StoredPayload;
}

export type StoredPayload =
  | { readonly slab: Buffer; readonly at: number; readonly length: number }
  | { readonly large: ArrayBuffer; readonly length: number };

/**
 * In batches that follow one another: large payloads each in one of their own without being copied, small ones together.
 * @param after Redis held nothing between this entry and the first @param entries of the stream `key`
 */
export function packStored(key: string, after: string, entries: readonly StoredEntry[]): PackedBatch[] {
  const batches: PackedBatch[] = [];
  let last = after;
  for (let from = 0; from < entries.length; ) {
    const { payload, id } = entries[from]!;
    if ('large' in payload) {
      const ends = [payload.length];
      batches.push({ key, after: last, ids: id, ends, buffer: payload.large, offset: 0, trimmed: false });
      last = id;
      from++;
      continue;
    }
    let to = from + 1;
    while (to < entries.length && 'slab' in entries[to]!.payload) to++;
    batches.push(packSmall(key, last, entries.slice(from, to)));
    last = entries[to - 1]!.id;
    from = to;
  }
  return batches;
}

function packSmall(key: string, after: string, entries: readonly StoredEntry[]): PackedBatch {
  const ends = endsOf(entries.length);
  let size = 0;
  entries.forEach(({ payload }, index) => {
    size += payload.length;
    ends[index] = size;
  });
  // Never from Node's shared pool: followers that are behind would keep it alive.
  const bytes = Buffer.allocUnsafeSlow(size);
  entries.forEach(({ payload }, index) => {
    if ('slab' in payload) {
      payload.slab.copy(bytes, ends[index]! - payload.length, payload.at, payload.at + payload.length);
    }
  });
  const ids = entries.map(({ id }) => id).join(' ');
  return { key, after, ids, ends, buffer: bytes.buffer, offset: 0, trimmed: false };
}
