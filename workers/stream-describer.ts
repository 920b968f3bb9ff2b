/**
 * XINFO STREAM of many streams at once, taking no more from Redis than is asked for: lengths alone by
 * XLEN; the newest entry alone by XREVRANGE; all but the entries' data through a script that leaves the
 * entries in Redis; with the data by XINFO STREAM itself, whose first and last entry are decoded here, of
 * as many streams at a time as make up a few megabytes.
 */
import { AnswerBudget } from '../src/protocol/answer-budget.js';
import type { CommandConnection } from '../src/redis/command-connection.js';
import { failureFromRedis } from '../src/redis/error-replies.js';
import { streamMetaKey } from '../src/redis/keys.js';
import { encodeCommand } from '../src/redis/resp.js';
import { DESCRIBE_SCRIPT, NEWEST_IDS_SCRIPT, NO_SCRIPTS } from '../src/redis/scripts.js';
import { xnewest } from '../src/redis/stream-reads.js';
import { type Decode, errorText, type Reading, readInfo, readNewest } from './describe-replies.js';
import {
  type DescribeRequest,
  decodeEntry,
  emptyDescription,
  type StreamDescription,
} from './stream-description.js';

export interface DescribeResult {
  readonly streams: readonly StreamDescription[];
  /** Redis does not run scripts for us, so entries were moved that nobody asked for. */
  readonly scriptsRefused: boolean;
}

/** Keys in one call of the script, which holds up everybody else for as long as it runs. */
const KEYS_A_CALL = 100;
/** What Redis copies for one such call, before those of others have their turn. */
const COPIED_BYTES = 8 * 1024 * 1024;
/** Keys in the first round trip for entries, whose size nobody knows then; later ones follow what came. */
const FIRST_KEYS = 4;
/** What Redis may hold for us at a time, and we for the answer. */
const TRIP_BYTES = 8 * 1024 * 1024;
/** Without scripts entries would be moved that nobody asked for. */
export class ScriptsNeeded extends Error {}

export class StreamDescriber {
  readonly #connection: Pick<CommandConnection, 'send'>;
  readonly #smallOnly: { readonly decode: Decode } | undefined;
  #scriptsRefused = false;

  /** @param smallOnly it is asked only for what is small, and moves no entries that nobody asked for */
  constructor(connection: Pick<CommandConnection, 'send'>, smallOnly?: { readonly decode: Decode }) {
    this.#connection = connection;
    this.#smallOnly = smallOnly;
  }

  /**
   * A description of each key, in order.
   * @throws Failure where Redis does not answer or refuses it all, what it says of a single key being that
   *   key's `error`; `payload_too_large`
   * @throws ScriptsNeeded where it is asked only for what is small
   */
  async describe(request: DescribeRequest): Promise<DescribeResult> {
    const { keys } = request;
    const streams = keys.map(emptyDescription);
    const budget = new AnswerBudget();
    const { decode = decodeEntry } = this.#smallOnly ?? {};
    const reading: Reading = { request, budget, decode, decoding: [] };
    const replies: Promise<unknown>[] = [];
    if (request.meta) replies.push(this.#readMeta(keys, streams, budget));
    const needsEntries = request.first.length + request.last.length > 0;
    const isScripted = !needsEntries && (request.info === 'all' || request.info === 'newest-id');
    if (needsEntries || (isScripted && this.#scriptsRefused)) {
      replies.push(this.#readWhole(reading, keys, streams));
    } else if (isScripted) {
      for (let from = 0; from < keys.length; from += KEYS_A_CALL) {
        const to = from + KEYS_A_CALL;
        replies.push(this.#readStripped(reading, keys.slice(from, to), streams.slice(from, to)));
      }
    } else if (request.info === 'length') {
      replies.push(this.#readLengths(keys, streams));
    }
    await Promise.all(replies);
    await Promise.all(reading.decoding);
    return { streams, scriptsRefused: this.#scriptsRefused };
  }

  async #readMeta(
    keys: readonly string[],
    streams: readonly StreamDescription[],
    budget: AnswerBudget,
  ): Promise<void> {
    for (let from = 0; from < keys.length; from += KEYS_A_CALL) {
      const command = encodeCommand(['MGET', ...keys.slice(from, from + KEYS_A_CALL).map(streamMetaKey)]);
      await this.#connection.send(command, (reply) => {
        if (reply.isError) throw failureFromRedis(reply.text());
        const end = from + reply.array();
        for (let index = from; index < end; index++) {
          const stream = streams[index]!;
          const bytes = reply.bytes();
          stream.meta = bytes?.toString() ?? null;
          stream.answerBytes += bytes?.length ?? 0;
          stream.largestBytes = Math.max(stream.largestBytes, bytes?.length ?? 0);
          budget.spend(bytes?.length ?? 0);
        }
      });
    }
  }

  #readLengths(keys: readonly string[], streams: readonly StreamDescription[]): Promise<unknown> {
    const replies = keys.map((key, index) =>
      this.#connection.send(encodeCommand(['XLEN', key]), (reply) => {
        if (reply.isError) streams[index]!.error = errorText(reply.text());
        else streams[index]!.length = reply.number();
      }),
    );
    return Promise.all(replies);
  }

  async #readWhole(
    reading: Reading,
    keys: readonly string[],
    streams: readonly StreamDescription[],
  ): Promise<void> {
    const isNewest = reading.request.info === 'newest';
    let count = this.#smallOnly === undefined ? FIRST_KEYS : keys.length;
    for (let from = 0; from < keys.length; ) {
      const trip = keys.slice(from, from + count);
      let moved = 0;
      await Promise.all(
        trip.map((key, index) => {
          const stream = streams[from + index]!;
          return isNewest
            ? this.#connection.send(xnewest(key), (reply) => {
                moved += readNewest(reply, stream, reading);
              })
            : this.#connection.send(encodeCommand(['XINFO', 'STREAM', key]), (reply) => {
                moved += readInfo(reply, stream, reading);
              });
        }),
      );
      from += trip.length;
      const fitting = Math.floor((TRIP_BYTES * trip.length) / moved);
      count = Math.max(1, Math.min(count * 4, fitting));
    }
  }

  async #readStripped(
    reading: Reading,
    keys: readonly string[],
    streams: readonly StreamDescription[],
  ): Promise<void> {
    const script = reading.request.info === 'all' ? DESCRIBE_SCRIPT : NEWEST_IDS_SCRIPT;
    let from = 0;
    let refusal: string | undefined;
    while (from < keys.length && refusal === undefined) {
      const rest = keys.slice(from);
      const command = encodeCommand(['EVAL', script, rest.length, ...rest, COPIED_BYTES]);
      refusal = await this.#connection.send(command, (reply) => {
        if (reply.isError) return reply.text();
        for (let count = reply.array(); count > 0; count--) readInfo(reply, streams[from++]!, reading);
        return undefined;
      });
    }
    if (refusal === undefined) return;
    const isRefused = NO_SCRIPTS.test(refusal);
    // A key that one may not read is refused by itself when asked for by itself.
    if (!isRefused && !refusal.startsWith('NOPERM')) throw failureFromRedis(refusal);
    if (this.#smallOnly !== undefined) throw new ScriptsNeeded();
    if (isRefused) this.#scriptsRefused = true;
    await this.#readWhole(reading, keys, streams);
  }
}
