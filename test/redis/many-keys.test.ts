/** Commands for many keys, where one server has them and where each may be elsewhere. */
import { expect, test } from 'vitest';
import type { Control } from '../../src/redis/control.js';
import { readStrings, unlinkAll } from '../../src/redis/many-keys.js';
import { controlForFile } from '../support/control.js';

const { redis, control } = await controlForFile();
/** The same server, asked key by key. */
const apart: Control = Object.assign(Object.create(control) as Control, {
  takesManyKeys: false,
  of: control.of.bind(control),
});

const commands = async (name: string) => {
  const stats = await redis.client.info('commandstats');
  return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
};

test('are one command where one server has all keys, and one for each key elsewhere', async () => {
  for (const one of [control, apart]) {
    await redis.client.flushdb();
    await redis.client.mset({ a: '1', b: '2', c: '' });
    await redis.client.call('CONFIG', 'RESETSTAT');
    expect(await readStrings(one, ['b', 'none', 'a', 'c'])).toEqual(['2', null, '1', '']);
    expect(await unlinkAll(one, ['a', 'none', 'b'])).toBe(2);
    expect(await redis.client.keys('*')).toEqual(['c']);
    const all = [await commands('mget'), await commands('get'), await commands('unlink')];
    expect(all).toEqual(one.takesManyKeys ? [1, 0, 1] : [0, 4, 3]);
  }
});

test('have no string for a key of another type', async () => {
  await redis.client.lpush('list', 'x');
  for (const one of [control, apart]) expect(await readStrings(one, ['list', 'c'])).toEqual([null, '']);
});

test('fail with any other refusal', async () => {
  await redis.client.call('ACL', 'SETUSER', 'default', '-get', '-mget');
  for (const one of [control, apart]) await expect(readStrings(one, ['c'])).rejects.toThrow('NOPERM');
});
