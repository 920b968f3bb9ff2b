/** The streams that one pipe writes to, each with its prepared command, shared by all producers. */
import { AppendStream } from './command.js';
import type { StreamFeed } from './stream-feed.js';

/**
 * Beyond so many, those that came first and have no followers here are prepared anew: they are quickly made. Of one with
 * followers, or on its way to another shard, there must be no second, which would not know what was written by way of the first.
 */
const MAX_STREAMS = 16_384;

export class AppendStreams {
  readonly #maxLength: number;
  readonly #feeds: ReadonlyMap<string, StreamFeed>;
  readonly #streams = new Map<string, AppendStream>();

  /**
   * @param maxLength about how many entries every append leaves its stream
   * @param feeds followers here, by key; where that changes, call `feedChanged`
   */
  constructor(maxLength: number, feeds: ReadonlyMap<string, StreamFeed> = new Map()) {
    this.#maxLength = maxLength;
    this.#feeds = feeds;
  }

  /** The stream, if it was written to. */
  peek(key: string): AppendStream | undefined {
    return this.#streams.get(key);
  }

  /** What stands for the stream now: a producer may still have one that was forgotten. */
  current(stream: AppendStream): AppendStream {
    return stream.isForgotten ? this.get(stream.key) : stream;
  }

  /** Followers here have come or gone. */
  feedChanged(key: string): void {
    const stream = this.#streams.get(key);
    if (stream !== undefined) stream.proof.feed = this.#feeds.get(key);
  }

  /** It is not known any more whether others have changed any of them. */
  proofLost(): void {
    for (const key of this.#feeds.keys()) this.#streams.get(key)?.proof.lost();
  }

  get(key: string): AppendStream {
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = new AppendStream(key, this.#maxLength);
      stream.proof.feed = this.#feeds.get(key);
      if (this.#streams.size >= MAX_STREAMS) {
        this.#forgetFirst();
        // Where so many take turns, asking each time would double the work of Redis.
        stream.isCountAsked = true;
      }
      this.#streams.set(key, stream);
    }
    return stream;
  }

  #forgetFirst(): void {
    for (const [key, stream] of this.#streams) {
      if (stream.proof.feed !== undefined || stream.place?.isMoving) continue;
      this.#streams.delete(key);
      stream.isForgotten = true;
      return;
    }
  }
}
