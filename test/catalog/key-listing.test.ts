import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { listKeys, listScopes } from '../../src/catalog/key-listing.js';
import { controlForFile } from '../support/control.js';
import { costOf } from '../support/redis-cost.js';

const { redis, control } = await controlForFile();

beforeEach(() => redis.client.flushdb());

async function store(streams: readonly string[], described: readonly string[] = []): Promise<void> {
  const pipeline = redis.client.pipeline();
  for (const key of streams) pipeline.xadd(key, '*', 'd', '1');
  for (const key of described) pipeline.set(`:stream:meta:${key}`, '{}');
  await pipeline.exec();
}

describe('listKeys', () => {
  test('streams and what has metadata, each sorted, and nothing of another type', async () => {
    await store(['b:2', 'a:1', ':event:x', 'plain'], ['z:only', 'a:1', ':event:x']);
    await redis.client.set('a:string', '1');
    await redis.client.sadd('a:set', '1');
    await redis.client.hset(':stream:meta:a:hash', 'x', '1');
    const listing = await listKeys(control);
    expect(listing).toEqual({
      streams: [':event:x', 'a:1', 'b:2', 'plain'],
      described: [':event:x', 'a:1', 'z:only'],
      all: [':event:x', 'a:1', 'b:2', 'plain', 'z:only'],
    });
  });

  test('an empty database', async () => {
    expect(await listKeys(control)).toEqual({ streams: [], described: [], all: [] });
  });

  test('each key once, of more than one step of SCAN', async () => {
    const keys = Array.from({ length: 2500 }, (_, index) => `cam:${String(index).padStart(4, '0')}`);
    await store(keys, keys.slice(0, 1500));
    const listing = await listKeys(control);
    expect(listing.streams).toEqual(keys);
    expect(listing.described).toEqual(keys.slice(0, 1500));
  });

  const KEYS = ['a:b*c', 'a:bxc', 'a:b?c', 'a:[x]', 'a:x', 'a\\b', 'a^b', 'é漢:😀', 'a-b', 'A:x'];

  test.each([
    ['*', KEYS],
    ['a:*', ['a:b*c', 'a:bxc', 'a:b?c', 'a:[x]', 'a:x']],
    ['a:b?c', ['a:b*c', 'a:bxc', 'a:b?c']],
    ['a:b\\*c', ['a:b*c']],
    ['a:[xyz]', ['a:x']],
    ['[^a]*', ['é漢:😀', 'A:x']],
    ['é*', ['é漢:😀']],
    ['a:\\[x\\]', ['a:[x]']],
    ['none', []],
    ['', []],
  ])('match %j is a glob', async (match, expected) => {
    await store(KEYS, KEYS);
    expect(await listKeys(control, { prefix: '', match })).toEqual({
      streams: [...expected].sort(),
      described: [...expected].sort(),
      all: [...expected].sort(),
    });
  });

  test('prefix is letter for letter, and match counts from behind it', async () => {
    await store(['a*b:1', 'axb:1', 'a*b:2', 'a*b']);
    const { streams } = await listKeys(control, { prefix: 'a*b' });
    expect(streams).toEqual(['a*b', 'a*b:1', 'a*b:2']);
    expect((await listKeys(control, { prefix: 'a*b', match: ':1' })).streams).toEqual(['a*b:1']);
    expect((await listKeys(control, { prefix: 'a', match: '*:1' })).streams).toEqual(['a*b:1', 'axb:1']);
  });

  const name = fc.string({
    unit: fc.constantFrom('a', '*', '?', '[', ']', '\\', '^', '-', 'é', ':'),
    maxLength: 6,
  });

  test('whatever the prefix is, it means itself', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(name, { minLength: 1, maxLength: 20 }), name, async (keys, prefix) => {
        await redis.client.flushdb();
        await store(keys, keys);
        const expected = keys.filter((key) => key.startsWith(prefix)).sort();
        expect(await listKeys(control, { prefix })).toEqual({
          streams: expected,
          described: expected,
          all: expected,
        });
      }),
      { numRuns: 60 },
    );
  });
});

describe('several listings at once', () => {
  test('walk the keys once, and Redis gets no pattern but what they all begin with', async () => {
    await store(['cam:a', 'cam:b', 'car:a', 'dog:a'], ['cam:a']);
    const scopes = [
      { prefix: 'ca', match: 'm*' },
      { prefix: 'cam:' },
      { prefix: '', match: 'ca*a*' },
      { prefix: 'cat' },
    ];
    let listings: unknown[] = [];
    const cost = await costOf(redis.client, async () => {
      listings = await listScopes(control, scopes, (key) => key !== 'cam:b');
    });
    expect(cost.calls).toEqual({ scan: 2 });
    expect(listings).toEqual([
      { streams: ['cam:a'], described: ['cam:a'], all: ['cam:a'] },
      { streams: ['cam:a'], described: ['cam:a'], all: ['cam:a'] },
      { streams: ['cam:a', 'car:a'], described: ['cam:a'], all: ['cam:a', 'car:a'] },
      { streams: [], described: [], all: [] },
    ]);
  });

  test('of characters that begin alike', async () => {
    await store(['😀', '😁']);
    const listings = await listScopes(control, [{ prefix: '😀' }, { prefix: '😁' }]);
    expect(listings.map(({ all }) => all)).toEqual([['😀'], ['😁']]);
  });

  test('a pattern with many stars does not hold up Redis', async () => {
    const keys = Array.from({ length: 200 }, (_, index) => `${'a'.repeat(500)}${index}`);
    await store(keys);
    const { all } = await listKeys(control, { prefix: '', match: `${'a*'.repeat(400)}b` });
    expect(all).toEqual([]);
    const slow = (await redis.client.info('commandstats')).match(
      /cmdstat_scan:.*usec_per_call=([\d.]+)/,
    )?.[1];
    expect(Number(slow)).toBeLessThan(5000);
  });
});
