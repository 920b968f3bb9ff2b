/** What a case has: clients of one library, a gateway and a Redis. */
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { expect, vi } from 'vitest';
import { freePort } from '../support/free-port.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { type Stored, storedEntries } from '../support/stored-entries.js';
import type { DrivenClient, Driver } from './driven-client.js';

/** One thing that every client library does, written once for all of them. */
export interface Case {
  readonly name: string;
  run(world: World): Promise<void>;
}

export interface ClientOptions {
  readonly url?: string;
  readonly token?: string;
  readonly device?: string;
  readonly prefix?: string;
}

/** Two cores are shared with other tests: what happens at all happens by then. */
export const SOON = { timeout: 15_000, interval: 5 };

/** What the gateways here take at most, and a little more: far beyond it a connection is cut without a word. */
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;
export const TOO_LARGE_BYTES = 9_000_000;

/** A gateway on a port of its own and a Redis that keeps what it acknowledged, to be killed and restarted. */
export class Servers {
  readonly redis: TestRedis;
  #gateway: GatewayProcess;

  private constructor(redis: TestRedis, gateway: GatewayProcess) {
    this.redis = redis;
    this.#gateway = gateway;
  }

  static async start(): Promise<Servers> {
    const redis = await startRedis('--appendonly', 'yes', '--appendfsync', 'no');
    return new Servers(redis, await startGatewayOn(redis, await freePort()));
  }

  /** The one that runs, or ran last. */
  get gateway(): GatewayProcess {
    return this.#gateway;
  }

  async startGateway(): Promise<void> {
    this.#gateway = await startGatewayOn(this.redis, this.#gateway.port);
  }

  /** For the next case, whatever became of the last. */
  async restore(): Promise<void> {
    const { exitCode, signalCode } = this.#gateway.process;
    if (exitCode !== null || signalCode !== null) await this.startGateway();
  }

  async killGateway(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const { process } = this.#gateway;
    const exit = once(process, 'exit');
    process.kill(signal);
    await exit;
  }

  async killRedis(): Promise<void> {
    const exit = once(this.redis.process, 'exit');
    this.redis.process.kill('SIGKILL');
    await exit;
  }

  async stop(): Promise<void> {
    await this.#gateway.stop();
    await this.redis.stop();
  }
}

/** As the one of `Servers`. */
export function startGatewayOn(redis: TestRedis, port: number): Promise<GatewayProcess> {
  return startGatewayProcess({
    REDIS_URL: redis.url,
    PORT: String(port),
    REDIS_STREAM_MAXLEN: '1000000',
    MAX_PAYLOAD_BYTES: String(MAX_PAYLOAD_BYTES),
    POOL_THREADS: '1',
    READER_THREADS: '1',
  });
}

/** What one case has of them. */
export class World {
  readonly servers: Servers;
  /** A stream id of the case's own. */
  readonly sid: string;
  readonly #driver: Driver;
  readonly #clients: DrivenClient[] = [];

  constructor(driver: Driver, servers: Servers, sid: string) {
    this.#driver = driver;
    this.servers = servers;
    this.sid = sid;
  }

  get redis(): Redis {
    return this.servers.redis.client;
  }

  get gateway(): GatewayProcess {
    return this.servers.gateway;
  }

  /** A client that is let go with the case. */
  async open(options: ClientOptions = {}): Promise<DrivenClient> {
    const client = this.#driver.newClient();
    this.#clients.push(client);
    await client.call('open', { url: this.gateway.http, ...options });
    return client;
  }

  /** Writes an entry as any other program would. @returns its id */
  async write(payload: string | Buffer, sid = this.sid): Promise<string> {
    return (await this.redis.xadd(`default:${sid}`, '*', 'd', payload))!;
  }

  /** What a stream of stamped frames holds. */
  stored(sid = this.sid): Promise<Stored[]> {
    return storedEntries(this.redis, `default:${sid}`);
  }

  /** What a stream holds, whatever that is. */
  async payloads(sid = this.sid): Promise<{ id: string; data: Buffer }[]> {
    const rows = await this.redis.callBuffer('XRANGE', `default:${sid}`, '-', '+');
    return (rows as [Buffer, Buffer[]][]).map(([id, fields]) => ({ id: id.toString(), data: fields[1]! }));
  }

  /** Waits until the case's stream holds so many entries more. */
  async moreStored(count: number): Promise<void> {
    const length = () => this.redis.xlen(`default:${this.sid}`);
    const wanted = (await length()) + count;
    await vi.waitFor(async () => expect(await length()).toBeGreaterThanOrEqual(wanted), SOON);
  }

  async end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.call('drop', {})));
  }
}
