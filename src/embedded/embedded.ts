/**
 * The embedded Redis: a redis-server of the gateway's own, on a Unix socket in the data folder, with its
 * data in an append-only file there. It is started again when it dies, and it ends with the gateway,
 * even one that is killed. There are never two on one folder.
 */
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BackOff } from '../protocol/back-off.js';
import type { Logger } from '../system/logger.js';
import { makeFolder } from '../system/make-folder.js';
import { closeToOthers } from './aof-files.js';
import { AofSync } from './aof-sync.js';
import { chooseServer } from './choose-server.js';
import { recordWriter } from './data-writer.js';
import { EmbeddedRedisError } from './embedded-error.js';
import { type FolderLock, lockFolder } from './folder-lock.js';
import { endOrphan } from './orphan.js';
import { type RedisProcess, SOCKET_FILE, spawnRedis } from './redis-process.js';
import type { ServerProgram } from './server-program.js';
import { ask, socketName } from './unix-socket.js';

export interface EmbeddedRedis {
  /** Where to connect to; may be relative to the current folder, which must then stay the same. */
  readonly socketPath: string;
  /** redis-server's own process id; undefined while there is none. */
  readonly pid: number | undefined;
  /** Ends Redis in order and gives the folder up. Resolves when both are done; may be called again. */
  stop(): Promise<void>;
}

export interface EmbeddedRedisOptions {
  /** Made, for its owner only, if it does not exist. */
  readonly dataDir: string;
  /** Gets what Redis prints. */
  readonly logger: Logger;
}

const PROBE_MS = 20;
/** A Redis that reads its data says so; one that says nothing for this long has failed. */
const SILENCE_MS = 30_000;
const LEAST_BACKOFF_MS = 50;
const MOST_BACKOFF_MS = 2000;
/** Redis' last words where its data is damaged or of another program. */
const UNREADABLE = /reading the (append only file|RDB)|RDB (format|file)|signature trying to load/i;
/** A Redis that ran for this long had nothing wrong with its start. */
const SETTLED_MS = 10_000;

/** Where the embedded Redis of a folder listens, as a name to connect to. @throws EmbeddedRedisError */
export function embeddedSocket(dataDir: string): string {
  return socketName(join(resolve(dataDir), SOCKET_FILE));
}

/**
 * Starts the embedded Redis and resolves once it answers commands.
 * @throws EmbeddedRedisError if the folder can't be used, is in use, or Redis does not start.
 * @throws RedisBinaryError if there is no redis-server.
 */
export async function startEmbeddedRedis({ dataDir, logger }: EmbeddedRedisOptions): Promise<EmbeddedRedis> {
  const folder = resolve(dataDir);
  const socketPath = embeddedSocket(dataDir);
  // Before anything is made: whether there is a server, and one that can read what is there.
  await chooseServer(folder);
  await makeFolder(folder, 0o700).catch((cause: Error) => {
    throw new EmbeddedRedisError(`The folder of STREAMGATE_DATA_DIR cannot be made: ${cause.message}.`);
  });
  const lock = await lockFolder(folder);
  const supervisor = new Supervisor(folder, socketPath, lock, logger);
  await supervisor.start();
  return supervisor;
}

class Supervisor implements EmbeddedRedis {
  readonly socketPath: string;
  readonly #folder: string;
  readonly #lock: FolderLock;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  #redis: RedisProcess | undefined;
  #watch: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #sync: AofSync | undefined;

  constructor(folder: string, socketPath: string, lock: FolderLock, logger: Logger) {
    this.#folder = folder;
    this.socketPath = socketPath;
    this.#lock = lock;
    this.#logger = logger;
  }

  get pid(): number | undefined {
    return this.#redis?.pid;
  }

  async start(): Promise<void> {
    try {
      this.#watch = this.#keepRunning(await this.#launch());
      this.#sync = new AofSync(this.#folder, this.#logger);
    } catch (cause) {
      await this.stop();
      throw cause;
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    await this.#sync?.stop();
    await this.#redis?.end();
    await this.#watch;
    await this.#lock.release();
  }

  /** Resolves to a Redis that answers. What fails to has ended when this rejects. */
  async #launch(): Promise<RedisProcess> {
    await endOrphan(this.#folder, this.socketPath, this.#logger);
    // Chosen at each start: programs are replaced while the gateway runs.
    const program = await chooseServer(this.#folder);
    await closeToOthers(this.#folder);
    const redis = await spawnRedis(program.path, this.#folder, this.#logger);
    this.#redis = redis;
    // A stop that came meanwhile knew of the one before only.
    if (this.#stopping.signal.aborted) await redis.end();
    try {
      await this.#untilReady(redis);
      await this.#remember(program);
      return redis;
    } catch (cause) {
      await redis.end();
      throw cause;
    }
  }

  /** A server that is up stays so, even where the disk is too full to remember which it was. */
  async #remember({ release }: ServerProgram): Promise<void> {
    if (release === undefined) return;
    await recordWriter(this.#folder, release).catch((cause: Error) => {
      this.#logger.warn(`The data folder does not say which server wrote it: ${cause.message}.`);
    });
  }

  async #untilReady(redis: RedisProcess): Promise<void> {
    let end: string | undefined;
    const ended = redis.ended.then((how) => {
      end = how;
    });
    let heardAt = performance.now();
    let isLoading = false;
    while (performance.now() - heardAt < SILENCE_MS) {
      const answer = await ask(this.socketPath, 'PING\r\nQUIT\r\n', SILENCE_MS).catch(() => '');
      if (answer.startsWith('-LOADING')) {
        if (!isLoading) this.#logger.info('The embedded Redis reads its data.');
        isLoading = true;
        heardAt = performance.now();
      } else if (answer) {
        // Anything else, were it that its disk is full, is for those who use it to hear.
        return;
      }
      await Promise.race([ended, delay(PROBE_MS)]);
      if (end !== undefined) throw new EmbeddedRedisError(`The embedded Redis ${end}.${this.#harmText(end)}`);
    }
    throw new EmbeddedRedisError(`The embedded Redis gave no answer for ${SILENCE_MS / 1000} s.`);
  }

  /** What there is to say about the data where `end` tells that Redis could not read it. */
  #harmText(end: string): string {
    if (!UNREADABLE.test(end)) return '';
    return ` Nothing in ${this.#folder} was changed; copy it before you try to repair it.`;
  }

  async #keepRunning(first: RedisProcess): Promise<void> {
    const { signal } = this.#stopping;
    let launchedAt = performance.now();
    const backOff = new BackOff(LEAST_BACKOFF_MS, MOST_BACKOFF_MS);
    let trouble = `The embedded Redis ${await first.ended}.`;
    while (!signal.aborted) {
      if (performance.now() - launchedAt >= SETTLED_MS) backOff.reset();
      const pauseMs = backOff.next();
      this.#logger.error(`${trouble} It is started again in ${pauseMs} ms.`);
      await delay(pauseMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      launchedAt = performance.now();
      try {
        const redis = await this.#launch();
        this.#logger.info('The embedded Redis is back.');
        trouble = `The embedded Redis ${await redis.ended}.`;
      } catch (cause) {
        const { message } = cause as Error;
        trouble =
          cause instanceof EmbeddedRedisError ? message : `The embedded Redis cannot be started: ${message}.`;
      }
    }
  }
}
