/** Followers whose messages are written into an answer that stays open: a picture that moves, events. */
import type { Grant } from '../../../access/grant.js';
import type { FollowerStream } from '../../../follow/followed-stream.js';
import { Follower, type FollowerOutlet, type FollowerParameters } from '../../../follow/follower.js';
import { readTails, resolveCursors } from '../../../follow/live/tails.js';
import type { Run } from '../../../follow/run.js';
import { asFailure, type Failure, isOutOfMemory } from '../../../protocol/errors.js';
import type { StreamSelection } from '../../../protocol/parameters.js';
import type { EntryTrace } from '../../../system/entry-trace.js';
import type { GatewayContext } from '../../context.js';
import type { Header } from '../../http/answer-head.js';
import type { AnswerStream } from '../../http/answer-stream.js';
import type { HttpExchange } from '../../http/http-exchange.js';
import { type OpenAnswer, openAnswer } from '../../http/open-answer.js';

/** A message in parts, as it is written. */
export type AnswerMessage = readonly (string | Uint8Array)[];

/** How messages are written. */
export interface AnswerFraming {
  readonly endpoint: 'mjpeg' | 'events';
  readonly type: string;
  readonly headers?: readonly Header[];
  /** A text without a meaning between two messages. */
  readonly filler: string;
  /** Written first. */
  readonly opening: string;
  message(run: Run): AnswerMessage;
  /**
   * What a client is told at the end, '' where there is no word for it.
   * @param failure undefined: all that was asked for was sent
   */
  lastWords(failure: Failure | undefined): string;
}

/** What is followed. */
export interface FollowRequest {
  readonly selection: StreamSelection;
  readonly keys: readonly string[];
  /** A canonical entry id or `$` for each key. */
  readonly cursors: readonly string[];
  /** Whether the client had the entry at the cursor, and wants to know what it missed since. */
  readonly isResumed?: readonly boolean[];
  readonly parameters: FollowerParameters;
}

/**
 * Answers with the entries of streams as they come, until the client leaves.
 * @param frame given where each stream is read from, once that is known
 * @throws Failure before anything is answered
 */
export async function answerFollower(
  context: GatewayContext,
  exchange: HttpExchange,
  grant: Grant,
  { selection, keys, cursors, isResumed, parameters }: FollowRequest,
  frame: (cursors: readonly string[]) => AnswerFraming,
): Promise<void> {
  const { hub, threads, streamShares } = context;
  const { client } = exchange;
  const checkRoom = () => hub.checkRoom(keys, (more) => streamShares.check(client, more));
  checkRoom();
  const tails = await readTails(context.control, hub, keys);
  checkRoom();
  const resolved = resolveCursors(cursors, tails);
  const streams: FollowerStream[] = keys.map((key, index) => ({
    key,
    cursor: resolved[index]!,
    tail: tails[index]!,
    isResumed: isResumed?.[index] ?? false,
  }));
  const framing = frame(resolved);
  const { endpoint } = framing;
  let follower: Follower | undefined;
  const share = streamShares.open(client);
  const end = (failure?: Failure) => {
    follower?.close();
    share.close();
    answer?.end(failure);
  };
  const endWithWords = (failure?: Failure) => {
    answer?.stream.write(framing.lastWords(failure));
    end(failure);
  };
  const answer = openAnswer(context, exchange, grant, {
    ...framing,
    selection,
    onRoom: () => follower?.pump(),
    // Who comes again after the end of the gateway, or of a token, is told then what is the matter.
    onStop: end,
  });
  if (answer === undefined) {
    share.close();
    return;
  }
  follower = new Follower(
    { hub, threads, counters: context.counters.out[endpoint], payer: share },
    streams,
    parameters,
    new AnswerOutlet(answer, framing, endWithWords),
  );
  follower.pump();
}

class AnswerOutlet implements FollowerOutlet {
  readonly #stream: AnswerStream;
  readonly #trace: EntryTrace | undefined;
  readonly #framing: AnswerFraming;
  readonly #onEnd: (failure?: Failure) => void;

  /** A message could not be made: what comes after it must not be sent. */
  #hasFailed = false;

  constructor({ stream, trace }: OpenAnswer, framing: AnswerFraming, onEnd: (failure?: Failure) => void) {
    this.#stream = stream;
    this.#trace = trace;
    this.#framing = framing;
    this.#onEnd = onEnd;
  }

  isWritable(): boolean {
    return !this.#hasFailed && this.#stream.isWritable;
  }

  cork(send: () => void): void {
    this.#stream.cork(send);
  }

  send(run: Run): number {
    let message: AnswerMessage;
    try {
      message = this.#framing.message(run);
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      this.#hasFailed = true;
      // Not within the library's cork.
      setImmediate(() => this.end(asFailure(error)));
      return 0;
    }
    this.#stream.write(...message);
    this.#trace?.sent(run.batch, run.from, run.from + 1);
    return message.reduce((sum, { length }) => sum + length, 0);
  }

  sendHeartbeat(): boolean {
    // The stream keeps itself alive.
    return false;
  }

  end(failure: Failure): void {
    this.#onEnd(failure);
  }

  complete(): void {
    this.#onEnd();
  }
}
