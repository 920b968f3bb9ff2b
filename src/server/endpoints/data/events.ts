/** `GET /data/{sid}/events`: entries as server-sent events, for a browser's EventSource. */
import type { Grant } from '../../../access/grant.js';
import { readStreamMediaType } from '../../../catalog/metadata.js';
import { isTextType } from '../../../protocol/media-type.js';
import { parsePullParameters, Query } from '../../../protocol/parameters.js';
import { describeGap } from '../../../protocol/pull-message.js';
import {
  COMMENT,
  EVENT_STREAM,
  entryEvent,
  gapEvent,
  lastEvent,
  openingEvent,
} from '../../../protocol/server-sent-events.js';
import type { GatewayContext } from '../../context.js';
import type { HttpExchange } from '../../http/http-exchange.js';
import { type AnswerFraming, type AnswerMessage, answerFollower } from './answer-follower.js';
import { readSelection, selectedKeys, shownSids } from './selected-keys.js';

/** How soon a client comes back when the connection broke. */
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
  const types = await Promise.all(keys.map((key) => readStreamMediaType(context.ranges, key)));
  const isBinary = (type: string | undefined) => type !== undefined && !isTextType(type);
  const streams = sids.map((sid, index) => ({ sid, isBinary: isBinary(types[index]) }));
  await answerFollower(context, exchange, grant, request, (resolved) => framing(streams, resolved, gaps));
}

/** A client that comes back, as EventSource does by itself, goes on after the last event that it was sent. */
function readQuery(exchange: HttpExchange): Query {
  const query = new Query(exchange.query);
  const last = exchange.header('last-event-id');
  return last === '' ? query : query.resumedAfter(last);
}

interface EventStream {
  readonly sid: string;
  /** Its metadata declares it so. */
  readonly isBinary: boolean;
}

function framing(streams: readonly EventStream[], cursors: readonly string[], gaps: boolean): AnswerFraming {
  const isAlone = streams.length === 1;
  const ids = [...cursors];
  return {
    endpoint: 'events',
    type: EVENT_STREAM,
    filler: COMMENT,
    opening: openingEvent(cursors.join('+'), RETRY_MS),
    message: ({ index, batch, from, isShared, gap }) => {
      ids[index] = batch.ids[from]!;
      const { sid, isBinary } = streams[index]!;
      const make = (): AnswerMessage =>
        entryEvent(isAlone ? undefined : sid, ids.join('+'), batch.payload(from), isBinary);
      // Of several streams the id depends on what this client was sent before.
      const message = isShared && isAlone ? batch.message(`events ${isBinary}`, from, make) : make();
      if (!gaps || gap === undefined) return message;
      return [gapEvent(describeGap(sid, gap)), ...message];
    },
    // An EventSource that is not closed now comes back.
    lastWords: (failure) => lastEvent(failure?.body),
  };
}
