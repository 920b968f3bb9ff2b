import { once } from 'node:events';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { EntryBatch } from '../../src/protocol/batch.js';
import { AFTER_LAST } from '../../src/protocol/entry-id.js';
import { ServerReads } from '../../src/redis/key-reads.js';
import { type Proof, RangeReader, type RangeRequest } from '../../src/redis/range-reader.js';
import { parseRedisUrl, type RedisTarget } from '../../src/redis/target.js';
import { fakeRedisForTest, politely } from '../support/fake-redis.js';
import { redisForTest } from '../support/for-test.js';
import { costOf } from '../support/redis-cost.js';
import type { TestRedis } from '../support/redis-server.js';

const WAIT = { timeout: 15_000, interval: 5 };

afterEach(() => {
  vi.useRealTimers();
});

/** A reader's only end is that of its thread, so the servers that it reads from end first. */
function readerOf(target: RedisTarget): RangeReader {
  return new RangeReader(new ServerReads(target, 'test'));
}

async function newReader(): Promise<{ redis: TestRedis; reader: RangeReader }> {
  const redis = await redisForTest();
  return { redis, reader: readerOf(parseRedisUrl(redis.url)) };
}

const DEFAULTS: Omit<RangeRequest, 'streams'> = {
  count: 1000,
  latest: false,
  maxBytes: 1_000_000,
  expectedBytes: 100,
  proof: 'none',
};

/** Adds entries `1-0`, `2-0`, … with these payloads. */
async function fill(redis: TestRedis, key: string, payloads: readonly (string | Buffer)[]): Promise<void> {
  const pipeline = redis.client.pipeline();
  payloads.forEach((payload, index) => {
    pipeline.xadd(key, `${index + 1}-0`, 'd', payload);
  });
  await pipeline.exec();
}

async function read(
  reader: RangeReader,
  cursors: Record<string, string>,
  request: Partial<RangeRequest> = {},
): Promise<EntryBatch[]> {
  const streams = Object.entries(cursors).map(([key, after]) => ({ key, after }));
  const batches = await reader.read({ ...DEFAULTS, streams, ...request });
  return batches.map((batch) => new EntryBatch(batch));
}

const ids = (batch: EntryBatch | undefined) => batch?.ids.map((id) => Number.parseInt(id, 10));

describe('a range', () => {
  test('is what comes after the cursor, oldest first', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', ['a', 'b', 'c', 'd']);
    const [batch] = await read(reader, { k: '1-0' });
    expect(batch).toMatchObject({ key: 'k', after: '1-0', trimmed: false, ids: ['2-0', '3-0', '4-0'] });
    expect(Buffer.from(batch!.bytes).toString()).toBe('bcd');
  });

  test.each([
    ['0-0', 2, [1, 2]],
    ['1-0', 1, [2]],
    ['1-5', 10, [2, 3, 4]],
    ['4-0', 10, []],
    ['9-0', 10, []],
    [AFTER_LAST, 10, []],
    ['18446744073709551615-0', 10, []],
  ])('after %s of at most %i', async (after, count, expected) => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', ['a', 'b', 'c', 'd']);
    const [batch] = await read(reader, { k: after }, { count });
    expect(ids(batch)).toEqual(expected);
    expect(batch!.after).toBe(after);
  });

  test('with latest is the newest entry only', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', ['a', 'b', 'c', 'd']);
    expect(ids((await read(reader, { k: '0-0' }, { latest: true }))[0])).toEqual([4]);
    expect(ids((await read(reader, { k: '3-0' }, { latest: true, count: 1 }))[0])).toEqual([4]);
    expect(ids((await read(reader, { k: '4-0' }, { latest: true }))[0])).toEqual([]);
  });

  test('of several streams, in their order, those without entries empty', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'a', ['x', 'y']);
    await fill(redis, 'b', ['z']);
    const batches = await read(reader, { b: '0-0', none: '5-0', a: '1-0' });
    expect(batches.map(({ key }) => key)).toEqual(['b', 'none', 'a']);
    expect(batches.map(ids)).toEqual([[1], [], [2]]);
    expect(batches[1]!.lastId).toBe('5-0');
  });

  test('of many reads at once', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', Array.from({ length: 100 }, String));
    const cursors = Array.from({ length: 100 }, (_, index) => index);
    const batches = await Promise.all(
      cursors.map((cursor) => read(reader, { k: `${cursor}-0` }, { count: 1 })),
    );
    expect(batches.map(([batch]) => ids(batch))).toEqual(cursors.map((cursor) => [cursor + 1]));
  });

  test('of entries that others wrote', async () => {
    const { redis, reader } = await newReader();
    await redis.client.xadd('k', '1-0', 'temperature', '21', 'unit', '°C');
    const [batch] = await read(reader, { k: '0-0' });
    expect(JSON.parse(Buffer.from(batch!.bytes).toString())).toEqual({ temperature: '21', unit: '°C' });
  });
});

