/** The batches that the hub keeps for followers that are a little behind: within a bound over all streams. */
import type { EntryBatch } from '../../protocol/batch.js';
import type { HubStream } from './hub-stream.js';

/** Batches kept for one stream, beyond its newest. */
const MAX_STREAM_BYTES = 8 * 1024 * 1024;
/** Batches kept for all streams together. */
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;

/** One batch's coming, by which the oldest of all streams is found. */
interface Arrival {
  readonly stream: HubStream;
  readonly number: number;
}

const isHeld = ({ stream, number }: Arrival) => number >= stream.firstNumber;

export class KeptBatches {
  /** Every batch in the order of arrival, some of them let go by now. */
  #arrivals: Arrival[] = [];
  #oldest = 0;
  #batches = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a batch to its stream; older ones may have to go. @param isCounted as `HubStream.add` takes it */
  add(stream: HubStream, batch: EntryBatch, isCounted: boolean): void {
    this.#arrivals.push({ stream, number: stream.nextNumber });
    this.#bytes += stream.add(batch, isCounted);
    this.#batches++;
    this.#trim(stream);
  }

  /** Lets all batches of a stream go. */
  clear(stream: HubStream): void {
    while (stream.length > 0) this.#drop(stream);
  }

  #drop(stream: HubStream): void {
    this.#bytes -= stream.dropOldest();
    this.#batches--;
  }

  #trim(stream: HubStream): void {
    while (stream.bytes > MAX_STREAM_BYTES && stream.length > 1) this.#drop(stream);
    while (this.#bytes > MAX_TOTAL_BYTES && this.#oldest < this.#arrivals.length - 1) {
      const arrival = this.#arrivals[this.#oldest++]!;
      if (isHeld(arrival)) this.#drop(arrival.stream);
    }
    // Arrivals of batches that are gone are swept out before they outnumber those held.
    if (this.#arrivals.length > 2 * this.#batches + 1024) {
      this.#arrivals = this.#arrivals.filter(isHeld);
      this.#oldest = 0;
    }
  }
}
