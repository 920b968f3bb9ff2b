/**
 * The batches of a read as they cross to another thread together: in lists, since an object for each costs more than a
 * small batch. Of which stream each is, and after which entry it begins, the other side knows.
 */
import type { PackedBatch } from './batch.js';

type Losses = Pick<PackedBatch, 'trimmed' | 'lostAfter' | 'deletedUpTo'>;

/** Without a batch's stream. */
export type StreamlessBatch = Omit<PackedBatch, 'key' | 'after'>;

export interface PackedReply {
  /** Of each batch the number that its stream is followed under. */
  readonly generations: readonly number[];
  /** As in {@link PackedBatch}, of each batch. */
  readonly ids: readonly PackedBatch['ids'][];
  readonly ends: readonly PackedBatch['ends'][];
  readonly offsets: readonly number[];
  /** Which of `buffers` each batch lies in. */
  readonly places: readonly number[];
  readonly buffers: readonly ArrayBuffer[];
  /** Of those batches before which entries may be missing, by their index. */
  readonly losses: ReadonlyMap<number, Losses> | undefined;
}

/** @param generations of each batch the number that its stream is followed under @param buffers that the batches lie in */
export function packReply(
  batches: readonly PackedBatch[],
  generations: readonly number[],
  buffers: readonly ArrayBuffer[],
): PackedReply {
  const ids: PackedBatch['ids'][] = [];
  const ends: PackedBatch['ends'][] = [];
  const offsets: number[] = [];
  const places: number[] = [];
  let losses: Map<number, Losses> | undefined;
  let place = 0;
  batches.forEach((batch, index) => {
    ids.push(batch.ids);
    ends.push(batch.ends);
    offsets.push(batch.offset);
    if (batch.buffer !== buffers[place]) place = buffers.indexOf(batch.buffer);
    places.push(place);
    const { trimmed, lostAfter, deletedUpTo } = batch;
    if (!trimmed && lostAfter === undefined) return;
    losses ??= new Map();
    losses.set(index, {
      trimmed,
      ...(lostAfter !== undefined && { lostAfter }),
      ...(deletedUpTo !== undefined && { deletedUpTo }),
    });
  });
  return { generations, ids, ends, offsets, places, buffers, losses };
}

/** The batch `index` of a reply. */
export function batchOfReply(reply: PackedReply, index: number): StreamlessBatch {
  return {
    ids: reply.ids[index]!,
    ends: reply.ends[index]!,
    buffer: reply.buffers[reply.places[index]!]!,
    offset: reply.offsets[index]!,
    trimmed: false,
    ...reply.losses?.get(index),
  };
}
