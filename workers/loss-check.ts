/**
 * Whether entries of a stream were removed before a reader had read them.
 *
 * Where a follower wants to know of losses, each read is followed by a question about every such stream that it
 * brought entries of, and the entries wait for the answer. Of a stream that each read brings entries of, the
 * question is sent along with the read, so that read and answer arrive together; so it is of streams that Redis has
 * told of. All other streams are counted once they are quiet, for the metrics.
 *
 * The question is XINFO STREAM, which counts exactly but copies two entries. Where these are large it is XLEN:
 * a stream that holds many more entries than were read was not trimmed up to them. What XLEN does not show,
 * such as an entry deleted out of the midst, is counted later, when the stream is quiet.
 */
import { DroppedKeys } from '../src/redis/dropped-keys.js';
import { encodeCommand, type ReplyCursor } from '../src/redis/resp.js';
import {
  deletedUpTo,
  isNoStream,
  mayHaveMissed,
  readStreamState,
  type StreamState,
  xinfoStream,
} from '../src/redis/stream-state.js';
import type { Ask, Followed } from './followed.js';

/** XINFO is asked about a stream whose first and last entry take so much together. */
const SMALL_INFO_BYTES = 16 * 1024;
/** So many more entries than were read clear a stream of the suspicion. Some may have come since the read. */
const CLEAR_MARGIN = 16;
/** Streams that are asked about along with a read. */
const MAX_GUARDS = 64;
/** What XINFO may copy in one round of recounting. */
const RECOUNT_BYTES = 1024 * 1024;
/** Streams that are asked about in one round of recounting. */
const RECOUNT_STREAMS = 64;

/** What a read brought of a stream. */
export interface Step {
  readonly key: string;
  readonly followed: Followed;
  readonly after: string;
  readonly entries: number;
  readonly bytes: number;
  readonly lastId: string;
  /** The read brought as many entries as it may: there may be more. */
  readonly isFull: boolean;
}

/** Where entries may be missing. */
export interface Loss {
  /** After this id. */
  readonly lostAfter: string;
  /** Of those that were deleted out of the midst, none is after this id. */
  readonly deletedUpTo?: string;
}

/** @param loss undefined: none is missing */
type Verdict = (loss: Loss | undefined) => void;

/** A question that was sent along with a read. */
interface Guard {
  readonly isState: boolean;
  take(reply: ReplyCursor): void;
}

/** The first and the last entry. */
const guessInfoBytes = ({ bytes, entries }: Step) => (2 * bytes) / entries;

const isSmall = ({ infoBytes = 0 }: Followed) => infoBytes <= SMALL_INFO_BYTES;

export class LossCheck {
  readonly #followed: ReadonlyMap<string, Followed>;
  readonly #ask: Ask;
  /** Of the read under way, by key. */
  #guards: Map<string, Guard> = new Map();
  /** Keys that the last read with entries brought some of. */
  #active: ReadonlySet<string> = new Set();
  /** Those of the last two such reads: the next will probably bring more. */
  #hot: readonly string[] = [];
  /** Streams with reads that were not counted. */
  readonly #uncounted = new Set<string>();
  /** Keys whose XINFO has not been answered, in the order in which they were asked about. */
  readonly #asked: string[] = [];
  readonly #dropped = new DroppedKeys();

  constructor(followed: ReadonlyMap<string, Followed>, ask: Ask) {
    this.#followed = followed;
    this.#ask = ask;
  }

