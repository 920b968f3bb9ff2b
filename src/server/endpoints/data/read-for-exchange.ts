/** Reads for an HTTP request, and waits for entries for as long as somebody waits for its answer. */
import type { Grant } from '../../../access/grant.js';
import type { PullParameters } from '../../../protocol/parameters.js';
import { type Reader, readOrWait } from '../../../reads/read-or-wait.js';
import type { GatewayContext } from '../../context.js';
import type { HttpExchange } from '../../http/http-exchange.js';

/** @returns see `readOrWait` @throws Failure, also where the token has ended meanwhile */
export function readForExchange(
  context: GatewayContext,
  exchange: HttpExchange,
  grant: Grant,
  keys: readonly string[],
  parameters: PullParameters,
): ReturnType<typeof readOrWait> {
  const { control, hub, ranges, config } = context;
  const sources = { control, hub, ranges, maxBlockMs: config.MAX_BLOCK_MS, grant };
  return readOrWait(sources, () => readerOf(context, exchange, grant), keys, parameters);
}

function readerOf(context: GatewayContext, exchange: HttpExchange, grant: Grant): Reader {
  const { hub, streamShares, waitingReads } = context;
  const { client } = exchange;
  const stopping = context.stopping.signal;
  return {
    checkRoom: (keys) => hub.checkRoom(keys, (more) => streamShares.check(client, more)),
    beginWaiting: () => {
      const endWaiting = waitingReads.begin(client);
      const share = streamShares.open(client);
      const end = () => {
        share.close();
        endWaiting();
      };
      return { payer: share, end };
    },
    get isOver() {
      return exchange.isOver || stopping.aborted || grant.failure !== undefined;
    },
    watch: (wake) => {
      exchange.onAborted(wake);
      stopping.addEventListener('abort', wake);
      const unwatch = grant.watch(wake);
      return () => {
        unwatch();
        stopping.removeEventListener('abort', wake);
      };
    },
  };
}
