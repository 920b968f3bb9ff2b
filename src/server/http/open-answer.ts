/**
 * An answer that stays open: ended when its client leaves, its token does not hold any more, or the gateway
 * goes down.
 */
import type { Grant } from '../../access/grant.js';
import { Failure } from '../../protocol/errors.js';
import type { StreamSelection } from '../../protocol/parameters.js';
import type { EntryTrace } from '../../system/entry-trace.js';
import type { GatewayContext } from '../context.js';
import type { ConnectionEndpoint } from '../counters.js';
import { OpenConnection } from '../open-connection.js';
import type { Header } from './answer-head.js';
import type { AnswerStream } from './answer-stream.js';
import type { HttpExchange } from './http-exchange.js';

const NOT_STORED: Header = ['cache-control', 'no-store'];

export interface OpenAnswerOptions {
  readonly endpoint: ConnectionEndpoint;
  /** What the client asked for. */
  readonly selection?: StreamSelection;
  readonly type: string;
  readonly headers?: readonly Header[];
  /** A text without a meaning between two messages. */
  readonly filler: string;
  /** Written first. */
  readonly opening: string;
  /** A full socket has room again. */
  onRoom(): void;
  /**
   * Nothing is to be written any more but last words; `end` must follow, and be given the failure.
   * @param failure why the token does not hold any more; undefined where the client left or the gateway goes down
   */
  onStop(failure: Failure | undefined): void;
}

export interface OpenAnswer {
  readonly stream: AnswerStream;
  /** Of the entries that it carries. */
  readonly trace: EntryTrace | undefined;
  /** @param failure why, if it is one */
  end(failure?: Failure): void;
}

/**
 * @returns undefined where nobody reads on: the client is gone, or asked for the head alone; `onStop` was not called
 * @throws Failure where the token has ended since it was checked
 */
export function openAnswer(
  context: GatewayContext,
  exchange: HttpExchange,
  grant: Grant,
  options: OpenAnswerOptions,
): OpenAnswer | undefined {
  const { endpoint, selection, type, headers = [], filler, opening, onRoom, onStop } = options;
  grant.check();
  const onSlow = () => {
    connection.fail(
      new Failure('overloaded', 'the client does not read what it is sent (MAX_UNREAD_BYTES)'),
      true,
    );
  };
  const stream = exchange.openStream({
    type,
    headers: [NOT_STORED, ...headers],
    filler,
    onRoom,
    onSlow,
  });
  if (stream === undefined) return undefined;
  const connection = new OpenConnection(context, endpoint, selection);
  const stopping = context.stopping.signal;
  let isStopped = false;
  let isOver = false;
  const stop = (failure?: Failure) => {
    if (isStopped) return;
    isStopped = true;
    onStop(failure);
  };
  const stopNow = () => stop();
  const end = (failure?: Failure) => {
    if (isOver) return;
    isOver = true;
    isStopped = true;
    unwatch();
    stopping.removeEventListener('abort', stopNow);
    if (failure !== undefined) connection.fail(failure, false);
    connection.closed();
    stream.end();
  };
  exchange.onAborted(stopNow);
  stopping.addEventListener('abort', stopNow);
  // Not at once: whoever opens the answer is to be done with that before it may end.
  if (stopping.aborted) setImmediate(stopNow);
  const unwatch = grant.watch((failure) => setImmediate(() => stop(failure)));
  stream.write(opening);
  return { stream, trace: connection.trace, end };
}