  /**
   * Questions to send right behind a read.
   * @param likely streams that it will probably bring entries of; undefined: those that the last two brought some of
   * @param expect says who takes the reply to each @param answered is called after each reply
   */
  guards(
    likely: readonly string[] | undefined,
    expect: (take: (reply: ReplyCursor) => void) => void,
    answered: () => void,
  ): Buffer[] {
    this.#guards = new Map();
    return (likely ?? this.#hot).slice(0, MAX_GUARDS).flatMap((key) => {
      const followed = this.#followed.get(key);
      // A question behind an ASKING is asked afterwards.
      if (followed === undefined || followed.asks) return [];
      const isState = this.#mayAsk(key, followed);
      const guard: Guard = { isState, take: (reply) => reply.skip() };
      this.#guards.set(key, guard);
      if (isState) this.#asked.push(key);
      expect((reply) => {
        if (isState) this.#answered(key);
        guard.take(reply);
        answered();
      });
      return [isState ? xinfoStream(key) : encodeCommand(['XLEN', key])];
    });
  }

  /** The next read has no questions along with it. */
  noGuards(): void {
    this.#guards = new Map();
  }

  /** How many replies to `guards` follow the read's own. */
  get guardCount(): number {
    return this.#guards.size;
  }

  /**
   * Finds out about each step of the read that was answered just now.
   * @param judged is called once for each @param answered is called after each reply that is still to come
   * @returns how many replies: the next read must wait for them, since they may lead to further questions
   */
  check(
    steps: readonly Step[],
    connection: number,
    judged: (index: number, loss: Loss | undefined) => void,
    answered: () => void,
  ): number {
    let asked = 0;
    steps.forEach((step, index) => {
      const guard = this.#guards.get(step.key);
      const tell: Verdict = (loss) => judged(index, loss);
      const { followed } = step;
      followed.infoBytes ??= guessInfoBytes(step);
      const isFirst = followed.readOn !== connection;
      const takeState = (reply: ReplyCursor) => this.#judgeState(step, this.#readInfo(followed, reply), tell);
      const takeLength = (reply: ReplyCursor) => this.#judgeLength(step, isFirst, reply, tell);
      if (guard !== undefined) guard.take = guard.isState ? takeState : takeLength;
      else if (this.#mayAsk(step.key, followed)) this.#askState(step, tell);
      else {
        asked++;
        const take = (reply: ReplyCursor) => {
          takeLength(reply);
          answered();
        };
        this.#ask(encodeCommand(['XLEN', step.key]), take, step.key);
      }
    });
    const active = new Set(steps.map(({ key }) => key));
    this.#hot = [...active].filter((key) => this.#active.has(key));
    this.#active = active;
    return asked;
  }

  /** Notes a read that nobody wants counted now. @returns what was found out since the last entries, if anything */
  pass(step: Step): Loss | undefined {
    step.followed.infoBytes ??= guessInfoBytes(step);
    this.#countLater(step);
    return this.#lateLoss(step.followed);
  }

  /** Of a stream that comes from another reader, up to `after`: what it has not counted, is counted later. */
  adopt({ key, after, confirmed }: Followed): void {
    if (confirmed !== after) this.#uncounted.add(key);
  }

  /** Counts streams with reads that were not counted, as far as they are quiet. To be called between two reads. */
  recount(): void {
    let bytes = 0;
    let streams = Math.min(this.#uncounted.size, RECOUNT_STREAMS);
    for (const key of this.#uncounted) {
      if (streams-- === 0) return;
      const followed = this.#followed.get(key);
      if (followed === undefined || this.#dropped.has(key)) {
        this.#uncounted.delete(key);
        continue;
      }
      bytes += followed.infoBytes!;
      if (bytes > RECOUNT_BYTES && bytes > followed.infoBytes!) return;
      // The next round begins with others.
      this.#uncounted.delete(key);
      this.#uncounted.add(key);
      this.#askInfo(key, followed, (state) => this.#recounted(key, followed, state));
    }
  }

  /** To be called when the connection is lost: the answer that came next may be the reason. */
  lost(): void {
    const [next] = this.#asked.splice(0);
    if (next !== undefined) this.#dropped.note(next);
    this.noGuards();
  }

  /** Whether XINFO may be asked about the stream as a matter of course. */
  #mayAsk(key: string, followed: Followed): boolean {
    return isSmall(followed) && !this.#dropped.has(key);
  }

  #answered(key: string): void {
    this.#asked.shift();
    this.#dropped.delete(key);
  }

  #judgeState(step: Step, state: StreamState | undefined, tell: Verdict): void {
    const { followed } = step;
    const expected = followed.added === undefined ? undefined : followed.added + step.entries;
    // Without the right to XINFO a loss is not noticed; reading is not stopped for that.
    const isLost = state !== undefined && mayHaveMissed({ ...step, added: followed.added }, state);
    const { confirmed } = followed;
    const isExact = state?.lastId === step.lastId;
    followed.added = isExact ? state!.added : isLost ? undefined : expected;
    followed.confirmed = step.lastId;
    this.#uncounted.delete(step.key);
    if (isLost) tell({ lostAfter: confirmed, deletedUpTo: deletedUpTo(step.lastId, state) });
    else tell(this.#lateLoss(followed));
  }

  #judgeLength(step: Step, isFirst: boolean, reply: ReplyCursor, tell: Verdict): void {
    const { key, followed, entries } = step;
    const length = reply.isError ? 0 : reply.number();
    if (reply.isError) reply.skip();
    if (!isFirst && !step.isFull && length > entries + CLEAR_MARGIN) {
      this.#countLater(step);
      tell(this.#lateLoss(followed));
    } else if (!this.#dropped.has(key)) {
      this.#askState(step, tell);
    } else {
      // Redis has dropped a connection rather than answer XINFO.
      followed.added = undefined;
      tell({ lostAfter: followed.confirmed });
      followed.confirmed = step.lastId;
    }
  }

  #countLater({ key, followed, entries }: Step): void {
    if (followed.added !== undefined) followed.added += entries;
    this.#uncounted.add(key);
  }

  /** What was found out since the last entries, if anything. */
  #lateLoss(followed: Followed): Loss | undefined {
    const { lostAfter } = followed;
    followed.lostAfter = undefined;
    return lostAfter === undefined ? undefined : { lostAfter };
  }

  #askState(step: Step, tell: Verdict): void {
    this.#askInfo(step.key, step.followed, (state) => this.#judgeState(step, state, tell));
  }

  #askInfo(key: string, followed: Followed, take: (state: StreamState | undefined) => void): void {
    this.#asked.push(key);
    const answered = (reply: ReplyCursor) => {
      this.#answered(key);
      take(this.#readInfo(followed, reply));
    };
    this.#ask(xinfoStream(key), answered, key);
  }

  #recounted(key: string, followed: Followed, state: StreamState | undefined): void {
    // Entries that came meanwhile are counted when they are read.
    if (state !== undefined && state.lastId !== followed.after) return;
    this.#uncounted.delete(key);
    if (state === undefined) return;
    const isLost = followed.added !== undefined && followed.added !== state.added;
    followed.added = state.added;
    // Reported with the next entries.
    if (isLost) followed.lostAfter ??= followed.confirmed;
    followed.confirmed = followed.after;
  }

  #readInfo(followed: Followed, reply: ReplyCursor): StreamState | undefined {
    const begin = reply.position;
    const state = readStreamState(reply);
    followed.infoBytes = reply.position - begin;
    // Where its slot is on the way, a stream that is not here may be at the other server.
    return followed.asks && state !== undefined && isNoStream(state) ? undefined : state;
  }
}
