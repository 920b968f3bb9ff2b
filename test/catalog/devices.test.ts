import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Devices } from '../../src/catalog/devices.js';
import type { Control } from '../../src/redis/control.js';
import { openControl } from '../support/control.js';
import { entriesIn, textsIn } from '../support/push-fixture.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';

const MAX_LENGTH = 1000;
const CONNECTED = ':event:device.connected';
const META = ':event:device.meta';

let redis: TestRedis;
let control: Control;
let devices: Devices;

beforeAll(async () => {
  redis = await startRedis();
  control = await openControl(redis);
  devices = new Devices(control, MAX_LENGTH);
});

afterAll(async () => {
  control?.close();
  await redis?.stop();
});

beforeEach(() => redis.client.flushdb());

const events = async (key: string): Promise<unknown[]> =>
  (await textsIn(redis.client, key)).map((text) => JSON.parse(text) as unknown);

/** What a connect answers, by which steps changed something. */
const connectAnswer = (changed: boolean, isNew: boolean, metaSet: boolean) => ({
  connection_status_changed: changed,
  connected: true,
  is_new_device: isNew,
  meta_set: metaSet,
  'fired:device.connected': changed,
  'fired:device.meta': metaSet,
});

test('the whole life of a device', async () => {
  const { client } = redis;
  expect(await devices.connect('cam', { fps: 11.2 })).toEqual(connectAnswer(true, true, true));
  expect(await devices.connect('cam', { fps: 11.2 })).toEqual(connectAnswer(false, false, false));
  expect(await devices.connect('cam', { fps: 12 })).toEqual(connectAnswer(false, false, true));
  expect(await devices.connect('cam', undefined)).toEqual(connectAnswer(false, false, false));
  expect(await devices.connect('cam', null)).toEqual(connectAnswer(false, false, false));
  expect(await client.smembers(':devices:connected')).toEqual(['cam']);
  expect(await client.smembers(':devices:seen')).toEqual(['cam']);
  expect(await client.get(':devices:meta:cam')).toBe('{"fps":12}');

  expect(await devices.setMeta('cam', {})).toEqual({
    is_new_device: false,
    meta_set: true,
    'fired:device.meta': true,
  });
  expect(await devices.setMeta('cam', {})).toEqual({
    is_new_device: false,
    meta_set: false,
    'fired:device.meta': false,
  });
  expect(await devices.disconnect('cam')).toEqual({
    connection_status_changed: true,
    connected: false,
    'fired:device.connected': true,
  });
  expect(await devices.disconnect('cam')).toEqual({
    connection_status_changed: false,
    connected: false,
    'fired:device.connected': false,
  });
  expect(await client.exists(':devices:connected')).toBe(0);
  expect(await client.smembers(':devices:seen')).toEqual(['cam']);

  expect(await devices.connect('cam', undefined)).toEqual(connectAnswer(true, false, false));
  expect(await events(CONNECTED)).toEqual([
    { device_id: 'cam', connected: true, meta: { fps: 11.2 } },
    { device_id: 'cam', connected: false, meta: {} },
    { device_id: 'cam', connected: true, meta: {} },
  ]);
  expect(await events(META)).toEqual([
    { device_id: 'cam', meta: { fps: 11.2 } },
    { device_id: 'cam', meta: { fps: 12 } },
    { device_id: 'cam', meta: {} },
  ]);
  // Nothing else was written, and a sixth key would be one that nobody knows of.
  expect((await client.keys('*')).sort()).toEqual([
    ':devices:connected',
    ':devices:meta:cam',
    ':devices:seen',
    CONNECTED,
    META,
  ]);
});

test('a device that nobody has connected', async () => {
  expect(await devices.disconnect('ghost')).toMatchObject({ connection_status_changed: false });
  expect(await redis.client.keys('*')).toEqual([]);
  expect(await devices.setMeta('ghost', { a: 1 })).toEqual({
    is_new_device: true,
    meta_set: true,
    'fired:device.meta': true,
  });
  expect(await devices.list(false)).toEqual([]);
  expect(await devices.list(true)).toEqual(['ghost']);
  expect(await events(META)).toEqual([{ device_id: 'ghost', meta: { a: 1 } }]);
  expect(await events(CONNECTED)).toEqual([]);
});

test('a device without metadata has none stored, and an empty object in its events', async () => {
  expect(await devices.connect('plain', undefined)).toEqual(connectAnswer(true, true, false));
  expect(await redis.client.exists(':devices:meta:plain')).toBe(0);
  expect(await events(CONNECTED)).toEqual([{ device_id: 'plain', connected: true, meta: {} }]);
  expect(await devices.meta(['plain', 'ghost'])).toEqual([{}, {}]);
});

const NAMES = ['é漢😀', 'quote\'"\\ and space', 'a*b?[c]', '{tag}', '💥'.repeat(128), '__proto__'];

test.each(NAMES)('the name %s survives in sets, keys and events', async (name) => {
  const meta = { 'ключ "x"': [[], {}, 1.5, null, '\u0000\u2028'], [name]: name };
  await devices.connect(name, meta);
  expect(await devices.list(false)).toEqual([name]);
  expect(await devices.meta([name])).toEqual([meta]);
  expect(await redis.client.get(`:devices:meta:${name}`)).toBe(JSON.stringify(meta));
  expect(await events(CONNECTED)).toEqual([{ device_id: name, connected: true, meta }]);
  await devices.disconnect(name);
  expect((await events(CONNECTED)).at(-1)).toEqual({ device_id: name, connected: false, meta });
});

const BAD_NAMES = ['', 'a:b', ':', 'a+b', 'a\nb', '\u0000', '\ud800', 'x'.repeat(513), 'é'.repeat(257)];

