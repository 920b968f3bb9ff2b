/**
 * What reads brought, on its way to main.
 *
 * Entries of streams whose losses a follower wants to know of wait until it is known whether any before them are
 * missing. All others go at once.
 */

import type { PackedBatch } from '../src/protocol/batch.js';
import { packReply } from '../src/protocol/packed-reply.js';
import { packBatches, type ReadEntries } from '../src/redis/stream-reads.js';
import type { Followed } from './followed.js';
import type { Loss, LossCheck, Step } from './loss-check.js';
import type { ReaderEvent } from './messages.js';

/** The entries of one stream that a read brought. */
export interface Arrival {
  readonly read: ReadEntries;
  readonly step: Step;
}

/** Entries that wait for answers. */
interface Held {
  readonly batches: PackedBatch[];
  readonly buffers: ArrayBuffer[];
  readonly sources: readonly Followed[];
  readonly bytes: number;
  /** Batches about which there is no answer yet, by their index. */
  readonly open: Set<number>;
}

const withLoss = (batch: PackedBatch, loss: Loss | undefined): PackedBatch =>
  loss === undefined ? batch : { ...batch, trimmed: true, ...loss };

const isCounted = ({ step }: Arrival) => step.followed.isCounted;

function pack(arrivals: readonly Arrival[]): Omit<Held, 'open'> {
  const { batches, buffers } = packBatches(arrivals.map(({ read }) => read));
  const sources = arrivals.map(({ step }) => step.followed);
  return { batches, buffers, sources, bytes: arrivals.reduce((sum, { read }) => sum + read.bytes, 0) };
}

export class HeldReads {
  readonly #losses: LossCheck;
  readonly #post: (event: ReaderEvent, transfer: ArrayBuffer[]) => void;
  #held: Held | undefined;

  constructor(losses: LossCheck, post: (event: ReaderEvent, transfer: ArrayBuffer[]) => void) {
    this.#losses = losses;
    this.#post = post;
  }

  /** Entries wait for answers. */
  get isHolding(): boolean {
    return this.#held !== undefined;
  }

  /**
   * Takes what one read brought, before its cursors move on.
   * @param connection the number of the connection that was read
   * @param answered is called after each reply that is still to come
   * @returns how many replies: the next read must wait for them
   */
  take(arrivals: readonly Arrival[], connection: number, answered: () => void): number {
    const counted = arrivals.filter(isCounted);
    const others = counted.length === 0 ? arrivals : arrivals.filter((arrival) => !isCounted(arrival));
    if (others.length > 0) this.#pass(others);
    if (counted.length === 0) return this.#losses.check([], connection, () => {}, answered);
    return this.#hold(counted, connection, answered);
  }

  /** To be called when the connection is lost. */
  lost(): void {
    if (this.#held !== undefined) this.#releaseUnchecked(this.#held);
  }

  #pass(arrivals: readonly Arrival[]): void {
    const packed = pack(arrivals);
    arrivals.forEach(({ step }, index) => {
      const loss = this.#losses.pass(step);
      if (loss !== undefined) packed.batches[index] = withLoss(packed.batches[index]!, loss);
    });
    this.#send(packed, false);
  }

  #hold(arrivals: readonly Arrival[], connection: number, answered: () => void): number {
    // The next read waits until no question about this one can come behind it.
    if (this.#held !== undefined) throw new Error('entries of two reads wait for answers');
    const packed = pack(arrivals);
    const held: Held = { ...packed, open: new Set(packed.batches.keys()) };
    this.#held = held;
    const judged = (index: number, loss: Loss | undefined) => {
      held.batches[index] = withLoss(held.batches[index]!, loss);
      held.open.delete(index);
      if (held.open.size === 0) this.#release(held);
    };
    const steps = arrivals.map(({ step }) => step);
    return this.#losses.check(steps, connection, judged, answered);
  }

  #release(held: Held): void {
    this.#held = undefined;
    this.#send(held, true);
  }

  /** The cursors have moved on: these entries would not be read again. What is missing before them is assumed. */
  #releaseUnchecked(held: Held): void {
    for (const index of held.open) {
      const followed = held.sources[index]!;
      held.batches[index] = withLoss(held.batches[index]!, { lostAfter: followed.confirmed });
      followed.added = undefined;
      followed.confirmed = followed.after;
    }
    this.#release(held);
  }

  #send({ batches, buffers, sources, bytes }: Omit<Held, 'open'>, isCounted: boolean): void {
    const generations = sources.map(({ generation }) => generation);
    this.#post(
      { type: 'entries', reply: packReply(batches, generations, buffers), isCounted, bytes },
      buffers,
    );
  }
}
