/** A gateway on a port of its own and a Redis that keeps what it acknowledged, both to be ended and started again. */
import { once } from 'node:events';
import { freePort } from './free-port.js';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.js';
import { startRedis, type TestRedis } from './redis-server.js';

export class RestartedGateway {
  readonly redis: TestRedis;
  readonly url: string;
  readonly #settings: Record<string, string>;
  #gateway: GatewayProcess;

  private constructor(redis: TestRedis, settings: Record<string, string>, gateway: GatewayProcess) {
    this.redis = redis;
    this.url = gateway.http;
    this.#settings = settings;
    this.#gateway = gateway;
  }

  static async start(): Promise<RestartedGateway> {
    const redis = await startRedis('--appendonly', 'yes', '--appendfsync', 'always');
    const port = String(await freePort());
    const settings = { REDIS_URL: redis.url, PORT: port, REDIS_STREAM_MAXLEN: '100000' };
    return new RestartedGateway(redis, settings, await startGatewayProcess(settings));
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const exit = once(this.#gateway.process, 'exit');
    this.#gateway.process.kill(signal);
    await exit;
    await this.#gateway.stop();
  }

  async begin(): Promise<void> {
    this.#gateway = await startGatewayProcess(this.#settings);
  }

  async restart(signal: NodeJS.Signals): Promise<void> {
    await this.end(signal);
    await this.begin();
  }

  async stop(): Promise<void> {
    await this.#gateway.stop();
    await this.redis.stop();
  }
}
