/** Puts the parts together, in the order in which they depend on one another, and takes them apart again. */

import { setMaxListeners } from 'node:events';
import { AccessControl } from './access/access-control.js';
import { needsTokens } from './access/access-settings.js';
import { DurabilityWatch } from './append/durability.js';
import { AppendPipes } from './append/pipes.js';
import { allowedOrigins } from './config/finished-defaults.js';
import { MAX_OUTAGE_MS } from './config/outage.js';
import type { Config } from './config/settings.js';
import { type EmbeddedRedis, startEmbeddedRedis } from './embedded/embedded.js';
import { Hub } from './follow/live/hub.js';
import { RangeReads } from './reads/range-reads.js';
import { openKeyReads } from './redis/cluster/open-key-reads.js';
import { ClusterWatch } from './redis/cluster-watch.js';
import { watchUnknownReplies } from './redis/error-replies.js';
import { type OpenRedis, openRedis } from './redis/open-redis.js';
import { ReloadNotices } from './redis/reload-notices.js';
import { describeTarget, parseRedisUrl, unixTarget } from './redis/target.js';
import { Admission } from './server/admission/admission.js';
import { ClientShares } from './server/admission/client-shares.js';
import { ConnectionLimits } from './server/admission/connection-limits.js';
import { FirstMessages } from './server/admission/first-messages.js';
import { HeldBytes } from './server/admission/held-bytes.js';
import { HostCheck } from './server/admission/host-check.js';
import { OriginPolicy } from './server/admission/origins.js';
import { ReceivedMessages } from './server/admission/received-messages.js';
import { WaitingReads } from './server/admission/waiting-reads.js';
import type { GatewayContext } from './server/context.js';
import { ServerCounters } from './server/counters.js';
import { drain } from './server/drain.js';
import { loadPages } from './server/endpoints/pages.js';
import { checkCertificate, Listener } from './server/listener.js';
import { createRoutes } from './server/routes.js';
import { type BorrowedCork, borrowCork } from './server/sockets/borrowed-cork.js';
import type { ClientSocket } from './server/sockets/client-socket.js';
import { sweepSockets } from './server/sockets/slow-sockets.js';
import { Underway } from './server/underway.js';
import type { Siblings } from './supervisor/siblings.js';
import { spareDescriptors } from './system/descriptors.js';
import type { Logger } from './system/logger.js';
import { heapBytes, openResidentBytes } from './system/memory.js';
import { EVENTS_OF_A_ROUND, startPromptInterval } from './system/prompt-interval.js';
import { Describes } from './threads/describes.js';
import { Threads } from './threads/threads.js';

/** What threads, the log and connections to Redis need. */
const OWN_DESCRIPTORS = 64;
/** Of the descriptors that are left, those for clients: others are held by sockets that are being closed. */
const CLIENTS_SHARE = 0.75;
/** How often sockets are looked at that do not drain. */
const SWEEP_MS = 1000;
/** How often the memory is looked at while it may grow fast: a client on the same machine sends about 50 MB in that time. */
const MEMORY_LOOK_MS = 25;

export interface Gateway {
  /** The port listened on, which differs from the configured one where that is 0. */
  readonly port: number;
  /** For people, as `http://127.0.0.1:8000`. */
  readonly address: string;
  /** Reads the files again that may change: tokens, keys, certificates. What is wrong with one is logged. */
  reload(): Promise<void>;
  /** Refuses what is new, finishes what was taken, closes all sockets, ends all threads and Redis. */
  stop(): Promise<void>;
  /** Ends all threads and nothing else, for a process that is to end now. */
  abort(): Promise<void>;
}

/** What a gateway is given that is one of several workers. */
export interface WorkerPlace {
  /** Of the embedded Redis, which the supervisor has; undefined where REDIS_URL names one. */
  readonly redisSocket: string | undefined;
  readonly siblings: Siblings;
  /** Called when all is there but clients; resolves once they may come. */
  mayListen(): Promise<void>;
}

