/** `/data/{sid}/pull`: a WebSocket that followers are sent entries through. */
import type { WebSocketBehavior } from 'uWebSockets.js';
import type { Grant } from '../../../access/grant.js';
import type { FollowerStream } from '../../../follow/followed-stream.js';
import { Follower } from '../../../follow/follower.js';
import { readTails, resolveCursors } from '../../../follow/live/tails.js';
import { asFailure } from '../../../protocol/errors.js';
import {
  type PullParameters,
  parsePullParameters,
  Query,
  type StreamSelection,
} from '../../../protocol/parameters.js';
import { authenticate } from '../../admission/authorize.js';
import type { Client, Share } from '../../admission/client-shares.js';
import type { GatewayContext } from '../../context.js';
import type { HttpExchange } from '../../http/http-exchange.js';
import type { ClientSocket } from '../../sockets/client-socket.js';
import { closeWithGrant, openSocket } from '../../sockets/open-socket.js';
import { socketLimits } from '../../sockets/socket-limits.js';
import { upgradeSocket } from '../../sockets/socket-upgrade.js';
import { PullOutlet } from './pull-outlet.js';
import { readSelection, selectedKeys, shownSids } from './selected-keys.js';

/** A follower says nothing but acks. The library takes twice as much. */
const MAX_ACK_BYTES = 4 * 1024;

interface PullSocket {
  readonly grant: Grant;
  readonly selection: StreamSelection;
  readonly streams: readonly FollowerStream[];
  /** How headers name the streams. */
  readonly sids: readonly string[];
  readonly parameters: PullParameters;
  socket?: ClientSocket;
  /** Whose share of the followed streams is used. */
  readonly client: Client;
  share?: Share;
  unwatchGrant?: () => void;
  follower?: Follower;
}

/** What is checked before a pull is opened, and known then. */
export const preparePull =
  (context: GatewayContext) =>
  async (exchange: HttpExchange, encodedSid: string): Promise<PullSocket> => {
    const grant = await authenticate(context, exchange);
    const query = new Query(exchange.query);
    const selection = readSelection(grant.rights, encodedSid, query);
    const parameters = parsePullParameters(query, selection, 'websocket');
    const keys = selectedKeys(context.config, grant.rights, 'read', selection);
    const sids = shownSids(grant.rights, selection, keys, parameters.keepDevicePrefix);
    const { client } = exchange;
    context.hub.checkRoom(keys, (more) => context.streamShares.check(client, more));
    // Before the client is told that it is connected: what is stored from then on is after `$`.
    const tails = await readTails(context.control, context.hub, keys);
    const cursors = resolveCursors(parameters.cursors, tails);
    const streams = keys.map((key, index) => ({
      key,
      cursor: cursors[index]!,
      tail: tails[index]!,
      isResumed: parameters.gaps && parameters.resumes[index]!,
    }));
    return { grant, client, selection, streams, sids, parameters };
  };

export function pullBehavior(context: GatewayContext): WebSocketBehavior<PullSocket> {
  return {
    ...socketLimits(MAX_ACK_BYTES),
    upgrade: (res, req, socketContext) =>
      upgradeSocket<PullSocket>(context, res, req, socketContext, preparePull(context)),
    open: (ws) => {
      const data = ws.getUserData();
      data.socket = openSocket(context, ws, 'pull', data.selection, () => data.follower?.pump());
      data.unwatchGrant = closeWithGrant(data.socket, data.grant);
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
      data.unwatchGrant?.();
      follower?.close();
      data.share?.close();
      socket.closed();
    },
  };
}

function startFollowing(context: GatewayContext, data: PullSocket): void {
  const { socket } = data;
  if (socket === undefined) return;
  const { hub, threads } = context;
  const share = context.streamShares.open(data.client);
  data.share = share;
  try {
    // Others may have come to follow as many since it was checked.
    const keys = data.streams.map(({ key }) => key);
    hub.checkRoom(keys, (more) => share.check(more));
  } catch (error) {
    socket.end(asFailure(error));
    return;
  }
  data.follower = new Follower(
    { hub, threads, counters: context.counters.out.pull, payer: share },
    data.streams,
    data.parameters,
    new PullOutlet(socket, data.parameters, data.sids),
  );
  data.follower.pump();
}
