/** Devices on a cluster: the same as by scripts, and no event is missing where a step fails. */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SteppedDeviceChanges } from '../../src/catalog/device-steps.js';
import { Devices } from '../../src/catalog/devices.js';
import type { OpenCluster } from '../../src/redis/cluster/open-cluster.js';
import type { Control } from '../../src/redis/control.js';
import {
  DEVICE_CONNECTED_EVENT,
  DEVICE_META_EVENT,
  DEVICES_CONNECTED,
  DEVICES_SEEN,
  deviceMetaKey,
} from '../../src/redis/keys.js';
import { openTestCluster } from '../support/cluster-control.js';
import { openControl } from '../support/control.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';

const MAX_LENGTH = 1000;

let cluster: TestCluster;
let open: OpenCluster;
let redis: TestRedis;
let single: Control;
beforeAll(async () => {
  [cluster, redis] = await Promise.all([startCluster(), startRedis()]);
  [open, single] = await Promise.all([openTestCluster(cluster.url), openControl(redis)]);
}, 60_000);
afterAll(async () => {
  open?.control.close();
  single?.close();
  await Promise.all([cluster?.stop(), redis?.stop()]);
});

beforeEach(() => Promise.all([redis, ...cluster.masters].map(({ client }) => client.flushdb())));

/** What is stored of the device `cam`, and every event. */
async function stateIn(control: Control) {
  const get = <T>(key: string, call: (redis: Redis) => Promise<T>) => control.of(key, call);
  const events = async (key: string) => {
    const entries = await get(key, (client) => client.xrange(key, '-', '+'));
    return entries.map(([, [field, text]]) => [field, JSON.parse(text!) as unknown]);
  };
  const meta = deviceMetaKey('cam');
  return {
    connected: await get(DEVICES_CONNECTED, (client) => client.smembers(DEVICES_CONNECTED)),
    seen: await get(DEVICES_SEEN, (client) => client.smembers(DEVICES_SEEN)),
    meta: await get(meta, (client) => client.get(meta)),
    connectedEvents: await events(DEVICE_CONNECTED_EVENT),
    metaEvents: await events(DEVICE_META_EVENT),
  };
}

type Change = (devices: Devices) => Promise<unknown>;
const CHANGES: Record<string, Change> = {
  'connect with metadata': (devices) => devices.connect('cam', { fps: 25 }),
  'connect with other metadata': (devices) => devices.connect('cam', { fps: 'é' }),
  'connect without': (devices) => devices.connect('cam', undefined),
  disconnect: (devices) => devices.disconnect('cam'),
  'set metadata': (devices) => devices.setMeta('cam', { fps: 25 }),
  'set none': (devices) => devices.setMeta('cam', {}),
};

describe('each change', { timeout: 60_000 }, () => {
  test('after each other one answers, stores and tells what the scripts do', async () => {
    const stepped = new Devices(open.control, MAX_LENGTH);
    const scripted = new Devices(single, MAX_LENGTH);
    for (const before of Object.values(CHANGES)) {
      for (const change of Object.values(CHANGES)) {
        for (const one of [before, change]) expect(await one(stepped)).toEqual(await one(scripted));
      }
    }
    const state = await stateIn(open.control);
    expect(state).toEqual(await stateIn(single));
    expect(state.connectedEvents.length).toBeGreaterThan(5);
    expect(await stepped.list(true)).toEqual(['cam']);
    expect(await stepped.metaTexts(['cam', 'other'])).toEqual([state.meta, null]);
  });

  test.each(['no JSON', '[1]', '{"a":1', 'null', ''])(
    'tells of no metadata where %j is stored',
    async (text) => {
      const key = deviceMetaKey('cam');
      for (const control of [open.control, single]) {
        await control.of(key, (client) => client.set(key, text));
        await new Devices(control, MAX_LENGTH).connect('cam', undefined);
      }
      const state = await stateIn(open.control);
      expect(state).toEqual(await stateIn(single));
      expect(state.connectedEvents).toEqual([['d', { device_id: 'cam', connected: true, meta: {} }]]);
    },
  );

  test.each([
    DEVICES_CONNECTED,
    DEVICES_SEEN,
    deviceMetaKey('cam'),
    DEVICE_CONNECTED_EVENT,
    DEVICE_META_EVENT,
  ])('writes nothing where %s is of another type, and says the same', async (key) => {
    const messages: unknown[] = [];
    for (const control of [open.control, single]) {
      await control.of(key, (client) => client.lpush(key, 'x'));
      const error = await new Devices(control, MAX_LENGTH)
        .connect('cam', { a: 1 })
        .catch((failure) => failure);
      expect(error).toMatchObject({ code: 'wrong_type' });
      messages.push(error.message);
    }
    expect(messages[0]).toBe(messages[1]);
    const sizes = await Promise.all(cluster.masters.map(({ client }) => client.dbsize()));
    expect(sizes.reduce((sum, size) => sum + size)).toBe(1);
  });

  test('bounds the events', async () => {
    const devices = new Devices(open.control, 10);
    for (let round = 0; round < 150; round++) await devices.setMeta('cam', { round });
    const { metaEvents } = await stateIn(open.control);
    expect(metaEvents.length).toBeLessThan(130);
    expect(metaEvents.at(-1)).toEqual(['d', { device_id: 'cam', meta: { round: 149 } }]);
  });
});