/**
 * @param place where it is one of several workers
 * @throws ListenError, AccessSettingsError, TokenFileError, KeySetError, EmbeddedRedisError
 */
export async function startGateway(config: Config, logger: Logger, place?: WorkerPlace): Promise<Gateway> {
  watchUnknownReplies((word) => {
    logger.warn({ word }, 'Redis sent an error reply that streamgate does not know; clients get redis_error');
  });
  // First what may be wrong with the settings: nothing is to be taken apart then.
  await checkCertificate(config);
  const access = await AccessControl.start(config, logger);
  const embedded =
    config.REDIS_URL === undefined && place === undefined
      ? await startEmbeddedRedis({ dataDir: config.STREAMGATE_DATA_DIR, logger })
      : undefined;
  const socketPath = embedded?.socketPath ?? place?.redisSocket;
  const target = socketPath === undefined ? parseRedisUrl(config.REDIS_URL!) : unixTarget(socketPath);
  const redis = await openRedis(target, config.REDIS_NAT_MAP, logger);
  const parts = startParts(
    config,
    logger,
    redis,
    access,
    await borrowCork(),
    await maxConnections(config, logger),
    place?.siblings,
  );
  const sweep = setInterval(() => {
    sweepSockets(parts.sockets, config.MAX_UNREAD_BYTES);
    parts.firstMessages.sweep();
    parts.receivedMessages.look();
  }, SWEEP_MS);
  try {
    await parts.cluster.check();
    const routes = createRoutes(parts, await loadPages());
    await place?.mayListen();
    const listener = await Listener.start(config, logger, routes);
    const at = describeTarget(target);
    // Of several workers the supervisor says where they listen, once for all.
    if (place === undefined) logger.info({ redis: at }, `streamgate is listening on ${listener.address}`);
    else logger.debug({ redis: at }, 'the worker serves');
    const notices =
      access.isOn && config.REDIS_URL !== undefined
        ? new ReloadNotices(redis.control, logger, () => void access.reload())
        : undefined;
    let stopping: Promise<void> | undefined;
    const stop = async () => {
      listener.stopAccepting();
      notices?.close();
      await drain(parts);
      listener.close();
      await stopParts(parts, sweep, embedded);
    };
    return {
      port: listener.port,
      address: listener.address,
      reload: async () => {
        await Promise.all([access.reload(), listener.reload()]);
        await notices?.tell();
      },
      stop: () => {
        stopping ??= stop();
        return stopping;
      },
      abort: () => parts.threads.close(),
    };
  } catch (error) {
    await stopParts(parts, sweep, embedded);
    throw error;
  }
}