test.each(BAD_NAMES)('the name %j is refused, and nothing is written', async (name) => {
  const refusal = { code: 'bad_name' };
  await expect(devices.connect(name, {})).rejects.toMatchObject(refusal);
  await expect(devices.disconnect(name)).rejects.toMatchObject(refusal);
  await expect(devices.setMeta(name, {})).rejects.toMatchObject(refusal);
  expect(await redis.client.dbsize()).toBe(0);
});

test.each([['a'], 'text', 1, 0, false, true, ''])(
  'metadata %j is refused, and nothing is written',
  async (meta) => {
    const refusal = { code: 'bad_metadata', message: 'metadata must be a JSON object' };
    await expect(devices.connect('cam', meta)).rejects.toMatchObject(refusal);
    await expect(devices.setMeta('cam', meta)).rejects.toMatchObject(refusal);
    expect(await redis.client.dbsize()).toBe(0);
  },
);

test('ids are listed in alphabetical order', async () => {
  for (const name of ['b', 'a', 'C', 'é', '10', '9']) await devices.connect(name, undefined);
  await devices.disconnect('b');
  expect(await devices.list(false)).toEqual(['10', '9', 'C', 'a', 'é']);
  expect(await devices.list(true)).toEqual(['10', '9', 'C', 'a', 'b', 'é']);
});

test('of many that connect one device at once, one is told that it changed anything', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => devices.connect('cam', { a: 1 })));
  for (const step of [
    'connection_status_changed',
    'is_new_device',
    'meta_set',
    'fired:device.meta',
  ] as const) {
    expect(answers.filter((answer) => answer[step])).toHaveLength(1);
  }
  expect(await events(CONNECTED)).toHaveLength(1);
  expect(await events(META)).toHaveLength(1);
});

test('event streams are bounded', async () => {
  const bounded = new Devices(control, 100);
  for (let round = 0; round < 600; round++) {
    await Promise.all([
      bounded.connect('cam', { round }),
      bounded.disconnect('cam'),
      bounded.setMeta('cam', { again: round }),
    ]);
  }
  for (const key of [CONNECTED, META]) {
    // `~` keeps no fewer than asked for, and at most what one node of the tree holds more.
    const length = await redis.client.xlen(key);
    expect(length).toBeGreaterThanOrEqual(100);
    expect(length).toBeLessThanOrEqual(300);
  }
  expect((await events(META)).at(-1)).toEqual({ device_id: 'cam', meta: { again: 599 } });
});

test('events are entries of one field, d', async () => {
  await devices.connect('cam', {});
  expect(await entriesIn(redis.client, CONNECTED)).toHaveLength(1);
});

describe('keys that somebody else has filled', () => {
  test.each([
    ['no JSON', 'not json'],
    ['a list', '[1]'],
    ['a number', '5'],
    ['half an object', '{"a":'],
  ])('metadata that is %s counts as none, in events too', async (_, text) => {
    await redis.client.set(':devices:meta:cam', text);
    expect(await devices.meta(['cam'])).toEqual([{}]);
    await devices.connect('cam', undefined);
    await devices.disconnect('cam');
    expect(await events(CONNECTED)).toEqual([
      { device_id: 'cam', connected: true, meta: {} },
      { device_id: 'cam', connected: false, meta: {} },
    ]);
  });

  test('metadata of another form is the same metadata', async () => {
    await redis.client.set(':devices:meta:cam', '{ "a" : 1.0 }');
    await devices.connect('cam', undefined);
    expect(await events(CONNECTED)).toEqual([{ device_id: 'cam', connected: true, meta: { a: 1 } }]);
  });

  /** The keys that each step reads or writes. */
  const USED = {
    connect: [':devices:connected', ':devices:seen', ':devices:meta:cam', CONNECTED, META],
    disconnect: [':devices:connected', ':devices:meta:cam', CONNECTED],
    setMeta: [':devices:seen', ':devices:meta:cam', META],
  } as const;
  const STEPS = Object.entries(USED).flatMap(([step, keys]) =>
    keys.map((key) => [step as keyof typeof USED, key] as const),
  );

  /** All that is stored, as Redis dumps it. */
  async function dump(): Promise<Record<string, string>> {
    const keys = (await redis.client.keys('*')).sort();
    const values = await Promise.all(keys.map((key) => redis.client.dumpBuffer(key)));
    return Object.fromEntries(keys.map((key, index) => [key, values[index]!.toString('base64')]));
  }

  test.each(STEPS)('%s does nothing at all where %s is of another type', async (step, key) => {
    await devices.connect('cam', { a: 1 });
    await redis.client.del(key);
    await redis.client.lpush(key, 'x');
    const before = await dump();
    const doStep = () => devices[step]('cam', { b: 1 });
    await expect(doStep()).rejects.toMatchObject({ code: 'wrong_type' });
    expect(await dump()).toEqual(before);
    await redis.client.del(key);
    await doStep();
  });
});

test('without Redis each question is refused at once', async () => {
  const other = await startRedis();
  const lost = await openControl(other);
  const asked = new Devices(lost, MAX_LENGTH);
  await other.stop();
  const refusal = { code: 'redis_unavailable', message: 'Redis cannot be reached' };
  await expect(asked.connect('cam', {})).rejects.toMatchObject(refusal);
  await expect(asked.disconnect('cam')).rejects.toMatchObject(refusal);
  await expect(asked.setMeta('cam', {})).rejects.toMatchObject(refusal);
  await expect(asked.list(true)).rejects.toMatchObject(refusal);
  await expect(asked.meta(['cam'])).rejects.toMatchObject(refusal);
  lost.close();
});
