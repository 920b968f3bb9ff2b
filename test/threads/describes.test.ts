/** The pool's part is done here by a describer of this thread, which counts what it is asked. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { ServerReads } from '../../src/redis/key-reads.js';
import { parseRedisUrl } from '../../src/redis/target.js';
import { INLINE_JSON_BYTES } from '../../src/threads/decoding.js';
import { Describes, SMALL_BYTES } from '../../src/threads/describes.js';
import type { Threads } from '../../src/threads/threads.js';
import { StreamDescriber } from '../../workers/stream-describer.js';
import { type DescribeRequest, decodeEntry } from '../../workers/stream-description.js';
import { redisForTest } from '../support/for-test.js';
import { costOf } from '../support/redis-cost.js';

const MIB = 1024 * 1024;

async function newDescribes(user?: string) {
  const redis = await redisForTest();
  if (user !== undefined) await redis.client.call('ACL', 'SETUSER', 'plain', 'on', '>pw', ...user.split(' '));
  const target = {
    ...parseRedisUrl(redis.url),
    ...(user !== undefined && { username: 'plain', password: 'pw' }),
  };
  const [here, there] = [new ServerReads(target, 'here'), new ServerReads(target, 'pool')];
  const pool = new StreamDescriber(there);
  const asked = { pool: 0, decoded: 0 };
  const threads: Pick<Threads, 'describe' | 'decode'> = {
    describe: async (request) => {
      asked.pool++;
      return (await pool.describe(request)).streams;
    },
    decode: async (payload, forms) => {
      asked.decoded++;
      await turn();
      return decodeEntry(payload, forms);
    },
  };
  onTestFinished(() => {
    here.close();
    there.close();
  });
  return { client: redis.client, describes: new Describes(here, threads as Threads), asked };
}

const wants = (keys: readonly string[], wanted: Partial<DescribeRequest> = {}): DescribeRequest => ({
  keys,
  info: 'newest',
  first: [],
  last: ['json'],
  meta: false,
  ...wanted,
});

test('of a stream that was small main reads the newest entry itself, in one round trip', async () => {
  const { client, describes, asked } = await newDescribes();
  await client.xadd('s', '1-0', 'd', '[1]');
  expect(await describes.describe(wants(['s']))).toMatchObject([{ last: { json: [1] } }]);
  expect(asked.pool).toBe(1);
  await client.xadd('s', '2-0', 'd', '[2]');
  const { calls } = await costOf(client, async () => {
    expect(await describes.describe(wants(['s']))).toMatchObject([
      { lastEntryId: '2-0', last: { json: [2] } },
    ]);
  });
  expect(calls).toMatchObject({ xrevrange: 1 });
  expect(asked.pool).toBe(1);
});

test('a stream that has turned large is described by the pool from then on, even if it is small in between', async () => {
  const { client, describes, asked } = await newDescribes();
  const newest = async (bytes: number) => {
    await client.xadd('s', '*', 'd', 'x'.repeat(bytes));
    const before = asked.pool;
    const [stream] = await describes.describe(wants(['s'], { last: ['string'] }));
    expect(stream!.last!.string).toHaveLength(bytes);
    return asked.pool > before;
  };
  expect(await newest(10)).toBe(true);
  expect(await newest(10)).toBe(false);
  // Nobody could know.
  expect(await newest(MIB)).toBe(false);
  for (let read = 0; read < 30; read++) expect(await newest(10)).toBe(true);
  let more = 0;
  while (await newest(10)) more++;
  expect(more).toBeLessThan(30);
});

test('what is small enough to be read and too large to be decoded on main is decoded in the pool', async () => {
  const { client, describes, asked } = await newDescribes();
  const json = JSON.stringify('x'.repeat(INLINE_JSON_BYTES));
  await client.xadd('s', '1-0', 'd', json);
  for (let round = 0; round < 3; round++) {
    const streams = await describes.describe(wants(['s', 's'], { first: ['json'], info: 'all' }));
    for (const { first, last } of streams)
      expect([first, last]).toEqual(Array(2).fill({ json: JSON.parse(json) }));
    await client.set(':other', 'overwrites what was received');
  }
  expect(asked).toEqual({ pool: 1, decoded: 2 * 4 });
});

test.each<[string, Partial<DescribeRequest>]>([
  ['another entry', { info: 'all', first: ['string'], last: [] }],
  ['metadata', { info: 'none', last: [], meta: true }],
])('that one part is small says nothing of %s', async (_name, other) => {
  const { client, describes, asked } = await newDescribes();
  await client.xadd('s', '1-0', 'd', 'x'.repeat(SMALL_BYTES + 1));
  await client.xadd('s', '2-0', 'd', '1');
  await client.set(':stream:meta:s', JSON.stringify('x'.repeat(SMALL_BYTES)));
  for (let round = 0; round < 2; round++) await describes.describe(wants(['s']));
  expect(asked.pool).toBe(1);
  for (let round = 0; round < 3; round++) await describes.describe(wants(['s'], other));
  expect(asked.pool).toBe(4);
});

test('ids, counts and lengths of few streams are read on main at once, of many in the pool', async () => {
  const { client, describes, asked } = await newDescribes();
  for (let entry = 1; entry <= 2; entry++) await client.xadd('s', `${entry}-0`, 'd', 'x'.repeat(MIB));
  for (const info of ['all', 'length'] as const) {
    const { bytes } = await costOf(client, async () => {
      expect(await describes.describe(wants(['s', 'none'], { info, last: [] }))).toMatchObject([
        { length: 2, lastEntryId: info === 'all' ? '2-0' : '' },
        { length: 0 },
      ]);
    });
    expect(bytes).toBeLessThan(10_000);
  }
  expect(asked.pool).toBe(0);
  const many = Array.from({ length: 17 }, (_, index) => `s${index}`);
  expect(await describes.describe(wants(many, { info: 'length', last: [] }))).toHaveLength(17);
  expect(asked.pool).toBe(1);
});

test('a stream that there is not is small', async () => {
  const { describes, asked } = await newDescribes();
  expect(describes.isSmall(wants(['s']))).toBe(false);
  describes.noteNone('s', wants([]));
  expect(describes.isSmall(wants(['s']))).toBe(true);
  expect(describes.isSmall(wants(['s'], { meta: true }))).toBe(false);
  expect(await describes.describe(wants(['s']))).toMatchObject([{ lastEntryId: '', last: undefined }]);
  expect(asked.pool).toBe(0);
});

test('where Redis runs no scripts for us no entry comes to main that nobody asked for', async () => {
  const { client, describes, asked } = await newDescribes('~* +@all -@scripting');
  await client.xadd('s', '1-0', 'd', 'x'.repeat(MIB));
  for (let round = 1; round <= 2; round++) {
    expect(await describes.describe(wants(['s'], { info: 'all', last: [] }))).toMatchObject([
      { length: 1, lastEntryId: '1-0' },
    ]);
    expect(asked.pool).toBe(round);
  }
});
