/**
 * Redis is killed while producers and another program store the same bytes in one stream: an acknowledged entry is
 * always one of its own. `EQUAL_ENTRIES=100000 EQUAL_KILLS=8 npx vitest run test/faults/equal-writers.test.ts` runs it
 * at length.
 */
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EqualProducer, idsIn, writeBeside } from '../support/equal-writers.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';

const KILLS = Number(process.env.EQUAL_KILLS ?? 3);
const ENTRIES = Number(process.env.EQUAL_ENTRIES ?? 3000);
const TIMEOUT_MS = 60_000 + ENTRIES * 5;

let redis: TestRedis;
let gateway: GatewayProcess;

beforeEach(async () => {
  redis = await startRedis('--appendonly', 'yes', '--appendfsync', 'no');
  gateway = await startGatewayProcess({ REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: '10000000' });
});

afterEach(async () => {
  await gateway.stop();
  await redis.stop();
});

/** Kills Redis again and again while two producers send. @returns what they were answered */
async function killUnderLoad(): Promise<{ acked: string[]; refused: Record<string, number> }> {
  const url = `${gateway.ws}/data/x/push?header=0&ack=1`;
  const producers = [await EqualProducer.open(url), await EqualProducer.open(url)];
  const count = () => producers.reduce((sum, { acked }) => sum + acked.length, 0);
  const moreAcked = async () => {
    const wanted = count() + ENTRIES / (KILLS + 1);
    await vi.waitFor(() => expect(count()).toBeGreaterThanOrEqual(wanted), {
      timeout: TIMEOUT_MS,
      interval: 5,
    });
  };
  for (let kill = 0; kill < KILLS; kill++) {
    await moreAcked();
    redis.process.kill('SIGKILL');
    await once(redis.process, 'exit');
    await redis.restart();
  }
  await moreAcked();
  await Promise.all(producers.map((producer) => producer.finish()));
  const refused: Record<string, number> = {};
  for (const producer of producers) {
    for (const [code, times] of producer.refused) refused[code] = (refused[code] ?? 0) + times;
  }
  return { acked: producers.flatMap(({ acked }) => acked), refused };
}

test(
  'with another writer of the same bytes, no acknowledged entry is missing',
  async () => {
    const beside = new Redis({
      path: redis.path,
      retryStrategy: () => 5,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
    });
    beside.on('error', () => {});
    await once(beside, 'ready');
    let isDone = false;
    const writing = writeBeside(beside, 'default:x', () => isDone);
    const { acked, refused } = await killUnderLoad();
    isDone = true;
    await writing;
    beside.disconnect();

    const theirs = new Set(await redis.client.lrange('theirs', 0, -1));
    const ours = (await idsIn(redis.client, 'default:x')).filter((id) => !theirs.has(id));
    if (process.env.EQUAL_ENTRIES) console.log({ acked: acked.length, theirs: theirs.size, refused });
    expect(theirs.size).toBeGreaterThan(KILLS);
    expect(new Set(acked).size).toBe(acked.length);
    const held = new Set(ours);
    expect(acked.filter((id) => !held.has(id))).toEqual([]);
    expect(Object.keys(refused).filter((code) => code !== 'unknown_outcome')).toEqual([]);
    expect(ours.length - acked.length).toBeLessThanOrEqual(refused.unknown_outcome ?? 0);
  },
  TIMEOUT_MS,
);

test(
  'without another writer, every entry is acknowledged, though all are equal',
  async () => {
    const { acked, refused } = await killUnderLoad();
    expect(refused).toEqual({});
    expect(acked.sort()).toEqual((await idsIn(redis.client, 'default:x')).sort());
  },
  TIMEOUT_MS,
);
