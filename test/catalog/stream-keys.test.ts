import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { listKeys } from '../../src/catalog/key-listing.js';
import { deviceStreamKey, groupByDevice, resolveBareIds } from '../../src/catalog/stream-keys.js';
import { ServerReads } from '../../src/redis/key-reads.js';
import { unixTarget } from '../../src/redis/target.js';
import { controlForFile, openControl } from '../support/control.js';
import { startRedis } from '../support/redis-server.js';

const { redis } = await controlForFile();
const connection = new ServerReads(unixTarget(redis.path), 'test');

beforeEach(() => redis.client.flushdb());
afterAll(() => connection.close());

async function store(streams: readonly string[], described: readonly string[] = []): Promise<void> {
  const pipeline = redis.client.pipeline();
  for (const key of streams) pipeline.xadd(key, '*', 'd', '1');
  for (const key of described) pipeline.set(`:stream:meta:${key}`, '{}');
  await pipeline.exec();
}

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
        connection,
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
    expect(await resolveBareIds(connection, ['x', 'cam:y', ':event:z'], false, any)).toEqual([
      'x',
      'cam:y',
      ':event:z',
    ]);
  });

  test('a key that others named as no client could is found by its name', async () => {
    const odd = ['a+b', 'x'.repeat(600), 'new\nline'];
    await store(odd);
    expect(await resolveBareIds(connection, odd, true, any)).toEqual(odd);
    for (const id of ['c+d', 'y'.repeat(600), 'other\nline', '']) {
      await expect(resolveBareIds(connection, ['x', id], true, any)).rejects.toMatchObject({
        code: 'bad_name',
      });
    }
  });

  test('a key that may not be looked at is as none, and Redis is not asked for it', async () => {
    await store(['mine:x', 'theirs:x'], ['theirs:meta']);
    await redis.client.config('RESETSTAT');
    const ids = ['mine:x', 'theirs:x', 'theirs:meta'];
    const keys = await resolveBareIds(connection, ids, true, (key) => key.startsWith('mine:'));
    expect(keys).toEqual(['mine:x', 'default:theirs:x', 'default:theirs:meta']);
    expect(await redis.client.info('commandstats')).toContain('cmdstat_type:calls=1,');
  });

  test('in one round trip, and none for none', async () => {
    expect(await resolveBareIds(connection, [], true, any)).toEqual([]);
    const ids = Array.from({ length: 500 }, (_, index) => `s${index}`);
    await redis.client.config('RESETSTAT');
    await resolveBareIds(connection, ids, true, any);
    const stats = await redis.client.info('commandstats');
    expect(/cmdstat_type:calls=(\d+)/.exec(stats)?.[1]).toBe('500');
    expect(/cmdstat_exists:calls=(\d+)/.exec(stats)?.[1]).toBe('500');
  });
});

test('without Redis each is refused at once', async () => {
  const other = await startRedis();
  const lost = await openControl(other);
  const lostConnection = new ServerReads(unixTarget(other.path), 'test');
  await other.stop();
  await expect(listKeys(lost)).rejects.toMatchObject({ code: 'redis_unavailable' });
  await expect(resolveBareIds(lostConnection, ['x'], true, any)).rejects.toMatchObject({
    code: 'redis_unavailable',
  });
  lost.close();
});
