/**
 * A Redis that closes connections over large replies (`client-output-buffer-limit`): the stream that holds too large
 * an entry is refused by name, and no other stream suffers.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { StreamFollower } from '../support/stream-follower.js';

const LIMIT_BYTES = 1_000_000;
const TOO_LARGE = Buffer.alloc(3 * LIMIT_BYTES);

let redis: TestRedis;
let gateway: GatewayProcess;

beforeAll(async () => {
  redis = await startRedis();
  await redis.client.config('SET', 'client-output-buffer-limit', `normal ${LIMIT_BYTES} 0 0`);
  gateway = await startGatewayProcess({ REDIS_URL: redis.url, READER_THREADS: '1', POOL_THREADS: '1' });
});

afterAll(async () => {
  await gateway.stop();
  await redis.stop();
});

const add = (sid: string, id: string, payload: Buffer = stampedFrame(id, 0)) =>
  redis.client.xadd(`default:${sid}`, id, 'd', payload);

async function connectionsMade(): Promise<number> {
  return Number(/total_connections_received:(\d+)/.exec(await redis.client.info('stats'))![1]);
}

test('followers of the stream get an error, those of others their entries', async () => {
  const small = await StreamFollower.open(gateway, 'small', 'gaps=1&block=0');
  const large = await StreamFollower.open(gateway, 'large', 'block=0');
  await add('small', '1-0');
  await small.until(() => small.entries.length === 1);
  const before = await connectionsMade();
  await add('large', '1-0', TOO_LARGE);
  await add('small', '2-0');
  await small.until(() => small.entries.length === 2);
  expect(await large.closed).toMatchObject({
    code: 1011,
    reason: expect.stringMatching(/client-output-buffer-limit/),
  });
  await add('small', '3-0');
  await small.until(() => small.entries.length === 3);
  expect(await connectionsMade()).toBeLessThan(before + 20);
  // The stream is followed again, after that entry.
  const again = await StreamFollower.open(gateway, 'large', 'block=0');
  await add('large', '2-0');
  await again.until(() => again.entries.length === 1);
  await add('small', '4-0');
  await small.until(() => small.entries.length === 4);
  expect(small.entries.map(({ id }) => id)).toEqual(['1-0', '2-0', '3-0', '4-0']);
  await Promise.all([small.close(), again.close()]);
});

test('reads of the stream are refused, those of others at the same time are answered', async () => {
  await add('huge', '1-0', TOO_LARGE);
  await add('tiny', '1-0');
  const get = (sid: string) => fetch(`${gateway.http}/data/${sid}?last_entry_id=0&count=10&block=-1`);
  for (let time = 0; time < 3; time++) {
    const answers = await Promise.all(['huge', 'tiny', 'huge', 'tiny', 'tiny'].map(get));
    expect(answers.map(({ status }) => status)).toEqual([502, 200, 502, 200, 200]);
    expect(await answers[0]!.json()).toMatchObject({ error: expect.stringMatching(/output-buffer-limit/) });
  }
});

test('entries that are too large only together are all delivered, live, caught up with and by REST', async () => {
  const live = await StreamFollower.open(gateway, 'many', 'block=0&gaps=1');
  const transaction = redis.client.multi();
  const ids = Array.from({ length: 12 }, (_, index) => `${index + 1}-0`);
  for (const id of ids) transaction.xadd('default:many', id, 'd', stampedFrame(id, 0, 300_000));
  await transaction.exec();
  const late = await StreamFollower.open(gateway, 'many', 'block=0&last_entry_id=0');
  for (const follower of [live, late]) {
    await follower.until(() => follower.entries.length === ids.length);
    expect(follower.entries.map(({ id }) => id)).toEqual(ids);
    await follower.close();
  }
  const answer = await fetch(`${gateway.http}/data/many?last_entry_id=0&count=100`);
  expect(answer.headers.get('x-last-entry-id')).toBe('12-0');
  expect((await answer.arrayBuffer()).byteLength).toBe(12 * 300_000);
});
