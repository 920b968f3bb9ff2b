import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  allKeys,
  deviceStreamKey,
  groupByDevice,
  listKeys,
  resolveBareIds,
} from '../../src/streams/stream-keys.js';
import { controlForFile, openControl } from '../support/control.js';
import { startRedis } from '../support/redis-server.js';

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
    });
    expect(allKeys(listing)).toEqual([':event:x', 'a:1', 'b:2', 'plain', 'z:only']);
  });

  test('an empty database', async () => {
    expect(await listKeys(control)).toEqual({ streams: [], described: [] });
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
    expect(await listKeys(control, match)).toEqual({
      streams: [...expected].sort(),
      described: [...expected].sort(),
    });
  });

  test('prefix is letter for letter, and match counts from behind it', async () => {
    await store(['a*b:1', 'axb:1', 'a*b:2', 'a*b']);
    const { streams } = await listKeys(control, undefined, 'a*b');
    expect(streams).toEqual(['a*b', 'a*b:1', 'a*b:2']);
    expect((await listKeys(control, ':1', 'a*b')).streams).toEqual(['a*b:1']);
    expect((await listKeys(control, '*:1', 'a')).streams).toEqual(['a*b:1', 'axb:1']);
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
        expect(await listKeys(control, undefined, prefix)).toEqual({
          streams: expected,
          described: expected,
        });
      }),
      { numRuns: 60 },
    );
  });
});

describe('groupByDevice', () => {
  const KEYS = [':event:x', 'a:1', 'a:b:c', 'a:', 'b:1', 'default:x', 'plain', 'é:漢'];

  test('by what is before the first colon', () => {
    expect(Object.fromEntries(groupByDevice(KEYS, true))).toEqual({
      a: [
        { sid: '1', key: 'a:1' },
        { sid: 'b:c', key: 'a:b:c' },
        { sid: '', key: 'a:' },
      ],
      b: [{ sid: '1', key: 'b:1' }],
      default: [{ sid: 'x', key: 'default:x' }],
      é: [{ sid: '漢', key: 'é:漢' }],
    });
  });

  test('without prefixing all are of the default device, whole', () => {
    const streams = KEYS.slice(1).map((key) => ({ sid: key, key }));
    expect(Object.fromEntries(groupByDevice(KEYS, false))).toEqual({ default: streams });
  });
});

describe('deviceStreamKey', () => {
  test.each([
    ['cam', 'x', true, 'cam:x'],
    ['cam', 'a:b', true, 'cam:a:b'],
    ['cam', 'x', false, 'x'],
    ['cam', ':event:x', true, ':event:x'],
    ['é', '漢*', true, 'é:漢*'],
  ])('%s %s, prefixing %s: %s', (device, sid, devicePrefixing, key) => {
    expect(deviceStreamKey(device, sid, devicePrefixing)).toBe(key);
  });

  test.each([
    ['a:b', 'x'],
    ['', 'x'],
    ['cam', ''],
    ['cam', 'a+b'],
    ['cam', 'a\u0000b'],
    ['cam', '\ud800'],
    ['cam', 'x'.repeat(513)],
  ])('%j %j is refused', (device, sid) => {
    expect(() => deviceStreamKey(device, sid, true)).toThrow(expect.objectContaining({ code: 'bad_name' }));
  });
});

/** Every key may be looked at. */
const any = () => true;

describe('resolveBareIds', () => {
  test('that very key where it is a stream or has metadata, else one of the default device', async () => {
    await store(
      ['x', 'default:x', 'cam:y', 'default:cam:y', ':event:z'],
      ['only', 'default:only', 'cam:only'],
    );
    await redis.client.set('string', '1');
    expect(
      await resolveBareIds(
        control,
        [
          'x',
          'default:x',
          'cam:y',
          'cam:none',
          'only',
          'cam:only',
          'none',
          'string',
          ':event:z',
          ':event:none',
        ],
        true,
        any,
      ),
    ).toEqual([
      'x',
      'default:x',
      'cam:y',
      'default:cam:none',
      'only',
      'cam:only',
      'default:none',
      'default:string',
      ':event:z',
      ':event:none',
    ]);
  });

  test('without prefixing an id is the key', async () => {
    expect(await resolveBareIds(control, ['x', 'cam:y', ':event:z'], false, any)).toEqual([
      'x',
      'cam:y',
      ':event:z',
    ]);
  });

  test('a key that others named as no client could is found by its name', async () => {
    const odd = ['a+b', 'x'.repeat(600), 'new\nline'];
    await store(odd);
    expect(await resolveBareIds(control, odd, true, any)).toEqual(odd);
    for (const id of ['c+d', 'y'.repeat(600), 'other\nline', '']) {
      await expect(resolveBareIds(control, ['x', id], true, any)).rejects.toMatchObject({ code: 'bad_name' });
    }
  });

  test('a key that may not be looked at is as none, and Redis is not asked for it', async () => {
    await store(['mine:x', 'theirs:x'], ['theirs:meta']);
    await redis.client.config('RESETSTAT');
    const ids = ['mine:x', 'theirs:x', 'theirs:meta'];
    const keys = await resolveBareIds(control, ids, true, (key) => key.startsWith('mine:'));
    expect(keys).toEqual(['mine:x', 'default:theirs:x', 'default:theirs:meta']);
    expect(await redis.client.info('commandstats')).toContain('cmdstat_type:calls=1,');
  });

  test('in one round trip, and none for none', async () => {
    expect(await resolveBareIds(control, [], true, any)).toEqual([]);
    const ids = Array.from({ length: 500 }, (_, index) => `s${index}`);
    await redis.client.config('RESETSTAT');
    await resolveBareIds(control, ids, true, any);
    const stats = await redis.client.info('commandstats');
    expect(/cmdstat_type:calls=(\d+)/.exec(stats)?.[1]).toBe('500');
    expect(/cmdstat_exists:calls=(\d+)/.exec(stats)?.[1]).toBe('500');
  });
});

test('without Redis each is refused at once', async () => {
  const other = await startRedis();
  const lost = await openControl(other);
  await other.stop();
  await expect(listKeys(lost)).rejects.toMatchObject({ code: 'redis_unavailable' });
  await expect(resolveBareIds(lost, ['x'], true, any)).rejects.toMatchObject({ code: 'redis_unavailable' });
  lost.disconnect();
});
