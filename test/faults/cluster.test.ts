/** A Redis Cluster in the place of a single Redis: refused with one sentence where the gateway learns of it late. */
import { afterEach, expect, test, vi } from 'vitest';
import { freePort } from '../support/free-port.js';
import { startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { TestSocket } from '../support/socket.js';

const REFUSAL = /REDIS_URL leads to a node of a Redis Cluster, which was not known when the gateway started/;
const WAIT = { timeout: 15_000, interval: 20 };

const ending: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function startServer(port: number, ...settings: string[]): Promise<TestRedis> {
  const redis = await startRedis('--port', String(port), ...settings);
  ending.push(() => redis.stop());
  return redis;
}

const startCluster = async (port: number) =>
  startServer(port, '--cluster-enabled', 'yes', '--cluster-port', String(await freePort()));

test('a gateway that learns of a cluster later refuses all work, and serves once it is a plain Redis', async () => {
  const port = await freePort();
  const gateway = await startGatewayProcess({ REDIS_URL: `redis://127.0.0.1:${port}` });
  ending.push(() => gateway.stop());
  const readyz = async () => {
    const answer = await fetch(`${gateway.http}/readyz`);
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const producer = await TestSocket.open(`${gateway.ws}/data/x/push`);
  const { closed } = producer;
  const cluster = await startCluster(port);
  expect(await closed).toEqual({ code: 1011, reason: expect.stringMatching(REFUSAL) });
  expect(await readyz()).toEqual({
    status: 503,
    body: expect.objectContaining({
      status: 'not ready',
      reason: expect.stringMatching(REFUSAL),
      checks: expect.objectContaining({ redis: false }),
    }),
  });
  for (const method of ['GET', 'POST']) {
    const answer = await fetch(`${gateway.http}/data/x?block=-1`, { method });
    expect([answer.status, await answer.json()]).toEqual([
      502,
      { code: 'redis_error', error: expect.stringMatching(REFUSAL) },
    ]);
  }
  for (const path of ['push', 'pull']) {
    await expect(TestSocket.open(`${gateway.ws}/data/x/${path}`)).rejects.toThrow(REFUSAL);
  }
  expect((await fetch(`${gateway.http}/healthz`)).status).toBe(200);
  expect((await fetch(`${gateway.http}/metrics`)).status).toBe(200);
  expect(await cluster.client.dbsize()).toBe(0);
  await cluster.stop();
  await startServer(port);
  await vi.waitFor(async () => expect((await readyz()).status).toBe(200), WAIT);
  expect((await fetch(`${gateway.http}/data/x`, { method: 'POST', body: 'y' })).status).toBe(200);
});
