/**
 * Where streams are described: what is little here on main, in one round trip; all else in the pool, the way to
 * which costs main more than describing a few streams itself.
 *
 * A reply of many MB would hold main up. Without entries and metadata no reply is large. With them main reads only
 * streams whose parts were small before: the largest seen counts, and is forgotten so slowly that a stream which
 * turns large brings one large reply to main for dozens of small ones at most. A stream that is not known is
 * described by the pool.
 */
import { type DescriberReads, ScriptsNeeded, StreamDescriber } from '../../workers/stream-describer.js';
import type { DescribeRequest, StreamDescription } from '../../workers/stream-description.js';
import { decode } from './decoding.js';
import type { Threads } from './threads.js';

/** What main describes at once. */
const FEW_STREAMS = 16;
/** What Redis may send for that, as far as it is known. */
export const SMALL_BYTES = 16 * 1024;
/** What is left of the largest part that was seen, with each smaller one. */
const REMEMBERED = 0.9;
/** Streams whose parts' size is remembered; a further one makes all be learned anew. */
const MAX_KNOWN = 20_000;

type Wants = Omit<DescribeRequest, 'keys'>;

export class Describes {
  readonly reads: DescriberReads;
  readonly #threads: Threads;
  readonly #describer: StreamDescriber;
  /** The largest part that Redis sent for a stream, by what was asked of it. */
  readonly #largest = new Map<string, number>();
  #scriptsRefused = false;

  /** @param reads main's own, for what is small */
  constructor(reads: DescriberReads, threads: Threads) {
    this.reads = reads;
    this.#threads = threads;
    this.#describer = new StreamDescriber(reads, {
      decode: (payload, forms) => decode(threads, payload, forms),
    });
  }

  /**
   * What XINFO STREAM and the metadata say of each key, in order.
   * @throws Failure
   */
  async describe(request: DescribeRequest): Promise<readonly StreamDescription[]> {
    const streams = this.isSmall(request)
      ? await this.#describeHere(request)
      : await this.#threads.describe(request);
    if (bringsParts(request)) {
      streams.forEach(({ largestBytes }, index) => {
        this.#learn(request.keys[index]!, request, largestBytes);
      });
    }
    return streams;
  }

  /** Whether main would describe these itself. */
  isSmall(request: DescribeRequest): boolean {
    const { keys } = request;
    if (keys.length > FEW_STREAMS) return false;
    if (this.#scriptsRefused && needsScript(request)) return false;
    if (!bringsParts(request)) return true;
    const kind = kindOf(request);
    let bytes = 0;
    for (const key of keys) bytes += this.#largest.get(kind + key) ?? Number.POSITIVE_INFINITY;
    return bytes <= SMALL_BYTES;
  }

  /** There is no such stream, so that there is nothing large. */
  noteNone(key: string, wants: Wants): void {
    if (bringsParts(wants)) this.#learn(key, wants, 0);
  }

  async #describeHere(request: DescribeRequest): Promise<readonly StreamDescription[]> {
    try {
      return (await this.#describer.describe(request)).streams;
    } catch (error) {
      if (!(error instanceof ScriptsNeeded)) throw error;
      this.#scriptsRefused = true;
      return this.#threads.describe(request);
    }
  }

  #learn(key: string, wants: Wants, bytes: number): void {
    const name = kindOf(wants) + key;
    const known = this.#largest.get(name) ?? 0;
    if (this.#largest.size >= MAX_KNOWN) this.#largest.clear();
    this.#largest.set(name, Math.max(bytes, Math.floor(known * REMEMBERED)));
  }
}

const bringsEntries = ({ first, last }: Wants) => first.length + last.length > 0;
const needsScript = (wants: Wants) =>
  !bringsEntries(wants) && (wants.info === 'all' || wants.info === 'newest-id');
const bringsParts = (wants: Wants) => wants.meta || bringsEntries(wants);

/** Requests of a kind bring the same parts of a stream. */
const kindOf = (wants: Wants) => `${bringsEntries(wants) ? wants.info : 'none'} ${wants.meta ? 'meta' : ''} `;
