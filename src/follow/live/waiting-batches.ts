/** Batches of one stream that wait for what lies before them, oldest first. */
import type { EntryBatch } from '../../protocol/batch.js';
import { compareEntryIds } from '../../protocol/entry-id.js';

const MAX_BYTES = 8 * 1024 * 1024;

interface Waiting {
  readonly batch: EntryBatch;
  /** It is known whether entries before it are missing. */
  readonly isCounted: boolean;
}

export class WaitingBatches {
  readonly #batches: Waiting[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  get first(): Waiting | undefined {
    return this.#batches[0];
  }

  /** Whether they are more than should wait. */
  get areMany(): boolean {
    return this.#bytes > MAX_BYTES;
  }

  add(batch: EntryBatch, isCounted: boolean): void {
    this.#batches.push({ batch, isCounted });
    this.#bytes += batch.bytes.length;
  }

  shift(): Waiting | undefined {
    const first = this.#batches.shift();
    this.#bytes -= first?.batch.bytes.length ?? 0;
    return first;
  }

  /** Lets those go that end at or before the entry `id`. @returns them */
  dropUpTo(id: string): Waiting[] {
    const dropped: Waiting[] = [];
    while (this.first !== undefined && compareEntryIds(this.first.batch.lastId, id) <= 0)
      dropped.push(this.shift()!);
    return dropped;
  }

  clear(): void {
    this.#batches.length = 0;
    this.#bytes = 0;
  }
}
