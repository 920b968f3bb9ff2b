/** `/data/{sid}/pull`: a WebSocket that followers are sent entries through. */
import type { WebSocketBehavior } from 'uWebSockets.js';
import type { FollowerStream } from '../streams/followed-stream.js';
import { Follower } from '../streams/follower.js';
import { readTails, resolveCursors } from '../streams/tails.js';
import { type PullParameters, parsePullParameters, parseSelection, Query } from '../wire/parameters.js';
import { ClientSocket } from './client-socket.js';
import type { GatewayContext } from './context.js';
import { PullOutlet } from './pull-outlet.js';
import { selectedKeys } from './selected-keys.js';
import { socketLimits } from './socket-limits.js';
import { upgradeSocket } from './socket-upgrade.js';

/** A follower says nothing but acks. */
const MAX_ACK_BYTES = 64 * 1024;

interface PullSocket {
  readonly streams: readonly FollowerStream[];
  /** How headers name the streams. */
  readonly sids: readonly string[];
  readonly parameters: PullParameters;
  socket?: ClientSocket;
  follower?: Follower;
}

export function pullBehavior(context: GatewayContext): WebSocketBehavior<PullSocket> {
  return {
    ...socketLimits(MAX_ACK_BYTES),
    upgrade: (res, req, socketContext) =>
      upgradeSocket<PullSocket>(context, res, req, socketContext, async (exchange) => {
        const query = new Query(exchange.query);
        const selection = parseSelection(req.getParameter(0), query);
        const parameters = parsePullParameters(query, selection, 'websocket');
        const keys = selectedKeys(context.config, selection);
        const sids = parameters.keepDevicePrefix ? keys : selection.sids;
        // Before the client is told that it is connected: what is stored from then on is after `$`.
        const tails = await readTails(context.control, keys);
        const cursors = resolveCursors(parameters.cursors, tails);
        const streams = keys.map((key, index) => ({
          key,
          cursor: cursors[index]!,
          tail: tails[index]!,
        }));
        return { streams, sids, parameters };
      }),
    open: (ws) => {
      const data = ws.getUserData();
      const socket = new ClientSocket(ws, () => data.follower?.pump());
      data.socket = socket;
      context.sockets.add(socket);
      context.counters.pullConnections++;
      // After the library has sent its answer to the upgrade.
      setImmediate(() => startFollowing(context, data));
    },
    message: (ws, _message, isBinary) => {
      if (!isBinary) ws.getUserData().follower?.acknowledge();
    },
    drain: (ws) => ws.getUserData().socket?.drained(),
    close: (ws) => {
      const data = ws.getUserData();
      const { follower, socket } = data;
      if (socket === undefined) return;
      delete data.socket;
      follower?.close();
      socket.closed();
      context.sockets.delete(socket);
      context.counters.pullConnections--;
    },
  };
}

function startFollowing(context: GatewayContext, data: PullSocket): void {
  const { socket } = data;
  if (socket === undefined) return;
  data.follower = new Follower(
    { hub: context.hub, threads: context.threads, counters: context.counters.followers },
    data.streams,
    data.parameters,
    new PullOutlet(socket, data.parameters, data.sids, (failure) => {
      const streams = data.streams.map(({ key }) => key);
      context.logger.info({ code: failure.code, reason: failure.message, streams }, 'a follower is closed');
    }),
  );
  data.follower.pump();
}
