/** A Redis and a gateway on it, for all tests of a file. */
import { afterAll } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.js';
import { startRedis, type TestRedis } from './redis-server.js';

export interface GatewayFixture {
  readonly redis: TestRedis;
  readonly gateway: GatewayProcess;
}

/**
 * Starts both, and ends them after the file's last test: to be awaited at the top of the file.
 * @param settings the gateway's, by their names @param redisSettings arguments of redis-server
 */
export async function startForFile(
  settings: Record<string, string> = {},
  redisSettings: readonly string[] = [],
): Promise<GatewayFixture> {
  const redis = await startRedis(...redisSettings);
  try {
    const gateway = await startGatewayProcess({ REDIS_URL: redis.url, ...settings });
    afterAll(async () => {
      await gateway.stop();
      await redis.stop();
    });
    return { redis, gateway };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}
