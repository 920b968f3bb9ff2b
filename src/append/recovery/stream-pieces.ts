/** Reads a stream piece by piece on the connection of a search, and asks how the stream stands. */
import { failureFromRedis } from '../../redis/error-replies.js';
import { PAYLOAD_FIELD } from '../../redis/keys.js';
import { encodeCommand, type ReplyCursor } from '../../redis/resp.js';
import type { Asking } from '../questions.js';
import { encodeStreamCount, readStreamCount, type StreamCount } from '../stream-count.js';
import { encodeOvertaken, readOvertaken } from './overtaken.js';

/** About what is asked for at a time. */
const PIECE_BYTES = 1024 * 1024;
const FIRST_ENTRIES = 4;
const MAX_PIECE_ENTRIES = 64;
/** An entry's bytes in a reply, besides its fields. */
const FRAMING_BYTES = 64;
const FIELD_NAME = Buffer.from(PAYLOAD_FIELD);

/** What may still be read, by all searches together. */
export interface SearchBudget {
  bytes: number;
}

export class StreamPieces {
  readonly #asking: Asking;
  readonly #key: string;
  readonly #budget: SearchBudget;
  #lastCount = FIRST_ENTRIES;
  #readEntries = 0;
  #readBytes = 0;

  constructor(asking: Asking, key: string, budget: SearchBudget) {
    this.#asking = asking;
    this.#key = key;
    this.#budget = budget;
  }

  /** @returns undefined where Redis does not count, or does not allow scripts */
  askCount(): Promise<StreamCount | 'no stream' | undefined> {
    return this.#asking.ask(encodeStreamCount(this.#key), (reply) => {
      if (!reply.isError) return readStreamCount(reply);
      const refusal = readRefusal(reply.text());
      return refusal === 'no stream' ? refusal : undefined;
    });
  }

  /**
   * As many entries as are about a piece, by those that were read, and not many more than the last time:
   * of what is not read yet only the number is known.
   */
  nextCount(): number {
    const fitting = Math.floor((PIECE_BYTES * this.#readEntries) / Math.max(this.#readBytes, 1));
    const count = Math.min(this.#lastCount * 2, this.#readEntries === 0 ? FIRST_ENTRIES : fitting);
    // More than one, since the first is known.
    this.#lastCount = Math.min(Math.max(count, 2), MAX_PIECE_ENTRIES);
    return this.#lastCount;
  }

  /** Reads at most `count` entries; `look` is given the payload of those that could be ours. */
  read(
    from: string,
    to: string,
    count: number,
    look: (id: string, payload: Uint8Array | undefined) => void,
  ): Promise<{ readonly entries: number; readonly end: string } | 'no stream' | 'not allowed'> {
    return this.#asking.ask(encodeCommand(['XRANGE', this.#key, from, to, 'COUNT', count]), (reply) => {
      if (reply.isError) return readRefusal(reply.text());
      let end = from;
      const entries = reply.array();
      for (let index = 0; index < entries; index++) {
        reply.array();
        end = reply.text();
        const { payload, bytes } = readFields(reply);
        this.#wasRead(bytes);
        look(end, payload);
      }
      return { entries, end };
    });
  }

  #wasRead(bytes: number): void {
    this.#readEntries++;
    this.#readBytes += bytes + FRAMING_BYTES;
    this.#budget.bytes -= bytes + FRAMING_BYTES;
  }

  /** Whether entries after `cursor` were removed. */
  isOvertaken(cursor: string): Promise<boolean> {
    // Where scripts are not allowed, it may have been.
    return this.#asking.ask(encodeOvertaken(this.#key, cursor), (reply) => readOvertaken(reply) ?? true);
  }
}

/** Reads an entry's fields: how many bytes, and the payload where that is the only one, as in our entries. */
function readFields(reply: ReplyCursor): {
  readonly payload: Uint8Array | undefined;
  readonly bytes: number;
} {
  const words = Array.from({ length: reply.array() }, () => reply.bytes() ?? Buffer.alloc(0));
  const isOurs = words.length === 2 && words[0]!.equals(FIELD_NAME);
  return {
    payload: isOurs ? words[1] : undefined,
    bytes: words.reduce((sum, { length }) => sum + length, 0),
  };
}

/** @throws Failure where it passes by itself */
function readRefusal(text: string): 'no stream' | 'not allowed' {
  const failure = failureFromRedis(text);
  if (failure.code === 'wrong_type') return 'no stream';
  if (failure.code === 'redis_denied') return 'not allowed';
  throw failure;
}
