/**
 * The ioredis connections for all that is not hot: metadata, devices, scripts, health.
 *
 * A command fails at once while Redis is away and is never sent a second time unknowingly: waiting and
 * trying again is for those who know what a repetition means.
 */
import { Redis } from 'ioredis';
import { backOffMs } from '../protocol/back-off.js';
import { Failure } from '../protocol/errors.js';
import type { Logger } from '../system/logger.js';
import { failureFromRedis } from './error-replies.js';
import { FIRST_RECONNECT_MS, LAST_RECONNECT_MS } from './reconnecting-connection.js';
import { defineScripts } from './scripts.js';
import { type RedisTarget, type SentinelGroup, tlsOptions } from './target.js';

const COMMAND_TIMEOUT_MS = 5000;
/** A connection that owes an answer and has brought nothing for so long is given up: it may be half-open. */
const SILENCE_MS = 3000;
/** A server that reads its data is asked again so soon; by itself ioredis believes its guess of the rest, up to 10 s. */
const LOADING_RETRY_MS = 100;

const retryStrategy = (attempt: number) => backOffMs(attempt, FIRST_RECONNECT_MS, LAST_RECONNECT_MS);

/** The options of ioredis that say where to connect to and how to log in. */
export function addressOptions(target: RedisTarget) {
  return {
    ...(target.sentinel === undefined ? ownAddress(target) : sentinelAddress(target.sentinel, target.tls)),
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    db: target.database,
    // The ACL user of docs/access.md may not send CLIENT SETINFO, and each refusal stands in Redis' ACL LOG.
    disableClientInfo: true,
  };
}

const ownAddress = ({ path, host, port, tls }: RedisTarget) => ({
  ...(path === undefined ? { host, port } : { path }),
  ...(tls ? { tls: tlsOptions(host) } : {}),
});

const sentinelAddress = ({ master, addresses, username, password }: SentinelGroup, tls: boolean) => ({
  sentinels: addresses.map(({ host, port }) => ({ host, port })),
  name: master,
  ...(username === undefined ? {} : { sentinelUsername: username }),
  ...(password === undefined ? {} : { sentinelPassword: password }),
  ...(tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
  // A master that has become a replica is left for the one that has taken its place.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
});

/** For metrics. */
export interface ControlFigures {
  /** Servers that have a part of the keys. */
  readonly nodes: { readonly connected: number; readonly away: number };
  /** How often nodes of a cluster were asked how it is made up. */
  readonly refreshes: number;
  /** Redirects of a cluster's nodes. */
  readonly redirects: { readonly moved: number; readonly ask: number };
}

/** All that is not hot, wherever it is stored. Each call rejects as ioredis does; see `controlFailure`. */
export interface Control {
  /** Whether a command may name several keys: not where they may be on several servers. */
  readonly takesManyKeys: boolean;
  /** Whether a server is connected: of several one is enough. */
  readonly isReady: boolean;
  /**
   * Calls the server that has `key`. Where that changes meanwhile, the call is made again at the new one: a server
   * that does not have the key has carried out nothing.
   * @param call sends one command
   */
  of<T>(key: string, call: (redis: Redis) => Promise<T>): Promise<T>;
  /** A client for each server that has a part of the keys. */
  masters(): readonly Redis[];
  /** What one of them has, in words for people who know of no addresses. */
  partOf(redis: Redis): string;
  /**
   * The servers, for a walk through all keys; and once more where keys have moved from one to another meanwhile, which a
   * single walk may miss. Throws what `of` does.
   */
  rounds(): AsyncIterable<readonly Redis[]>;
  /** Masters of a cluster that are not connected, as `host:port`. */
  readonly away: readonly string[];
  /** Whether the server that has the key is connected. */
  serves(key: string): boolean;
  readonly figures: ControlFigures;
  /** @param listener called now if a server is connected, and each time one is @returns what ends that */
  onReady(listener: () => void): () => void;
  close(): void;
}

/** All keys are on one server. */
export class ServerControl implements Control {
  readonly takesManyKeys = true;
  readonly away = [];
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  get isReady(): boolean {
    return this.#redis.status === 'ready';
  }

  of<T>(_key: string, call: (redis: Redis) => Promise<T>): Promise<T> {
    return call(this.#redis);
  }

  masters(): readonly Redis[] {
    return [this.#redis];
  }

  partOf(): string {
    return 'all keys';
  }

  async *rounds(): AsyncGenerator<readonly Redis[], void> {
    yield [this.#redis];
  }

  serves(): boolean {
    return this.isReady;
  }

  get figures(): ControlFigures {
    const nodes = { connected: Number(this.isReady), away: Number(!this.isReady) };
    return { nodes, refreshes: 0, redirects: { moved: 0, ask: 0 } };
  }

  onReady(listener: () => void): () => void {
    if (this.isReady) listener();
    this.#redis.on('ready', listener);
    return () => this.#redis.off('ready', listener);
  }

  close(): void {
    this.#redis.disconnect();
  }
}

export function connectControl(target: RedisTarget, logger: Logger): Redis {
  const redis = new Redis({
    ...addressOptions(target),
    connectionName: 'streamgate-control',
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    maxLoadingRetryTime: LOADING_RETRY_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: COMMAND_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    retryStrategy,
    sentinelRetryStrategy: retryStrategy,
  });
  defineScripts(redis);
  // Without a listener ioredis prints to the console; the append pipe already warns of an outage.
  redis.on('error', (error: Error) => logger.debug({ err: error.message }, 'control connection'));
  return redis;
}

/** What a rejected ioredis command means to a client. */
export function controlFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof Error && error.name === 'ReplyError') return failureFromRedis(error.message);
  return new Failure('redis_unavailable', 'Redis cannot be reached');
}
