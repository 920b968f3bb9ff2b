/** Puts the parts together, in the order in which they depend on one another, and takes them apart again. */

import uws, { type TemplatedApp, type us_listen_socket } from 'uWebSockets.js';
import { setMaxListeners } from 'node:events';
import type { Redis } from 'ioredis';
import type { Config } from './config.js';
import type { Logger } from './logger.js';
import { AppendPipes } from './redis/append-pipes.js';
import { AppendStreams } from './redis/append-streams.js';
import { connectControl } from './redis/control.js';
import { type EmbeddedRedis, startEmbeddedRedis } from './redis/embedded.js';
import { describeTarget, parseRedisUrl, type RedisTarget, unixTarget } from './redis/target.js';
import { type BorrowedCork, borrowCork } from './server/borrowed-cork.js';
import type { GatewayContext } from './server/context.js';
import { OriginPolicy } from './server/origins.js';
import { createApp } from './server/routes.js';
import { Site } from './server/site.js';
import { Hub } from './streams/hub.js';
import { RangeReads } from './streams/range-reads.js';
import { Threads } from './streams/threads.js';

/** uSockets' LIBUS_LISTEN_EXCLUSIVE_PORT: without it a second gateway shares the port in silence. */
const EXCLUSIVE_PORT = 1;
/** How long a Redis that says nothing holds up the start. */
const FIRST_CONNECT_MS = 1000;
/** How long entries under way may take to be stored when the gateway is stopped. */
const FLUSH_MS = 5000;
/** How often sockets are looked at that the library may have forgotten to call drained. */
const SWEEP_MS = 1000;
/** How long Redis may be away before producers are refused; shorter outages go unnoticed by them. */
const MAX_OUTAGE_MS = 5000;
/** How long closed clients may take to read why. */
const GOODBYE_MS = 100;

export interface Gateway {
  /** The port listened on, which differs from the configured one where that is 0. */
  readonly port: number;
  /** Refuses what is new, finishes what was taken, closes all sockets, ends all threads and Redis. */
  stop(): Promise<void>;
}

/** The gateway cannot be started; the message is one sentence for people. */
export class StartError extends Error {}

/** @throws StartError, EmbeddedRedisError */
export async function startGateway(config: Config, logger: Logger): Promise<Gateway> {
  const embedded =
    config.REDIS_URL === undefined
      ? await startEmbeddedRedis({ dataDir: config.STREAMGATE_DATA_DIR, logger })
      : undefined;
  const target = embedded ? unixTarget(embedded.socketPath) : parseRedisUrl(config.REDIS_URL!);
  const parts = startParts(config, logger, target, await borrowCork());
  const app = createApp(parts, await Site.loadGraphiql());
  const sweep = setInterval(() => {
    for (const socket of parts.sockets) socket.resumeIfStuck();
  }, SWEEP_MS);
  try {
    await tryRedis(parts.control);
    const listening = await listen(app, config);
    const port = uws.us_socket_local_port(listening as never);
    const host = config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST;
    logger.info({ redis: describeTarget(target) }, `streamgate is listening on http://${host}:${port}`);
    let stopping: Promise<void> | undefined;
    const stop = async () => {
      uws.us_listen_socket_close(listening);
      await stopServing(parts);
      app.close();
      await stopParts(parts, sweep, embedded);
    };
    return {
      port,
      stop: () => {
        stopping ??= stop();
        return stopping;
      },
    };
  } catch (error) {
    app.close();
    await stopParts(parts, sweep, embedded);
    throw error;
  }
}

function startParts(
  config: Config,
  logger: Logger,
  target: RedisTarget,
  borrowedCork: BorrowedCork,
): GatewayContext {
  const hub = new Hub();
  const threads = new Threads(
    { target, readers: config.READER_THREADS, poolThreads: config.POOL_THREADS, logger },
    hub,
  );
  hub.attach(threads.readers);
  return {
    config,
    logger,
    control: connectControl(target, logger),
    pipes: new AppendPipes({
      target,
      logger,
      maxBufferedBytes: config.MAX_BUFFERED_BYTES,
      maxOutageMs: MAX_OUTAGE_MS,
    }),
    appendStreams: new AppendStreams(config.REDIS_STREAM_MAXLEN),
    hub,
    threads,
    ranges: new RangeReads(target, threads),
    origins: new OriginPolicy(config.CORS_ORIGINS),
    borrowedCork,
    counters: {
      pushConnections: 0,
      pullConnections: 0,
      entriesIn: 0,
      bytesIn: 0,
      entriesRefused: 0,
      followers: { entries: 0, bytes: 0, skipped: 0, trimmed: 0 },
    },
    sockets: new Set(),
    stopping: createStopController(),
  };
}

/** Waits until Redis is reached, or is not: nobody should be refused only for having come early. */
function tryRedis(control: Redis): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, FIRST_CONNECT_MS);
    for (const event of ['ready', 'close']) {
      control.once(event, () => {
        clearTimeout(timer);
        resolve();
      });
    }
  });
}

function createStopController(): AbortController {
  const stopping = new AbortController();
  // Every waiting request listens: that is no leak.
  setMaxListeners(0, stopping.signal);
  return stopping;
}

function listen(app: TemplatedApp, config: Config): Promise<us_listen_socket> {
  return new Promise((resolve, reject) => {
    const listening = (socket: us_listen_socket | false) => {
      if (socket) resolve(socket);
      else {
        reject(
          new StartError(
            `Cannot listen on ${config.HOST} port ${config.PORT}: it is in use, or HOST is not an address of this machine.`,
          ),
        );
      }
    };
    // The library takes the options here too, though its types know them only without a host.
    (
      app.listen as unknown as (host: string, port: number, options: number, cb: typeof listening) => void
    ).call(app, config.HOST, config.PORT, EXCLUSIVE_PORT, listening);
  });
}

async function stopServing(context: GatewayContext): Promise<void> {
  context.stopping.abort();
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FLUSH_MS);
  });
  await Promise.race([context.pipes.idle(), timeout]);
  clearTimeout(timer);
  for (const socket of [...context.sockets]) socket.shutDown();
  await new Promise((resolve) => setTimeout(resolve, GOODBYE_MS));
}

async function stopParts(
  context: GatewayContext,
  sweep: NodeJS.Timeout,
  embedded: EmbeddedRedis | undefined,
): Promise<void> {
  clearInterval(sweep);
  context.borrowedCork.close();
  context.pipes.close();
  context.hub.close();
  context.ranges.close();
  context.control.disconnect();
  await context.threads.close();
  await embedded?.stop();
}