describe('the bytes of a range', () => {
  test('are bounded: reading ends with the entry that reaches the bound', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', new Array(50).fill(Buffer.alloc(1000, 'x')));
    // The size of the entries is as expected, larger than expected, and smaller.
    for (const expectedBytes of [1000, 10, 1_000_000]) {
      const [batch] = await read(reader, { k: '0-0' }, { maxBytes: 5000, expectedBytes });
      expect(batch!.length).toBeGreaterThanOrEqual(5);
      if (expectedBytes >= 1000) expect(batch!.length).toBe(5);
    }
  });

  test('never before an entry', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', [Buffer.alloc(100_000, 'x'), Buffer.alloc(100_000, 'y')]);
    const [batch] = await read(reader, { k: '0-0' }, { maxBytes: 1, expectedBytes: 1_000_000 });
    expect(ids(batch)).toEqual([1]);
  });

  test('of entries without any: as many as are asked for', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', new Array(500).fill(''));
    const [batch] = await read(reader, { k: '0-0' }, { count: 400, maxBytes: 1000, expectedBytes: 100 });
    expect(batch!.length).toBe(400);
    expect(new Set(batch!.ids).size).toBe(400);
  });

  test('large ones come whole', async () => {
    const { redis, reader } = await newReader();
    const payload = Buffer.alloc(5_000_000, '漢');
    await fill(redis, 'k', ['a', payload, 'b']);
    const [batch] = await read(reader, { k: '0-0' }, { maxBytes: 100_000_000 });
    expect(payload.equals(batch!.payload(1))).toBe(true);
    expect(batch!.length).toBe(3);
  });
});

test('until: nothing after that id, and the newest up to there', async () => {
  const { redis, reader } = await newReader();
  await fill(redis, 'k', ['a', 'b', 'c', 'd']);
  const until = async (request: Partial<RangeRequest>) => ids((await read(reader, { k: '1-0' }, request))[0]);
  expect(await until({ until: '3-0' })).toEqual([2, 3]);
  expect(await until({ until: '2-5' })).toEqual([2]);
  expect(await until({ until: '1-0' })).toEqual([]);
  expect(await until({ until: '3-9', latest: true })).toEqual([3]);
  expect(await until({ until: '0-5', latest: true })).toEqual([]);
});

