/**
 * Reads the ranges of a stream one after the other, each where the last ended, as often as they are wished
 * for on a port of their own: so that Redis and this thread are at work on the next while main still sends.
 */
import type { MessagePort } from 'node:worker_threads';
import { lastId } from '../src/protocol/batch.js';
import { Failure } from '../src/protocol/errors.js';
import type { RangeReader } from '../src/redis/range-reader.js';
import type { RangeNews, RangesTask, RangeWish } from './messages.js';

/** Redis holds the replies to all reads that are asked for at once, however many ports wish. */
const READS_AT_ONCE = 4;
/**
 * A follower that is not told of losses has them counted for the metrics. Trimming overtakes those that read slowly:
 * of the next range so soon after the last one, the entry at the cursor is not read again.
 */
const SOON_MS = 100;

export class RangeServer {
  readonly #reader: RangeReader;
  #reading = 0;
  /** Those that wait for one of the reads to end. */
  readonly #waiting: (() => void)[] = [];

  constructor(reader: RangeReader) {
    this.#reader = reader;
  }

  /** Serves a port until it is closed: by main, or after a failure. */
  serve({ port, key, after, until, proof }: RangesTask): void {
    let cursor = after;
    let readAt = performance.now();
    let isClosed = false;
    /** Wishes are granted in their order. */
    let last = Promise.resolve();
    const read = async (wish: RangeWish) => {
      if (isClosed) return;
      const isSoon = performance.now() - readAt < SOON_MS;
      const request = {
        streams: [{ key, after: cursor }],
        latest: false,
        until,
        proof: proof === 'presence' && isSoon ? 'none' : proof,
      };
      try {
        const [batch] = await this.#reader.read({ ...request, ...wish });
        cursor = lastId(batch!);
        readAt = performance.now();
        tell(port, { batch: batch! }, [batch!.buffer]);
      } catch (error) {
        // What nobody has foreseen ends this thread, and is logged.
        if (!(error instanceof Failure)) throw error;
        tell(port, { failure: error.body });
        port.close();
      }
    };
    port.on('close', () => {
      isClosed = true;
    });
    port.on('message', (wish: RangeWish) => {
      last = last.then(() => this.#inTurn(() => read(wish)));
    });
  }

  async #inTurn(read: () => Promise<void>): Promise<void> {
    if (this.#reading >= READS_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#reading++;
    try {
      await read();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#reading--;
      else next();
    }
  }
}

function tell(port: MessagePort, news: RangeNews, transferred: ArrayBuffer[] = []): void {
  port.postMessage(news, transferred);
}
