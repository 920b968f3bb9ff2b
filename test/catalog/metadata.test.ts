import { beforeEach, describe, expect, test } from 'vitest';
import {
  decodeMetadata,
  deleteStream,
  encodeMetadata,
  mergeStreamMeta,
  replaceStreamMeta,
} from '../../src/catalog/metadata.js';
import { controlForFile, openControl } from '../support/control.js';
import { startRedis } from '../support/redis-server.js';

const KEY = ':stream:meta:cam:x';

const { redis, control } = await controlForFile();

beforeEach(() => redis.client.flushdb());

const stored = async () => JSON.parse((await redis.client.get(KEY))!) as unknown;

/** Values that Redis' own JSON, or a careless merge, would change. */
const HARD_VALUES: Record<string, unknown> = {
  emptyList: [],
  emptyObject: {},
  listOfEmpty: [[], {}, [[]]],
  float: 11.2,
  large: 2 ** 53 - 1,
  tiny: 1e-300,
  negativeZero: 0,
  nothing: null,
  no: false,
  unicode: 'é漢😀\u2028\u0000"\\',
  nested: { a: { b: { c: [1, { d: [] }] } } },
  '': 'an empty name',
  'a.b[0]*': 'a name of other characters',
  '7': 'a number for a name',
};

describe('a value that holds the same part many times', () => {
  test('is refused by its size before it is written', () => {
    const part = Array(50_000).fill(1);
    const value = { parts: Array(5000).fill(part) };
    expect(() => encodeMetadata(value)).toThrow('metadata may have at most 1048576 bytes of JSON');
  });

  test('is written where it fits', () => {
    const part = { a: [1, 'é', null] };
    expect(encodeMetadata({ one: part, two: part })).toBe(
      '{"one":{"a":[1,"é",null]},"two":{"a":[1,"é",null]}}',
    );
  });
});

describe('encode and decode', () => {
  test.each([undefined, null, [], ['a'], 'text', 1, true])('%j is no metadata', (value) => {
    expect(() => encodeMetadata(value)).toThrow('metadata must be a JSON object');
  });

  test('at most 1 MiB of JSON', () => {
    const fits = 'é'.repeat((1024 * 1024 - '{"a":""}'.length) / 2);
    expect(encodeMetadata({ a: fits })).toHaveLength(fits.length + 8);
    expect(() => encodeMetadata({ a: `${fits}x` })).toThrow(/at most 1048576 bytes/);
  });

  test.each(['', 'x', '[1]', '5', 'null', '"a"', '{"a"', '{}x'])('stored %j counts as none', (text) => {
    expect(decodeMetadata(text)).toEqual({});
  });

  test('what nests too deep to be printed again is refused, and counts as none', () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(encodeMetadata(decodeMetadata(nested(500)))).toBe(nested(500));
    expect(decodeMetadata(nested(100_000))).toEqual({});
    expect(() => encodeMetadata(JSON.parse(nested(100_000)))).toThrow(
      'metadata may nest at most 1000 levels deep',
    );
  });

  test('no key is no metadata', () => {
    expect(decodeMetadata(null)).toEqual({});
  });

  test('what was encoded is decoded', () => {
    expect(decodeMetadata(encodeMetadata(HARD_VALUES))).toEqual(HARD_VALUES);
  });
});

describe('replace', () => {
  test('stores the object and nothing else', async () => {
    await replaceStreamMeta(control, 'cam:x', { before: 1 });
    await replaceStreamMeta(control, 'cam:x', HARD_VALUES);
    expect(await stored()).toEqual(HARD_VALUES);
    expect(await redis.client.keys('*')).toEqual([KEY]);
  });
});