describe('trimming', () => {
  test('is noticed where the stream begins after the cursor', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', ['a', 'b', 'c', 'd']);
    await redis.client.xtrim('k', 'MAXLEN', '=', 2);
    const trimmed = async (after: string, proof: Proof = 'state') =>
      (await read(reader, { k: after }, { proof }))[0]!.trimmed;
    expect(await trimmed('1-0')).toBe(true);
    expect(await trimmed('1-0', 'presence')).toBe(true);
    expect(await trimmed('1-0', 'none')).toBe(false);
    expect(await trimmed('3-0')).toBe(false);
    expect(await trimmed('4-0')).toBe(false);
    expect([await trimmed('3-0', 'presence'), await trimmed('4-0', 'presence')]).toEqual([false, false]);
  });

  test('past a cursor ends a read that is made of several, before what is left', async () => {
    const { redis } = await newReader();
    const connection = new ServerReads(parseRedisUrl(redis.url), 'test');
    await fill(redis, 'k', ['a', 'b', 'c', 'd', 'e', 'f']);
    let asked = 0;
    // A question and a read at a time: between the first and the second the stream is trimmed.
    const trimming = {
      send: async (...command: Parameters<ServerReads['send']>) => {
        if (++asked === 3) await redis.client.xtrim('k', 'MAXLEN', '=', 1);
        return connection.send(...command);
      },
    };
    const reader = new RangeReader(trimming as ServerReads);
    // Taken for so large that the first is read by itself.
    const request = { expectedBytes: 10, maxBytes: 10, proof: 'state' as const };
    const [batch] = await read(reader, { k: '1-0' }, request);
    expect([ids(batch), batch!.trimmed]).toEqual([[2], false]);
    const [rest] = await read(reader, { k: '2-0' }, request);
    expect([ids(rest), rest!.trimmed]).toEqual([[6], true]);
  });

  test('must be assumed where there is no stream any more', async () => {
    const { reader } = await newReader();
    const [batch] = await read(reader, { k: '5-0' }, { proof: 'state' });
    expect(batch).toMatchObject({ trimmed: true, length: 0 });
    expect((await read(reader, { k: '0-0' }, { proof: 'state' }))[0]!.trimmed).toBe(false);
  });

  test('of the entry at the cursor alone is no loss while it was the newest', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', ['a', 'b', 'c']);
    await redis.client.xtrim('k', 'MAXLEN', '=', 0);
    const trimmed = async (after: string) =>
      (await read(reader, { k: after }, { proof: 'state' }))[0]!.trimmed;
    expect([await trimmed('3-0'), await trimmed('2-0')]).toEqual([false, true]);
  });

  test.each([
    ['none', 2],
    ['presence', 3],
    // Its first and its last entry come along, in a reply of their own.
    ['state', 5],
  ] as const)('with the proof %s costs Redis what it proves by', async (proof, payloads) => {
    const BYTES = 100_000;
    const { redis, reader } = await newReader();
    await fill(redis, 'k', new Array(4).fill(Buffer.alloc(BYTES)));
    await read(reader, { k: '0-0' });
    const request = { proof, expectedBytes: BYTES };
    const cost = await costOf(redis.client, async () => {
      const [batch] = await read(reader, { k: '1-0' }, { ...request, count: 2 });
      expect([ids(batch), batch!.trimmed]).toEqual([[2, 3], false]);
    });
    expect(Math.round(cost.bytes / BYTES)).toBe(payloads);
    expect(cost.calls).toEqual({ xrange: 1, ...(proof === 'state' && { 'xinfo|stream': 1 }) });
  });

  test('by the entry at the cursor alone: XINFO is asked where that is gone, and may clear the suspicion', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', ['a', 'b', 'c', 'd']);
    await redis.client.xdel('k', '4-0');
    const trimmed = async (after: string) =>
      (await read(reader, { k: after }, { proof: 'presence' }))[0]!.trimmed;
    expect(await trimmed('4-0')).toBe(false);
    // What was deleted out of the midst is not looked for.
    expect(await trimmed('3-0')).toBe(false);
    await redis.client.xtrim('k', 'MAXLEN', '=', 1);
    expect(await trimmed('1-0')).toBe(true);
  });

  test('is looked for once in a read that is made of several, if the entry at the cursor has to do', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', new Array(10).fill(Buffer.alloc(100_000)));
    // Taken for so large that each is read by itself at first.
    const request = { proof: 'presence', maxBytes: 500_000, expectedBytes: 500_000 } as const;
    const cost = await costOf(redis.client, async () => {
      expect(ids((await read(reader, { k: '2-0' }, request))[0])).toEqual([3, 4, 5, 6, 7]);
    });
    expect(cost.calls).toEqual({ xrange: 2 });
    expect(Math.round(cost.bytes / 100_000)).toBe(6);
  });

  test('of a stream read from its beginning is known by what was ever removed', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', ['a', 'b', 'c']);
    const trimmed = async () => (await read(reader, { k: '0-0' }, { proof: 'state' }))[0]!.trimmed;
    expect(await trimmed()).toBe(false);
    await redis.client.xtrim('k', 'MAXLEN', '=', 2);
    expect(await trimmed()).toBe(true);
  });

  test('is noticed without the rights to scripts and XINFO', async () => {
    const { redis } = await newReader();
    await redis.client.call('ACL', 'SETUSER', 'gate', 'on', '>x', '~*', '+@all', '-@scripting', '-xinfo');
    const reader = readerOf({ ...parseRedisUrl(redis.url), username: 'gate', password: 'x' });
    await fill(redis, 'k', ['a', 'b', 'c']);
    await redis.client.xtrim('k', 'MAXLEN', '=', 2);
    const batches = [];
    for (const after of ['1-0', '2-0']) {
      batches.push((await read(reader, { k: after }, { proof: 'state' }))[0]!);
    }
    expect(batches.map(({ trimmed, length }) => [trimmed, length])).toEqual([
      [true, 2],
      [false, 1],
    ]);
  });
});

