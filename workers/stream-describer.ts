/**
 * XINFO STREAM of many streams at once, taking no more from Redis than is asked for: lengths alone by
 * XLEN; the newest entry alone by XREVRANGE; all but the entries' data through a script that leaves the
 * entries in Redis; with the data by XINFO STREAM itself, whose first and last entry are decoded here, of
 * as many streams at a time as make up a few megabytes.
 */
import { AnswerBudget } from '../src/protocol/answer-budget.js';
import { Failure } from '../src/protocol/errors.js';
import { failureFromRedis } from '../src/redis/error-replies.js';
import type { KeyReads } from '../src/redis/key-reads.js';
import { streamMetaKey } from '../src/redis/keys.js';
import { encodeCommand, type ReplyCursor } from '../src/redis/resp.js';
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

export type DescriberReads = Pick<KeyReads, 'send' | 'takesManyKeys'>;

/** A key and what is found of it. */
interface Described {
  readonly key: string;
  readonly stream: StreamDescription;
}

export class StreamDescriber {
  readonly #reads: DescriberReads;
  readonly #smallOnly: { readonly decode: Decode } | undefined;
  #scriptsRefused = false;

  /** @param smallOnly it is asked only for what is small, and moves no entries that nobody asked for */
  constructor(reads: DescriberReads, smallOnly?: { readonly decode: Decode }) {
    this.#reads = reads;
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
    const all = keys.map((key) => ({ key, stream: emptyDescription() }));
    const budget = new AnswerBudget();
    const { decode = decodeEntry } = this.#smallOnly ?? {};
    const reading: Reading = { request, budget, decode, decoding: [] };
    const replies: Promise<unknown>[] = [];
    if (request.meta) replies.push(this.#readMeta(all, budget));
    const needsEntries = request.first.length + request.last.length > 0;
    const isScripted = !needsEntries && (request.info === 'all' || request.info === 'newest-id');
    if (needsEntries || (isScripted && this.#scriptsRefused)) {
      replies.push(this.#readWhole(reading, all));
    } else if (isScripted) {
      replies.push(this.#readStripped(reading, all));
    } else if (request.info === 'length') {
      replies.push(this.#readLengths(all));
    }
    await Promise.all(replies);
    await Promise.all(reading.decoding);
    return { streams: all.map(({ stream }) => stream), scriptsRefused: this.#scriptsRefused };
  }

  async #readMeta(all: readonly Described[], budget: AnswerBudget): Promise<void> {
    const take = (reply: ReplyCursor, stream: StreamDescription) => {
      const bytes = reply.bytes();
      stream.meta = bytes?.toString() ?? null;
      stream.answerBytes += bytes?.length ?? 0;
      stream.largestBytes = Math.max(stream.largestBytes, bytes?.length ?? 0);
      budget.spend(bytes?.length ?? 0);
    };
    for (let from = 0; from < all.length; from += KEYS_A_CALL) {
      const some = all.slice(from, from + KEYS_A_CALL);
      if (this.#reads.takesManyKeys) {
        const names = some.map(({ key }) => streamMetaKey(key));
        await this.#reads.send(names[0]!, encodeCommand(['MGET', ...names]), (reply) => {
          if (reply.isError) throw failureFromRedis(reply.text());
          reply.array();
          for (const { stream } of some) take(reply, stream);
        });
        continue;
      }
      await this.#each(some, ({ key, stream }) => {
        const name = streamMetaKey(key);
        return this.#reads.send(name, encodeCommand(['GET', name]), (reply) => {
          if (!reply.isError) return take(reply, stream);
          const error = reply.text();
          // MGET has none for a key of another type.
          if (!error.startsWith('WRONGTYPE')) throw failureFromRedis(error);
        });
      });
    }
  }

  #readLengths(all: readonly Described[]): Promise<unknown> {
    return this.#each(all, ({ key, stream }) =>
      this.#reads.send(key, encodeCommand(['XLEN', key]), (reply) => {
        if (reply.isError) stream.error = errorText(reply.text());
        else stream.length = reply.number();
      }),
    );
  }

  async #readWhole(reading: Reading, all: readonly Described[]): Promise<void> {
    const isNewest = reading.request.info === 'newest';
    let count = this.#smallOnly === undefined ? FIRST_KEYS : all.length;
    for (let from = 0; from < all.length; ) {
      const trip = all.slice(from, from + count);
      let moved = 0;
      await this.#each(trip, ({ key, stream }) =>
        isNewest
          ? this.#reads.send(key, xnewest(key), (reply) => {
              moved += readNewest(reply, stream, reading);
            })
          : this.#reads.send(key, encodeCommand(['XINFO', 'STREAM', key]), (reply) => {
              moved += readInfo(reply, stream, reading);
            }),
      );
      from += trip.length;
      const fitting = Math.floor((TRIP_BYTES * trip.length) / moved);
      count = Math.max(1, Math.min(count * 4, fitting));
    }
  }

  async #readStripped(reading: Reading, all: readonly Described[]): Promise<void> {
    const refused: Described[] = [];
    const run = async (some: readonly Described[]) => {
      if (await this.#runScript(reading, some)) return;
      refused.push(...some);
    };
    if (this.#reads.takesManyKeys) {
      const calls: Promise<void>[] = [];
      for (let from = 0; from < all.length; from += KEYS_A_CALL)
        calls.push(run(all.slice(from, from + KEYS_A_CALL)));
      await Promise.all(calls);
    } else await this.#each(all, (one) => run([one]));
    if (refused.length === 0) return;
    if (this.#smallOnly !== undefined) throw new ScriptsNeeded();
    await this.#readWhole(reading, refused);
  }

  /** @returns false where scripts, or some of the keys, are refused */
  async #runScript(reading: Reading, some: readonly Described[]): Promise<boolean> {
    const script = reading.request.info === 'all' ? DESCRIBE_SCRIPT : NEWEST_IDS_SCRIPT;
    for (let from = 0; from < some.length; ) {
      const rest = some.slice(from).map(({ key }) => key);
      const command = encodeCommand(['EVAL', script, rest.length, ...rest, COPIED_BYTES]);
      const refusal = await this.#reads.send(rest[0]!, command, (reply) => {
        if (reply.isError) return reply.text();
        for (let count = reply.array(); count > 0; count--) readInfo(reply, some[from++]!.stream, reading);
        return undefined;
      });
      if (refusal === undefined) continue;
      const isRefused = NO_SCRIPTS.test(refusal);
      // A key that one may not read is refused by itself when asked for by itself.
      if (!isRefused && !refusal.startsWith('NOPERM')) throw failureFromRedis(refusal);
      if (isRefused) this.#scriptsRefused = true;
      return false;
    }
    return true;
  }

  /**
   * Asks about each key. Of several servers those that are away are the matter of their keys alone, unless all are.
   * @throws Failure
   */
  async #each(all: readonly Described[], ask: (one: Described) => Promise<unknown>): Promise<void> {
    let away = 0;
    await Promise.all(
      all.map(async (one) => {
        try {
          await ask(one);
        } catch (error) {
          const isAway = error instanceof Failure && error.code === 'redis_unavailable';
          if (!isAway || this.#reads.takesManyKeys || ++away === all.length) throw error;
          one.stream.error = error.message;
        }
      }),
    );
  }
}
