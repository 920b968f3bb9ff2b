/**
 * `/overview`: what there is, once a second, for a page that shows it live. Over HTTP as server-sent events, over a
 * WebSocket as text frames: those do not count towards the six connections to a host that a browser opens by HTTP/1.1.
 */
import type { WebSocketBehavior } from 'uWebSockets.js';
import type { Grant } from '../../access/grant.js';
import type { OverviewWatch } from '../../catalog/overview-watch.js';
import { Failure } from '../../protocol/errors.js';
import { Query } from '../../protocol/parameters.js';
import { COMMENT, EVENT_STREAM, jsonEvent } from '../../protocol/server-sent-events.js';
import { authenticate } from '../admission/authorize.js';
import type { GatewayContext } from '../context.js';
import type { HttpExchange } from '../http/http-exchange.js';
import { openAnswer } from '../http/open-answer.js';
import type { ClientSocket } from '../sockets/client-socket.js';
import { closeWithGrant, openSocket } from '../sockets/open-socket.js';
import { socketLimits } from '../sockets/socket-limits.js';
import { upgradeSocket } from '../sockets/socket-upgrade.js';

/** No key of a stream that was made here is longer by much. */
const MAX_FILTER = 2048;
/** A client has nothing to say. */
const MAX_MESSAGE_BYTES = 1024;

interface OverviewSocket {
  readonly grant: Grant;
  readonly filter: string;
  socket?: ClientSocket;
  unwatchGrant?: () => void;
  unwatch?: () => void;
}

/** @throws Failure */
function readFilter(exchange: HttpExchange): string {
  const filter = new Query(exchange.query).text('filter') ?? '';
  if (filter.length > MAX_FILTER) {
    throw new Failure('bad_parameter', `filter may have at most ${MAX_FILTER} characters`);
  }
  return filter;
}

export function getOverview(
  context: GatewayContext,
  overview: OverviewWatch,
  exchange: HttpExchange,
  grant: Grant,
): void {
  const filter = readFilter(exchange);
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
  // A client that has not read the last one is sent the next one after.
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

/** The same as text frames: an `Overview`, or `{"error", "code"}` where there is none this time. */
export function overviewBehavior(
  context: GatewayContext,
  overview: OverviewWatch,
): WebSocketBehavior<OverviewSocket> {
  return {
    ...socketLimits(MAX_MESSAGE_BYTES),
    upgrade: (res, req, socketContext) =>
      upgradeSocket<OverviewSocket>(context, res, req, socketContext, async (exchange) => ({
        grant: await authenticate(context, exchange),
        filter: readFilter(exchange),
      })),
    open: (ws) => {
      const data = ws.getUserData();
      const socket = openSocket(context, ws, 'overview', undefined, () => {});
      data.socket = socket;
      data.unwatchGrant = closeWithGrant(socket, data.grant);
      // After the library has sent its answer to the upgrade.
      setImmediate(() => {
        if (data.socket !== undefined) data.unwatch = watch(overview, data, socket);
      });
    },
    drain: (ws) => ws.getUserData().socket?.drained(),
    close: (ws) => {
      const data = ws.getUserData();
      const { socket } = data;
      if (socket === undefined) return;
      delete data.socket;
      data.unwatchGrant?.();
      data.unwatch?.();
      socket.closed();
    },
  };
}

function watch(overview: OverviewWatch, { grant, filter }: OverviewSocket, socket: ClientSocket): () => void {
  // A client that has not read the last one is sent the next one after.
  const send = (text: string) => {
    if (socket.isWritable()) socket.sendText(text);
  };
  return overview.watch({
    rights: grant.rights,
    filter,
    onOverview: send,
    onFailure: (failure) => send(JSON.stringify(failure)),
  });
}