describe('merge', () => {
  test('keeps what is there, byte for byte in value', async () => {
    await replaceStreamMeta(control, 'cam:x', HARD_VALUES);
    await mergeStreamMeta(control, 'cam:x', { added: [] });
    expect(await stored()).toEqual({ ...HARD_VALUES, added: [] });
  });

  test('adds values of every form', async () => {
    await mergeStreamMeta(control, 'cam:x', HARD_VALUES);
    expect(await stored()).toEqual(HARD_VALUES);
  });

  test('is of the first level: a nested object is replaced', async () => {
    await mergeStreamMeta(control, 'cam:x', { a: { b: 1 }, c: 1 });
    await mergeStreamMeta(control, 'cam:x', { a: { d: 2 } });
    expect(await stored()).toEqual({ a: { d: 2 }, c: 1 });
  });

  test('null is a value, not a removal', async () => {
    await mergeStreamMeta(control, 'cam:x', { a: 1, b: 1 });
    await mergeStreamMeta(control, 'cam:x', { a: null });
    expect(await stored()).toEqual({ a: null, b: 1 });
  });

  test('the name __proto__ is a name like any other', async () => {
    await mergeStreamMeta(control, 'cam:x', { a: 1 });
    await mergeStreamMeta(control, 'cam:x', JSON.parse('{"__proto__": {"polluted": true}}'));
    await mergeStreamMeta(control, 'cam:x', { b: 2 });
    expect(await redis.client.get(KEY)).toBe('{"a":1,"__proto__":{"polluted":true},"b":2}');
  });

  test('replaces what is no object', async () => {
    for (const text of ['not json', '[1]', '']) {
      await redis.client.set(KEY, text);
      await mergeStreamMeta(control, 'cam:x', { a: 1 });
      expect(await stored()).toEqual({ a: 1 });
    }
  });

  test.each([2, 20, 60])('%i writers at once lose nothing', async (writers) => {
    await redis.client.set(KEY, '{"before": []}');
    const merges = Array.from({ length: writers }, (_, writer) =>
      mergeStreamMeta(control, 'cam:x', { [`w${writer}`]: [writer] }),
    );
    await Promise.all(merges);
    const expected = Object.fromEntries(merges.map((_, writer) => [`w${writer}`, [writer]]));
    expect(await stored()).toEqual({ before: [], ...expected });
  });

  test('of more writers than it tries for, each that is not refused is kept', async () => {
    const merges = Array.from({ length: 200 }, (_, writer) =>
      mergeStreamMeta(control, 'cam:x', { [`w${writer}`]: [writer] }),
    );
    const outcomes = await Promise.allSettled(merges);
    const kept = outcomes.flatMap(({ status }, writer) => (status === 'fulfilled' ? [`w${writer}`] : []));
    expect(Object.keys((await stored()) as object).sort()).toEqual(kept.sort());
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'overloaded' });
    }
  });

  test('writers that come again and again lose nothing', async () => {
    const controls = await Promise.all([openControl(redis), openControl(redis), openControl(redis)]);
    await Promise.all(
      controls.map(async (own, writer) => {
        for (let round = 0; round < 50; round++) {
          await mergeStreamMeta(own, 'cam:x', { [`w${writer}-${round}`]: round });
        }
      }),
    );
    expect(Object.keys((await stored()) as object)).toHaveLength(150);
    for (const own of controls) own.close();
  });

  test('may not grow what is stored beyond 1 MiB', async () => {
    await replaceStreamMeta(control, 'cam:x', { a: 'x'.repeat(700_000) });
    await expect(mergeStreamMeta(control, 'cam:x', { b: 'x'.repeat(700_000) })).rejects.toMatchObject({
      code: 'bad_metadata',
    });
    expect(Object.keys((await stored()) as object)).toEqual(['a']);
  });
});

test('metadata under a key of another type is told of', async () => {
  await redis.client.lpush(KEY, 'x');
  await expect(mergeStreamMeta(control, 'cam:x', { a: 1 })).rejects.toMatchObject({ code: 'wrong_type' });
});

describe('deleteStream', () => {
  test('deletes what there is, and says what that was', async () => {
    const { client } = redis;
    expect(await deleteStream(control, 'cam:x')).toEqual({ data: false, meta: false });
    await client.xadd('cam:x', '*', 'd', '1');
    await client.set(KEY, '{}');
    await client.xadd('cam:y', '*', 'd', '1');
    expect(await deleteStream(control, 'cam:x')).toEqual({ data: true, meta: true });
    await client.set(KEY, '{}');
    expect(await deleteStream(control, 'cam:x')).toEqual({ data: false, meta: true });
    await client.xadd('cam:x', '*', 'd', '1');
    expect(await deleteStream(control, 'cam:x')).toEqual({ data: true, meta: false });
    expect(await client.keys('*')).toEqual(['cam:y']);
  });

  test('leaves a key that is no stream, and its metadata', async () => {
    await redis.client.set('cam:x', 'a string');
    await redis.client.set(KEY, '{}');
    await expect(deleteStream(control, 'cam:x')).rejects.toMatchObject({
      code: 'wrong_type',
      message: 'the key is a string, not a stream',
    });
    expect((await redis.client.keys('*')).sort()).toEqual([KEY, 'cam:x']);
  });
});

test('without Redis each is refused at once', async () => {
  const other = await startRedis();
  const lost = await openControl(other);
  await other.stop();
  const refusal = { code: 'redis_unavailable' };
  await expect(replaceStreamMeta(lost, 'x', {})).rejects.toMatchObject(refusal);
  await expect(mergeStreamMeta(lost, 'x', {})).rejects.toMatchObject(refusal);
  await expect(deleteStream(lost, 'x')).rejects.toMatchObject(refusal);
  lost.close();
});
