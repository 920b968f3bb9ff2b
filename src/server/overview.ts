/** `GET /overview`: what there is, once a second, as server-sent events: for a page that shows it live. */
import type { Grant } from '../access/grant.js';
import { Failure } from '../errors.js';
import type { Overview } from '../streams/overview.js';
import { Query } from '../wire/parameters.js';
import { COMMENT, EVENT_STREAM, jsonEvent } from '../wire/server-sent-events.js';
import type { GatewayContext } from './context.js';
import type { HttpExchange } from './http/http-exchange.js';
import { openAnswer } from './http/open-answer.js';

/** No key of a stream that was made here is longer by much. */
const MAX_FILTER = 2048;

export function getOverview(
  context: GatewayContext,
  overview: Overview,
  exchange: HttpExchange,
  grant: Grant,
): void {
  const filter = new Query(exchange.query).text('filter') ?? '';
  if (filter.length > MAX_FILTER) {
    throw new Failure('bad_parameter', `filter must have at most ${MAX_FILTER} characters`);
  }
  let unwatch: (() => void) | undefined;
  const answer = openAnswer(context, exchange, grant, {
    endpoint: 'overview',
    type: EVENT_STREAM,
    filler: COMMENT,
    opening: COMMENT,
    onRoom: () => {},
    onStop: (failure) => {
      unwatch?.();
      answer?.end(failure);
    },
  });
  if (answer === undefined) return;
  // Who has not read the last one is sent the next one after.
  const write = (event: string) => {
    if (answer.stream.isWritable) answer.stream.write(event);
  };
  unwatch = overview.watch({
    rights: grant.rights,
    filter,
    onOverview: (text) => write(`event: overview\ndata: ${text}\n\n`),
    onFailure: (failure) => write(jsonEvent('error', failure)),
  });
}
