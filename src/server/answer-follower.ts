/** Followers whose messages are written into an answer that stays open: a picture that moves, events. */
import type { Grant } from '../access/grant.js';
import type { Failure } from '../errors.js';
import type { FollowerStream, Run } from '../streams/followed-stream.js';
import { Follower, type FollowerOutlet, type FollowerParameters } from '../streams/follower.js';
import { readTails, resolveCursors } from '../streams/tails.js';
import type { StreamSelection } from '../wire/parameters.js';
import type { AnswerStream } from './answer-stream.js';
import type { GatewayContext } from './context.js';
import type { Header, HttpExchange } from './http-exchange.js';
import { openAnswer } from './open-answer.js';

/** A message in parts, as it is written. */
export type AnswerMessage = readonly (string | Uint8Array)[];

/** How messages are written. */
export interface Framing {
  readonly endpoint: 'mjpeg' | 'events';
  readonly type: string;
  readonly headers?: readonly Header[];
  /** A text without a meaning between two messages. */
  readonly filler: string;
  /** Written first. */
  readonly opening: string;
  message(run: Run): AnswerMessage;
  /** What a client is told of a failure that ends it; '' where there is no word for it. */
  lastWords(failure: Failure): string;
}

/** What is followed. */
export interface FollowRequest {
  readonly selection: StreamSelection;
  readonly keys: readonly string[];
  /** A canonical entry id or `$` for each key. */
  readonly cursors: readonly string[];
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
  { selection, keys, cursors, parameters }: FollowRequest,
  frame: (cursors: readonly string[]) => Framing,
): Promise<void> {
  context.hub.checkRoom(keys);
  const tails = await readTails(context.control, context.hub, keys);
  const resolved = resolveCursors(cursors, tails);
  const streams: FollowerStream[] = keys.map((key, index) => ({
    key,
    cursor: resolved[index]!,
    tail: tails[index]!,
  }));
  const framing = frame(resolved);
  const { endpoint } = framing;
  let follower: Follower | undefined;
  const end = (failure?: Failure) => {
    follower?.close();
    if (failure !== undefined) answer?.stream.write(framing.lastWords(failure));
    answer?.end(failure);
  };
  const answer = openAnswer(context, exchange, grant, {
    ...framing,
    selection,
    onRoom: () => follower?.pump(),
    onStop: end,
  });
  if (answer === undefined) return;
  follower = new Follower(
    { hub: context.hub, threads: context.threads, counters: context.counters.out[endpoint] },
    streams,
    parameters,
    new AnswerOutlet(answer.stream, framing, end),
  );
  follower.pump();
}

class AnswerOutlet implements FollowerOutlet {
  readonly #stream: AnswerStream;
  readonly #framing: Framing;
  readonly #onFailure: (failure: Failure) => void;

  constructor(stream: AnswerStream, framing: Framing, onFailure: (failure: Failure) => void) {
    this.#stream = stream;
    this.#framing = framing;
    this.#onFailure = onFailure;
  }

  isWritable(): boolean {
    return this.#stream.isWritable;
  }

  cork(send: () => void): void {
    this.#stream.cork(send);
  }

  send(run: Run): number {
    const message = this.#framing.message(run);
    this.#stream.write(...message);
    return message.reduce((sum, { length }) => sum + length, 0);
  }

  sendHeartbeat(): boolean {
    // The stream keeps itself alive.
    return false;
  }

  end(failure: Failure): void {
    this.#onFailure(failure);
  }
}
