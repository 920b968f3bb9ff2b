/** A feed that notes what it is given. */
import type { StreamFeed } from '../../src/append/stream-feed.js';
import { EntryBatch, type PackedBatch } from '../../src/protocol/batch.js';

export class NotedFeed implements StreamFeed {
  lastId: string;
  isCounted = false;
  entryBytes = 10;
  /** `after: id=payload …`, with `?` where something may have been there before. */
  readonly given: string[] = [];
  readonly buffers: ArrayBufferLike[] = [];
  underway = 0;
  changes = 0;

  constructor(lastId: string) {
    this.lastId = lastId;
  }

  written(): void {
    this.underway++;
  }

  answered(): void {
    this.underway--;
  }

  stored(packed: PackedBatch, isCounted: boolean): void {
    const batch = new EntryBatch(packed);
    const entries = batch.ids.map((id, index) => {
      const payload = Buffer.from(batch.payload(index));
      return `${id}=${payload.length > 20 ? payload.length : payload.toString()}`;
    });
    this.given.push(`${isCounted ? '' : '?'}${batch.after}: ${entries.join(' ')}`);
    this.buffers.push(packed.buffer);
    this.lastId = batch.lastId;
  }

  changedByOthers(): void {
    this.changes++;
  }
}
