/** Listings, deletions and the overview where the streams are on several masters. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Rights } from '../../src/access/rights.js';
import { flushAll } from '../../src/catalog/flush.js';
import { listKeys } from '../../src/catalog/key-listing.js';
import {
  deleteStream,
  deleteStreams,
  mergeStreamMeta,
  replaceStreamMeta,
} from '../../src/catalog/metadata.js';
import { OverviewWatch } from '../../src/catalog/overview-watch.js';
import { listStreamKeys } from '../../src/catalog/stream-keys.js';
import { surveyStreams, unknownState } from '../../src/catalog/stream-survey.js';
import { Hub } from '../../src/follow/live/hub.js';
import { readTails } from '../../src/follow/live/tails.js';
import type { Overview } from '../../src/protocol/overview.js';
import type { OpenCluster } from '../../src/redis/cluster/open-cluster.js';
import { keyAt, openTestCluster, slotIn } from '../support/cluster-control.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { beginMove } from '../support/slot-move.js';

let cluster: TestCluster;
let open: OpenCluster;
beforeAll(async () => {
  cluster = await startCluster({ settings: ['--cluster-require-full-coverage', 'no'] });
  open = await openTestCluster(cluster.url);
}, 60_000);
afterAll(async () => {
  open?.control.close();
  await cluster?.stop();
});
beforeEach(() => Promise.all(cluster.masters.map(({ client }) => client.flushdb())));

const add = (key: string) => open.control.of(key, (redis) => redis.xadd(key, '1-1', 'd', 'x'));
const sizes = async () => Promise.all(cluster.masters.map(({ client }) => client.dbsize()));
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const numbered = (count: number, start: string) =>
  Array.from({ length: count }, (_, number) => `${start}${number}`).sort();

describe('a listing', { timeout: 60_000 }, () => {
  test('has the streams and the metadata of all masters', async () => {
    const streams = numbered(50, 'cam:');
    for (const key of streams) await add(key);
    await replaceStreamMeta(open.control, 'cam:7', { a: 1 });
    await replaceStreamMeta(open.control, 'cam:none', { a: 1 });
    expect(Math.min(...(await sizes()))).toBeGreaterThan(0);
    expect(await listKeys(open.control, { prefix: 'cam:' })).toEqual({
      streams,
      described: ['cam:7', 'cam:none'],
      all: [...streams, 'cam:none'],
    });
    const { keys, isWhole } = await listStreamKeys(open.control, () => true, 100);
    expect([[...keys].sort(), isWhole]).toEqual([streams, true]);
  });

  test('misses no stream while slots move', async () => {
    const tags = numbered(6, '{tag').map((tag) => `${tag}}`);
    const keys = tags.flatMap((tag) => numbered(40, tag)).sort();
    for (const key of keys) await add(key);
    // Fillers make a walk take several steps.
    for (const master of cluster.masters) {
      const filler = `{${await keyAt(cluster, master, 'filler')}}`;
      await master.client.mset(Object.fromEntries(numbered(6000, filler).map((key) => [key, 'x'])));
    }
    let listings = 0;
    const moves = (async () => {
      for (let round = 0; listings < 20; round++) {
        const slot = await slotIn(cluster, tags[round % tags.length]!);
        const from = await cluster.ownerOfSlot(slot);
        const to = cluster.masters[(cluster.masters.indexOf(from) + 1 + (round % 2)) % 3]!;
        const move = await beginMove(cluster, slot, to);
        while ((await move.moveKeys(5)) > 0) await delay(2);
        await move.end();
      }
    })();
    for (; listings < 20; listings++) {
      const { streams } = await listKeys(open.control, { prefix: '{tag' });
      expect(streams).toEqual(keys);
    }
    await moves;
  });

  test('fails where a master is away, unless it may be without', async () => {
    for (const key of numbered(30, 'x')) await add(key);
    const [, lost] = cluster.masters;
    const there = await keyAt(cluster, cluster.masters[0]!, 'x');
    lost!.process.kill('SIGKILL');
    await expect.poll(() => open.control.away, { timeout: 30_000 }).toEqual([lost!.address]);
    await expect(listKeys(open.control)).rejects.toMatchObject({ code: 'redis_unavailable' });
    const { keys, isWhole } = await listStreamKeys(open.control, () => true, 100);
    expect(isWhole).toBe(false);
    expect(keys).toContain(there);
    expect(keys.size).toBeLessThan(30);
    await lost!.restart();
    await cluster.settled();
    await expect.poll(() => open.control.away, { timeout: 30_000 }).toEqual([]);
  });
});

describe('streams', { timeout: 60_000 }, () => {
  test('are deleted with their metadata, one or many', async () => {
    for (const key of numbered(20, 'x')) {
      await add(key);
      await mergeStreamMeta(open.control, key, { a: 1 });
    }
    expect(await deleteStream(open.control, 'x0')).toEqual({ data: true, meta: true });
    expect(await deleteStream(open.control, 'x0')).toEqual({ data: false, meta: false });
    expect(await deleteStreams(open.control, numbered(20, 'x'))).toBe(38);
    expect(await sizes()).toEqual([0, 0, 0]);
  });

  test('end where they end, whoever has them', async () => {
    const keys = numbered(20, 'x');
    for (const key of keys) await add(key);
    expect(await readTails(open.control, new Hub(100), [...keys, 'none'])).toEqual([
      ...keys.map(() => '1-1'),
      '0-0',
    ]);
  });

  test('are surveyed, but for those of a master that is away', async () => {
    const states = numbered(300, 'x').map(unknownState);
    for (const { key } of states) await add(key);
    expect(await surveyStreams(open.control, states)).toHaveLength(300);
    expect(states.every(({ length, lastEntryBytes }) => length === 1 && lastEntryBytes === 1)).toBe(true);
    const [lost] = cluster.masters;
    const others = states.map(({ key }) => unknownState(key));
    lost!.process.kill('SIGKILL');
    await expect.poll(() => open.control.away, { timeout: 30_000 }).toEqual([lost!.address]);
    const looked = await surveyStreams(open.control, others);
    expect(looked.map(({ length }) => length)).toEqual(
      looked.map(({ key }) => (open.control.serves(key) ? 1 : -1)),
    );
    await lost!.restart();
    await cluster.settled();
    await expect.poll(() => open.control.away, { timeout: 30_000 }).toEqual([]);
  });
});

describe('flush', { timeout: 60_000 }, () => {
  test('empties all masters', async () => {
    for (const key of numbered(40, 'x')) await add(key);
    expect(await flushAll(open.control)).toBe(40);
    expect(await sizes()).toEqual([0, 0, 0]);
  });

  test('says which part is left where a master is away, without its address', async () => {
    for (const key of numbered(40, 'x')) await add(key);
    const [lost] = cluster.masters;
    const left = (await sizes())[0]!;
    lost!.process.kill('SIGSTOP');
    const ends = await cluster.masters[1]!.client.cluster('SLOTS');
    const ranges = ends
      .filter(([, , node]) => node![1] === lost!.port)
      .map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`));
    const message =
      `only ${40 - left} keys are deleted: those of the slots ${ranges.join(' ')} of the Redis Cluster may still ` +
      'be there (Redis cannot be reached); flush again';
    const failed = flushAll(open.control);
    await expect(failed).rejects.toMatchObject({ code: 'redis_unavailable', message });
    lost!.process.kill('SIGCONT');
    await cluster.settled();
    await expect.poll(() => open.control.away, { timeout: 30_000 }).toEqual([]);
    await expect.poll(() => flushAll(open.control).catch(() => 'away'), { timeout: 30_000 }).toBe(0);
    expect(sum(await sizes())).toBe(0);
  });
});

describe('the overview', { timeout: 60_000 }, () => {
  test('goes on without a master that is away, and says which', async () => {
    for (const key of numbered(30, 'x')) await add(key);
    const seen: (Overview | { code: string })[] = [];
    const watch = new OverviewWatch({
      control: open.control,
      followers: { count: async (keys: readonly string[]) => keys.map(() => 0) } as never,
      threads: { describe: () => Promise.reject(new Error('not asked')) } as never,
      devicePrefixing: true,
    });
    const unwatch = watch.watch({
      rights: Rights.everything(true),
      filter: '',
      onOverview: (text) => seen.push(JSON.parse(text) as Overview),
      onFailure: (failure) => seen.push(failure),
    });
    try {
      const next = async () => {
        const { length } = seen;
        await expect.poll(() => seen.length, { timeout: 30_000 }).toBeGreaterThan(length);
        return seen.at(-1)!;
      };
      expect(await next()).toMatchObject({ omitted: 0, streams: { length: 30 } });
      expect(seen[0]).not.toHaveProperty('away');
      const [lost, other] = cluster.masters;
      const key = await keyAt(cluster, other!, 'x');
      lost!.process.kill('SIGKILL');
      await expect.poll(() => open.control.away, { timeout: 30_000 }).toEqual([lost!.address]);
      await open.control.of(key, (redis) => redis.xadd(key, '2-1', 'd', 'later'));
      await next();
      const without = (await next()) as Overview;
      // Streams that cannot be seen are shown as they were.
      expect(without.streams).toHaveLength(30);
      expect(without.streams[0]).toMatchObject({ key, length: 2, lastEntryBytes: 5 });
      expect(without.away).toEqual([lost!.address]);
      expect(seen.filter((one) => 'code' in one)).toEqual([]);

      await lost!.restart();
      await cluster.settled();
      await expect.poll(async () => 'away' in (await next()), { timeout: 30_000 }).toBe(false);
      // It has come back without its data.
      await expect.poll(async () => ((await next()) as Overview).streams.length).toBeLessThan(30);

      for (const node of cluster.masters) node.process.kill('SIGKILL');
      await expect.poll(next, { timeout: 30_000 }).toMatchObject({ code: 'redis_unavailable' });
      for (const node of cluster.masters) await node.restart();
      await cluster.settled();
      await expect.poll(next, { timeout: 30_000 }).toMatchObject({ streams: [] });
    } finally {
      unwatch();
    }
  });
});