describe('a stream that is not the one that was read', () => {
  test.each([
    ['deleted and created again', (redis: TestRedis) => redis.client.del('k')],
    ['renamed', (redis: TestRedis) => redis.client.rename('k', 'other')],
    ['flushed', (redis: TestRedis) => redis.client.flushall()],
  ])('since it was %s is noticed by the missing cursor', async (_name, end) => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', ['a', 'b', 'c', 'd']);
    await end(redis);
    for (const id of ['5-0', '6-0']) await redis.client.xadd('k', id, 'd', id);
    const [batch] = await read(reader, { k: '3-0' }, { proof: 'state' });
    expect([ids(batch), batch!.trimmed]).toEqual([[5, 6], true]);
  });

  test('has never as many entries as were asked for, the cursor there or not', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', ['a', 'b', 'c', 'd']);
    for (const [after, expected] of [
      ['1-0', [2, 3]],
      ['0-5', [1, 2]],
    ] as const) {
      const [batch] = await read(reader, { k: after }, { proof: 'state', count: 2 });
      expect(ids(batch)).toEqual(expected);
      expect(Buffer.from(batch!.bytes).toString()).toBe(after === '1-0' ? 'bc' : 'ab');
    }
  });
});

test('an entry deleted after the cursor is noticed, and one before it is not', async () => {
  const { redis, reader } = await newReader();
  await fill(redis, 'k', ['a', 'b', 'c', 'd']);
  await redis.client.xdel('k', '2-0');
  const trimmed = async (after: string) => (await read(reader, { k: after }, { proof: 'state' }))[0]!.trimmed;
  expect([await trimmed('1-0'), await trimmed('3-0')]).toEqual([true, false]);
});

describe('a read that fails', () => {
  test('fails alone', async () => {
    const { redis, reader } = await newReader();
    await redis.client.set('text', 'x');
    await fill(redis, 'k', ['a']);
    const failed = read(reader, { text: '0-0' });
    const fine = read(reader, { k: '0-0' });
    await expect(failed).rejects.toMatchObject({ code: 'wrong_type' });
    expect(ids((await fine)[0])).toEqual([1]);
    await expect(read(reader, { k: '0-0', text: '0-0' })).rejects.toMatchObject({ code: 'wrong_type' });
    await expect(read(reader, { text: '0-0' }, { proof: 'state' })).rejects.toMatchObject({
      code: 'wrong_type',
    });
    expect(ids((await read(reader, { k: '0-0' }))[0])).toEqual([1]);
  });

  test('while Redis is away fails soon, and works again once it is back', async () => {
    const { redis, reader } = await newReader();
    await fill(redis, 'k', ['a']);
    await read(reader, { k: '0-0' });
    redis.process.kill('SIGKILL');
    await once(redis.process, 'exit');
    await expect(read(reader, { k: '0-0' })).rejects.toMatchObject({ code: 'redis_unavailable' });
    await redis.restart();
    await fill(redis, 'k', ['a', 'b']);
    expect(ids((await read(reader, { k: '0-0' }))[0])).toEqual([1, 2]);
  });

  test('because the connection was lost under it is sent again on another', async () => {
    const { target } = await fakeRedisForTest((command, client) => {
      if (command[0] !== 'XRANGE') return politely(command, client);
      if (client.index > 0) return '*0\r\n';
      client.socket.destroy();
      return undefined;
    });
    const reader = readerOf(target);
    expect((await read(reader, { a: '0-0', b: '0-0' })).map(ids)).toEqual([[], []]);
  });

  test('because no answer came for four seconds', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    let asked = 0;
    const { target } = await fakeRedisForTest((command, client) => {
      if (command[0] !== 'XRANGE') return politely(command, client);
      return asked++ < 2 ? undefined : '*0\r\n';
    });
    const reader = readerOf(target);
    const silent = [read(reader, { a: '0-0' }), read(reader, { b: '0-0' })].map((reading) => {
      return expect(reading).rejects.toMatchObject({ code: 'redis_unavailable' });
    });
    await vi.waitFor(() => expect(asked).toBe(2), WAIT);
    vi.advanceTimersByTime(6000);
    await Promise.all(silent);
    expect(ids((await read(reader, { a: '0-0' }))[0])).toEqual([]);
  });
});