function startParts(
  config: Config,
  logger: Logger,
  { target, control, topology }: OpenRedis,
  access: AccessControl,
  borrowedCork: BorrowedCork,
  mostConnections: number,
  siblings: Siblings | undefined,
): GatewayContext {
  const hub = new Hub(config.MAX_FOLLOWED_STREAMS);
  const threads = new Threads(
    {
      target,
      cluster: topology?.table,
      readers: config.READER_THREADS,
      poolThreads: config.POOL_THREADS,
      logger,
    },
    hub,
  );
  const pipes = new AppendPipes({
    target,
    cluster: topology?.table,
    logger,
    maxBufferedBytes: config.MAX_BUFFERED_BYTES,
    maxLength: config.REDIS_STREAM_MAXLEN,
    maxOutageMs: MAX_OUTAGE_MS,
  });
  if (topology !== undefined) topology.onChange = () => pipes.review();
  hub.attach(threads.readers, pipes);
  const ranges = new RangeReads(openKeyReads(target, topology?.table, 'range'), threads);
  const sockets = new Set<ClientSocket>();
  const residentBytes = openResidentBytes();
  let peakBytes = 0;
  const receivedMessages: ReceivedMessages = new ReceivedMessages({
    max: config.MAX_BUFFERED_BYTES,
    // Without what JavaScript holds.
    memory: () => {
      // The allocator keeps what the heap and its buffers have given back, so their peak is what explains the memory.
      peakBytes = Math.max(peakBytes, heapBytes() + threads.ownBytes);
      return residentBytes() - peakBytes;
    },
    unread: () => [...sockets].reduce((sum, { knownWaitingBytes }) => sum + knownWaitingBytes, 0),
    watch: () =>
      startPromptInterval(
        () => receivedMessages.look(),
        MEMORY_LOOK_MS,
        () => sockets.size >= EVENTS_OF_A_ROUND,
      ),
  });
  const cluster = new ClusterWatch(topology === undefined ? control : undefined, logger, (failure) => {
    for (const socket of [...sockets]) socket.end(failure);
  });
  // A token is nothing that a browser adds by itself: pages of anywhere may bring their own.
  const origins = new OriginPolicy(allowedOrigins(config, access.isOn));
  const hosts = new HostCheck(config.ALLOWED_HOSTS, config.HOST, !needsTokens(config));
  const stopping = createStopController();
  return {
    config,
    logger,
    control,
    cluster,
    siblings,
    durability: new DurabilityWatch(control, config.REDIS_URL === undefined, logger),
    pipes,
    hub,
    threads,
    ranges,
    describes: new Describes(ranges.reads, threads),
    access,
    admission: new Admission(hosts, origins, cluster, stopping.signal),
    origins,
    hosts,
    connections: new ConnectionLimits(mostConnections, config.MAX_CONNECTIONS_PER_ADDRESS),
    bodies: new HeldBytes('MAX_BUFFERED_BYTES', config.MAX_BUFFERED_BYTES, config),
    unread: new HeldBytes('MAX_UNREAD_BYTES', config.MAX_UNREAD_BYTES, config),
    waitingReads: new WaitingReads(config),
    streamShares: new ClientShares('MAX_FOLLOWED_STREAMS', config.MAX_FOLLOWED_STREAMS, config),
    appendShares: new ClientShares('MAX_BUFFERED_BYTES', config.MAX_BUFFERED_BYTES, config),
    borrowedCork,
    counters: new ServerCounters(),
    sockets,
    firstMessages: new FirstMessages(config.MAX_CONNECTIONS_PER_ADDRESS > 0),
    receivedMessages,
    underway: new Underway(),
    stopping,
  };
}

/**
 * MAX_CONNECTIONS, or what the system allows if that is less: most of the descriptors that are left, since
 * a closed WebSocket keeps its own for some seconds if its client does not close it too.
 */
async function maxConnections({ MAX_CONNECTIONS }: Config, logger: Logger): Promise<number> {
  const spare = await spareDescriptors();
  if (spare === undefined) return MAX_CONNECTIONS;
  const possible = Math.max(Math.floor((spare - OWN_DESCRIPTORS) * CLIENTS_SHARE), 1);
  if (possible >= MAX_CONNECTIONS) return MAX_CONNECTIONS;
  logger.info(
    { MAX_CONNECTIONS, connections: possible },
    'MAX_CONNECTIONS is lowered: the system lets this process open too few files (ulimit -n)',
  );
  return possible;
}

function createStopController(): AbortController {
  const stopping = new AbortController();
  // Every waiting request listens: that is no leak.
  setMaxListeners(0, stopping.signal);
  return stopping;
}

async function stopParts(
  context: GatewayContext,
  sweep: NodeJS.Timeout,
  embedded: EmbeddedRedis | undefined,
): Promise<void> {
  clearInterval(sweep);
  context.receivedMessages.close();
  context.access.close();
  context.borrowedCork.close();
  context.pipes.close();
  context.hub.close();
  context.ranges.close();
  context.cluster.close();
  context.durability.close();
  context.control.close();
  await context.threads.close();
  await embedded?.stop();
}
