/** The pool's part is done here by a reader of this thread: what is shared does not depend on where it is read. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { EntryBatch } from '../../src/protocol/batch.js';
import { RangeReads, SMALL_BYTES } from '../../src/reads/range-reads.js';
import { ServerReads } from '../../src/redis/key-reads.js';
import { RangeReader } from '../../src/redis/range-reader.js';
import { parseRedisUrl } from '../../src/redis/target.js';
import type { Threads } from '../../src/threads/threads.js';
import { redisForTest } from '../support/for-test.js';
import { costOf } from '../support/redis-cost.js';

const KEY = 'default:x';

async function newReads() {
  const redis = await redisForTest();
  const target = parseRedisUrl(redis.url);
  const connection = new ServerReads(target, 'pool');
  const pool = new RangeReader(connection);
  const threads: Pick<Threads, 'range'> = {
    range: async (task) => (await pool.read(task)).map((packed) => new EntryBatch(packed)),
  };
  const reads = new RangeReads(new ServerReads(target, 'range'), threads as Threads);
  onTestFinished(() => {
    reads.close();
    connection.close();
  });
  return { client: redis.client, reads };
}

const newest = (after = '0-0', key = KEY) =>
  ({ streams: [{ key, after }], count: 1, latest: true, maxBytes: 1000 }) as const;
const next = (after: string, count = 1) =>
  ({ streams: [{ key: KEY, after }], count, latest: false, maxBytes: 1000 }) as const;
const idsOf = (batches: readonly EntryBatch[]) => batches.map(({ ids }) => ids);

test.each([
  ['on main', 100],
  ['in the pool', SMALL_BYTES + 1],
])('what is asked for alike in one turn is read once, %s', async (_where, bytes) => {
  const { client, reads } = await newReads();
  await client.xadd(KEY, '1-0', 'd', 'x'.repeat(bytes));
  // How large its entries are is known from now on.
  await reads.read(newest());
  const { calls } = await costOf(client, async () => {
    const [first, ...others] = await Promise.all(Array.from({ length: 50 }, () => reads.read(newest())));
    expect(idsOf(first!)).toEqual([['1-0']]);
    for (const other of others) expect(other[0]).toBe(first![0]);
  });
  expect(calls).toEqual({ xrevrange: 1 });
});

test('a text is read along with the ranges of its turn, once for all who ask', async () => {
  const { client, reads } = await newReads();
  await client.xadd(KEY, '1-0', 'd', 'x');
  await client.set('text', 'ein Wörtchen');
  await reads.read(newest());
  expect(reads.isNewestSmall(KEY)).toBe(true);
  const { calls } = await costOf(client, async () => {
    const [batches, ...texts] = await Promise.all([
      reads.read(newest()),
      reads.text('text'),
      reads.text('text'),
      reads.text('no text'),
    ]);
    expect(idsOf(batches)).toEqual([['1-0']]);
    expect(texts).toEqual(['ein Wörtchen', 'ein Wörtchen', null]);
  });
  expect(calls).toEqual({ xrevrange: 1, get: 2 });
});

test('nobody is given a text that was read before they asked, and a failure is everybody’s', async () => {
  const { client, reads } = await newReads();
  for (let value = 0; value < 50; value++) {
    const before = reads.text('text');
    await turn();
    await client.set('text', value);
    expect(await reads.text('text')).toBe(String(value));
    await before;
  }
  await client.del('text');
  await client.hset('text', 'no', 'text');
  for (const each of await Promise.allSettled([reads.text('text'), reads.text('text')])) {
    expect(each).toMatchObject({ status: 'rejected', reason: { code: 'wrong_type' } });
  }
});

test('the newest entry counts as small only once its stream is known', async () => {
  const { client, reads } = await newReads();
  expect(reads.isNewestSmall(KEY)).toBe(false);
  await client.xadd(KEY, '1-0', 'd', 'x'.repeat(SMALL_BYTES + 1));
  await reads.read(newest());
  expect(reads.isNewestSmall(KEY)).toBe(false);
  await client.xadd(KEY, '2-0', 'd', 'x');
  await reads.read(newest());
  expect(reads.isNewestSmall(KEY)).toBe(true);
});

test('what differs in anything is read by itself', async () => {
  const { client, reads } = await newReads();
  for (const id of ['1-0', '2-0', '3-0']) await client.xadd(KEY, id, 'd', id);
  await client.xadd('default:y', '9-0', 'd', 'y');
  const asked = [
    newest(),
    newest('3-0'),
    newest('0-0', 'default:y'),
    next('0-0'),
    next('1-0'),
    next('0-0', 2),
    { ...newest(), until: '2-0' },
    { ...next('0-0', 3), streams: [...newest().streams, { key: 'default:y', after: '0-0' }] },
  ];
  const read = await Promise.all(asked.map((request) => reads.read(request)));
  expect(read.map(idsOf)).toEqual([
    [['3-0']],
    [[]],
    [['9-0']],
    [['1-0']],
    [['2-0']],
    [['1-0', '2-0']],
    [['2-0']],
    [['1-0', '2-0', '3-0'], ['9-0']],
  ]);
});

test('nobody is given what was read before they asked', async () => {
  const { client, reads } = await newReads();
  await client.xadd(KEY, '1-0', 'd', 'x');
  await reads.read(newest());
  for (let id = 2; id < 50; id++) {
    const before = reads.read(newest());
    await turn();
    // Its read is under way.
    expect(reads.read(newest())).not.toBe(before);
    await client.xadd(KEY, `${id}-0`, 'd', 'x');
    expect(idsOf(await reads.read(newest()))).toEqual([[`${id}-0`]]);
    await before;
  }
});

test('a failure is everybody’s', async () => {
  const { client, reads } = await newReads();
  await client.set(KEY, 'no stream');
  const failed = await Promise.allSettled([1, 2, 3].map(() => reads.read(newest())));
  for (const each of failed) {
    expect(each).toMatchObject({ status: 'rejected', reason: { code: 'wrong_type' } });
  }
});