/** Fails at the call of that number, before or after the server has carried it out. */
function failingAt(control: Control, number: number, isCarriedOut: boolean): Control {
  let calls = 0;
  return Object.assign(Object.create(control) as Control, {
    takesManyKeys: false,
    of: async <T>(key: string, call: (client: Redis) => Promise<T>): Promise<T> => {
      const isFailing = ++calls === number;
      if (isFailing && !isCarriedOut) throw new Error('lost');
      const result = await control.of(key, call);
      if (isFailing) throw new Error('lost');
      return result;
    },
  });
}

describe('a step that fails', { timeout: 60_000 }, () => {
  test.each([
    ['before it is carried out', false],
    ['after it is carried out', true],
  ])('%s leaves nothing untold', async (_when, isCarriedOut) => {
    const steady = new SteppedDeviceChanges(open.control, MAX_LENGTH);
    let failures = 0;
    for (let number = 1; number <= 14; number++) {
      await Promise.all(cluster.masters.map(({ client }) => client.flushdb()));
      const failing = new SteppedDeviceChanges(failingAt(open.control, number, isCarriedOut), MAX_LENGTH);
      const connected = await failing.connect('cam', '{"a":1}').catch(() => undefined);
      if (connected === undefined) failures++;
      // What can be seen has been told of.
      const half = await stateIn(open.control);
      if (half.connected.length > 0) expect(half.connectedEvents.length).toBeGreaterThan(0);
      if (half.meta !== null) expect(half.metaEvents.length).toBeGreaterThan(0);
      await steady.connect('cam', '{"a":1}');
      const whole = await stateIn(open.control);
      expect(whole).toMatchObject({ connected: ['cam'], seen: ['cam'], meta: '{"a":1}' });
      const told = ['d', { device_id: 'cam', connected: true, meta: { a: 1 } }];
      expect(whole.connectedEvents.length).toBeLessThanOrEqual(2);
      expect(new Set(whole.connectedEvents.map((event) => JSON.stringify(event)))).toEqual(
        new Set([JSON.stringify(told)]),
      );

      const leaving = new SteppedDeviceChanges(failingAt(open.control, number, isCarriedOut), MAX_LENGTH);
      await leaving.disconnect('cam').catch(() => failures++);
      const { connected: left, connectedEvents } = await stateIn(open.control);
      if (left.length === 0) expect(connectedEvents.at(-1)).toMatchObject(['d', { connected: false }]);
    }
    // Five types, two looks, two events and three changes; three types, two looks, one event and one change.
    expect(failures).toBe(12 + 7);
  });
});

test('of changes of a device at once each is told of, and the last one holds', async () => {
  const changes = new SteppedDeviceChanges(open.control, MAX_LENGTH);
  await Promise.all(
    Array.from({ length: 40 }, (_, number) =>
      number % 2 === 0 ? changes.connect('cam', '') : changes.disconnect('cam'),
    ),
  );
  const { connected, connectedEvents } = await stateIn(open.control);
  expect(connected).toEqual([]);
  expect(connectedEvents).toHaveLength(40);
  expect(connectedEvents.at(-1)).toMatchObject(['d', { connected: false }]);
}, 60_000);
