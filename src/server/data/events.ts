/** `GET /data/{sid}/events`: entries as server-sent events, for a browser's EventSource. */
import type { Grant } from '../../access/grant.js';
import { parsePullParameters, Query } from '../../wire/parameters.js';
import { describeGap } from '../../wire/pull-message.js';
import { COMMENT, EVENT_STREAM, entryEvent, jsonEvent, retryAfter } from '../../wire/server-sent-events.js';
import type { GatewayContext } from '../context.js';
import type { HttpExchange } from '../http/http-exchange.js';
import { type AnswerMessage, answerFollower, type Framing } from './answer-follower.js';
import { readSelection, selectedKeys, shownSids } from './selected-keys.js';

/** How soon a client comes back when the connection broke off. */
const RETRY_MS = 1000;

export async function getEvents(
  context: GatewayContext,
  exchange: HttpExchange,
  grant: Grant,
  encodedSid: string,
): Promise<void> {
  const { rights } = grant;
  const query = readQuery(exchange);
  const selection = readSelection(rights, encodedSid, query);
  const given = parsePullParameters(query, selection, 'rest');
  const keys = selectedKeys(context.config, rights, 'read', selection);
  const sids = shownSids(rights, selection, keys, given.keepDevicePrefix);
  const parameters = { ...given, count: 1, block: 0, ack: false };
  const { cursors, gaps } = given;
  const isResumed = given.resumes.map((resumes) => gaps && resumes);
  const request = { selection, keys, cursors, isResumed, parameters };
  await answerFollower(context, exchange, grant, request, (resolved) => framing(sids, resolved, gaps));
}

/** A client that comes back, as EventSource does by itself, goes on after the last event that it was sent. */
function readQuery(exchange: HttpExchange): Query {
  const query = new Query(exchange.query);
  const last = exchange.header('last-event-id');
  return last === '' ? query : query.resumedAfter(last);
}

function framing(sids: readonly string[], cursors: readonly string[], gaps: boolean): Framing {
  const isAlone = sids.length === 1;
  const ids = [...cursors];
  return {
    endpoint: 'events',
    type: EVENT_STREAM,
    filler: COMMENT,
    opening: retryAfter(RETRY_MS),
    message: ({ index, batch, from, isShared, gap }) => {
      ids[index] = batch.ids[from]!;
      const make = (): AnswerMessage =>
        entryEvent(isAlone ? undefined : sids[index]!, ids.join('+'), batch.payload(from));
      // Of several streams the id depends on what this client was sent before.
      const message = isShared && isAlone ? batch.message('events', from, make) : make();
      if (!gaps || gap === undefined) return message;
      return [jsonEvent('gap', describeGap(sids[index]!, gap)), ...message];
    },
    // An EventSource that is not closed now comes back.
    lastWords: (failure) => (failure ? jsonEvent('error', failure.body) : jsonEvent('complete', {})),
  };
}
