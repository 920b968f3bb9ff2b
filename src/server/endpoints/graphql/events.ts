/**
 * A GraphQL operation as server-sent events, for networks that let no WebSocket through: one request an
 * operation, `event: next` for each result, `event: complete` at the end.
 * Source: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, distinct connections mode
 */
import { type ExecutionResult, execute, getOperationAST, OperationTypeNode, subscribe } from 'graphql';
import type { Grant } from '../../../access/grant.js';
import type { EventSink } from '../../../graphql/event-sink.js';
import { Failure } from '../../../protocol/errors.js';
import { COMMENT, EVENT_STREAM, jsonEvent, jsonTextEvent } from '../../../protocol/server-sent-events.js';
import type { Share } from '../../admission/client-shares.js';
import type { GatewayContext } from '../../context.js';
import type { AnswerStream } from '../../http/answer-stream.js';
import type { HttpExchange } from '../../http/http-exchange.js';
import { openAnswer } from '../../http/open-answer.js';
import type { GraphqlEndpoint, GraphqlRequest } from './endpoint.js';

const COMPLETE = 'event: complete\ndata:\n\n';

/** Answers a request; where it cannot be executed, as any other. */
export async function streamEvents(
  context: GatewayContext,
  endpoint: GraphqlEndpoint,
  exchange: HttpExchange,
  grant: Grant,
  request: GraphqlRequest,
): Promise<void> {
  const share = context.streamShares.open(exchange.client);
  try {
    await answerEvents(context, endpoint, exchange, grant, request, share);
  } finally {
    share.close();
  }
}

async function answerEvents(
  context: GatewayContext,
  endpoint: GraphqlEndpoint,
  exchange: HttpExchange,
  grant: Grant,
  request: GraphqlRequest,
  share: Share,
): Promise<void> {
  const sink = new StreamSink();
  const prepared = endpoint.prepare(grant, request, undefined, share, sink);
  if (!('document' in prepared)) {
    exchange.answer({ status: 400, type: 'application/json', body: JSON.stringify({ errors: prepared }) });
    return;
  }
  const operation = getOperationAST(prepared.document, prepared.operationName)?.operation;
  if (operation === OperationTypeNode.MUTATION && exchange.method !== 'post') {
    exchange.fail(new Failure('method_not_allowed', 'a mutation needs a POST'), [['allow', 'POST']]);
    return;
  }
  const isSubscription = operation === OperationTypeNode.SUBSCRIPTION;
  const result = await (isSubscription ? subscribe(prepared) : execute(prepared));
  const results = Symbol.asyncIterator in result ? result : once(result);
  await writeEvents(context, exchange, grant, results, sink);
}

/** What a subscription sends itself. */
class StreamSink implements EventSink {
  /** Once the answer has begun. */
  stream: AnswerStream | undefined;
  onRoom = () => {};

  isWritable(): boolean {
    return this.stream?.isWritable ?? false;
  }

  send(text: string): void {
    this.stream?.write(jsonTextEvent('next', text));
  }

  async sendInTurn(text: string): Promise<void> {
    this.send(text);
  }

  cork(send: () => void): void {
    this.stream?.cork(send);
  }

  open(onRoom: () => void): void {
    this.onRoom = onRoom;
  }

  close(): void {
    this.onRoom = () => {};
  }
}

async function* once(result: ExecutionResult): AsyncGenerator<ExecutionResult> {
  yield result;
}

async function writeEvents(
  context: GatewayContext,
  exchange: HttpExchange,
  grant: Grant,
  results: AsyncGenerator<ExecutionResult>,
  sink: StreamSink,
): Promise<void> {
  let onRoom: (() => void) | undefined;
  let isEnding = false;
  const end = () => {
    isEnding = true;
    onRoom?.();
    void results.return(undefined);
  };
  const answer = openAnswer(context, exchange, grant, {
    endpoint: 'graphql_events',
    type: EVENT_STREAM,
    filler: COMMENT,
    opening: COMMENT,
    onRoom: () => {
      onRoom?.();
      sink.onRoom();
    },
    onStop: end,
  });
  // A client that left while the subscription was made.
  if (answer === undefined) return end();
  const { stream } = answer;
  sink.stream = stream;
  try {
    for await (const result of results) {
      // Who has left has no room for ever.
      if (stream.write(jsonEvent('next', result)) || isEnding) continue;
      // Nothing more is taken from the subscription until the client has read on.
      await new Promise<void>((resolve) => {
        onRoom = resolve;
      });
    }
    // Where the token has ended the stream breaks off: its client comes again, and is told why it may not.
    if (grant.failure === undefined) stream.write(COMPLETE);
  } finally {
    answer.end(grant.failure);
  }
}
