/** A reader thread that follows streams of a real cluster, while slots move and nodes end. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type OpenCluster, openCluster } from '../../src/redis/cluster/open-cluster.js';
import { slotOf } from '../../src/redis/cluster/slot.js';
import { SLOTS, SlotTable } from '../../src/redis/cluster/slot-table.js';
import { parseRedisUrl } from '../../src/redis/target.js';
import { createLogger } from '../../src/system/logger.js';
import type { ClusterNode } from '../support/cluster-node.js';
import { ClusterWriter } from '../support/cluster-writer.js';
import { ReaderWorker } from '../support/reader-worker.js';
import { type ClusterOptions, startCluster, type TestCluster } from '../support/redis-cluster.js';
import { beginMove, moveSlot } from '../support/slot-move.js';

const WAIT = { timeout: 30_000, interval: 20 };
/** Each stream is read again in so much time. */
const SWEEP_MS = 8000;

let cluster: TestCluster;
let open: OpenCluster;
let reader: ReaderWorker;
let writer: ClusterWriter;

async function openAll(started: TestCluster): Promise<void> {
  cluster = started;
  open = await openCluster(parseRedisUrl(cluster.url), {}, createLogger('silent'));
  writer = new ClusterWriter(cluster);
  reader = newReader();
}

function newReader(url = cluster.url): ReaderWorker {
  const target = parseRedisUrl(url);
  return new ReaderWorker(target, open.topology.table);
}

/** Keys in so many slots, spread over all shards, that no other test has. */
let series = 0;
function keys(count: number): string[] {
  series++;
  return Array.from({ length: count }, (_, index) => `s${series}-${index}`);
}

/** All entries of these streams have come, in order, once, and nothing was said to be lost. */
async function expectAll(streams: readonly string[]): Promise<void> {
  await vi.waitFor(() => {
    const entries = reader.entries;
    expect(entries.length).toBeGreaterThanOrEqual(streams.flatMap((key) => writer.idsOf(key)).length);
  }, WAIT);
  const came = new Map<string, string[]>(streams.map((key) => [key, []]));
  for (const entry of reader.entries) {
    const [key, id] = entry.split(' ') as [string, string];
    came.get(key)?.push(id);
  }
  for (const key of streams) expect([key, came.get(key)]).toEqual([key, writer.idsOf(key)]);
  expect(reader.of('entries').flatMap(({ reply }) => [...(reply.losses ?? [])])).toEqual([]);
  expect([...reader.of('lost'), ...reader.of('evicted')]).toEqual([]);
}

const other = async (slot: number): Promise<ClusterNode> => {
  const owner = await cluster.ownerOfSlot(slot);
  return cluster.masters.find((node) => node !== owner)!;
};

/** Connections of readers at a node. */
async function connections({ client }: ClusterNode): Promise<number> {
  const list = (await client.client('LIST')) as string;
  return list.split('\n').filter((line) => line.includes('name=streamgate-reader')).length;
}

function closeAll(): Promise<unknown> {
  open.control.close();
  return Promise.all([reader.close(), writer.stop()]);
}

describe('while slots move', () => {
  let started: TestCluster;

  beforeAll(async () => {
    started = await startCluster();
  }, 60_000);

  afterAll(() => started?.stop());

  afterEach(closeAll);

  const begin = () => openAll(started);

  test('streams on all shards are read, each once and in order', { timeout: 90_000 }, async () => {
    await begin();
    const streams = keys(30);
    for (const key of streams.slice(0, 15)) await writer.write([key, key]);
    for (const key of streams) reader.follow(key);
    for (let round = 0; round < 20; round++) await writer.write(streams);
    await expectAll(streams);
    expect(reader.of('connected')).toHaveLength(1);
    expect(reader.of('disconnected')).toEqual([]);
  });

  test('large entries and small ones of the same moment come whole', { timeout: 90_000 }, async () => {
    await begin();
    const streams = keys(12);
    for (const key of streams) reader.follow(key);
    for (let round = 1; round <= 5; round++) {
      await Promise.all(
        streams.map((key, index) =>
          writer.write([key], Buffer.alloc(index % 3 === 0 ? 300_000 : 10, `${round}`)),
        ),
      );
    }
    await expectAll(streams);
    const bytes = reader.of('entries').reduce((sum, event) => sum + event.bytes, 0);
    expect(bytes).toBe(5 * (4 * 300_000 + 8 * 10));
    for (const { reply } of reader.of('entries')) {
      reply.ids.forEach((ids, index) => {
        const payloads = new Uint8Array(reply.buffers[reply.places[index]!]!, reply.offsets[index]!);
        let from = 0;
        ids.split(' ').forEach((id, entry) => {
          const to = reply.ends[index]![entry]!;
          expect(new Set(payloads.subarray(from, to))).toEqual(new Set([id.charCodeAt(0)]));
          from = to;
        });
      });
    }
  });

  test('a slot with entries goes key by key to another shard and back', { timeout: 90_000 }, async () => {
    await begin();
    const tag = keys(1)[0];
    const streams = Array.from({ length: 6 }, (_, index) => `{${tag}}${index}`);
    const others = keys(6);
    for (const key of [...streams, ...others]) reader.follow(key);
    await writer.write([...streams, ...others]);
    writer.start([...streams, ...others]);
    const slot = slotOf(streams[0]!);
    for (let time = 0; time < 2; time++) {
      const move = await beginMove(cluster, slot, await other(slot));
      for (let moved = 0; moved < streams.length; moved++) {
        await move.moveKeys(1);
        await delay(50);
      }
      await delay(300);
      await move.end();
      await delay(500);
    }
    await writer.stop();
    expect(writer.redirects).toBeGreaterThan(0);
    await expectAll([...streams, ...others]);
    expect(reader.of('disconnected')).toEqual([]);
  });

  test('a move that is given up before a key has gone', { timeout: 90_000 }, async () => {
    await begin();
    const [key] = keys(1) as [string];
    reader.follow(key);
    writer.start([key]);
    const slot = slotOf(key);
    const move = await beginMove(cluster, slot, await other(slot));
    await delay(300);
    await move.abandon();
    await delay(300);
    await writer.stop();
    await expectAll([key]);
  });

  test('a move that is given up after the keys went, and came back', { timeout: 90_000 }, async () => {
    await begin();
    const tag = keys(1)[0];
    const streams = Array.from({ length: 4 }, (_, index) => `{${tag}}${index}`);
    for (const key of streams) reader.follow(key);
    writer.start(streams);
    await delay(100);
    const slot = slotOf(streams[0]!);
    const move = await beginMove(cluster, slot, await other(slot));
    await move.moveKeys();
    await delay(500);
    // Nobody may write while a key is at both: an entry sent by ASK would make a second stream.
    await writer.stop();
    await move.from.client.call('CLUSTER', 'SETSLOT', slot, 'STABLE');
    await move.to.client.call('MIGRATE', '127.0.0.1', move.from.port, '', 0, 5000, 'KEYS', ...streams);
    writer.start(streams);
    await delay(500);
    await move.abandon();
    await delay(500);
    await writer.stop();
    await expectAll(streams);
  });

  test('a stream is made while its empty slot moves', { timeout: 90_000 }, async () => {
    await begin();
    const [during, after] = keys(2) as [string, string];
    for (const key of [during, after]) reader.follow(key);
    await delay(500);
    const move = await beginMove(cluster, slotOf(during), await other(slotOf(during)));
    await writer.write([during]);
    await vi.waitFor(() => expect(reader.entries).toEqual([`${during} 1-0`]), {
      timeout: 2 * SWEEP_MS,
      interval: 20,
    });
    await move.end();
    // Of an empty slot nothing is told when it goes, either.
    await moveSlot(cluster, slotOf(after), await other(slotOf(after)));
    await writer.write([after, during]);
    await expectAll([during, after]);
  });

  test('a stream that is deleted while its slot is on the way is lost, once the slot has come', {
    timeout: 90_000,
  }, async () => {
    await begin();
    const [key] = keys(1) as [string];
    reader.follow(key);
    await writer.write([key]);
    await expectAll([key]);
    const move = await beginMove(cluster, slotOf(key), await other(slotOf(key)));
    await move.moveKeys();
    await writer.write([key]);
    await expectAll([key]);
    const { client } = move.to;
    expect(await Promise.all([client.call('ASKING'), client.del(key)])).toEqual(['OK', 1]);
    await delay(1500);
    expect(reader.of('lost')).toEqual([]);
    await move.end();
    await vi.waitFor(() => expect(reader.of('lost')).toMatchObject([{ end: { key, last: '0-0' } }]), WAIT);
  });

  test('entries that are trimmed while the slot is on the way are missed', { timeout: 90_000 }, async () => {
    await begin();
    const [key] = keys(1) as [string];
    reader.follow(key);
    await writer.write([key]);
    const move = await beginMove(cluster, slotOf(key), await other(slotOf(key)));
    await move.moveKeys();
    await writer.write([key]);
    await expectAll([key]);
    const { client } = move.to;
    const script = `for n = 3, 5 do redis.call('XADD', KEYS[1], n .. '-0', 'd', 'x') end
      return redis.call('XTRIM', KEYS[1], 'MAXLEN', 1)`;
    expect(await Promise.all([client.call('ASKING'), client.eval(script, 1, key)])).toEqual(['OK', 4]);
    await vi.waitFor(() => expect(reader.entries.at(-1)).toBe(`${key} 5-0`), WAIT);
    const { reply } = reader.of('entries').at(-1)!;
    expect(reply.losses?.get(0)).toMatchObject({ trimmed: true, lostAfter: '2-0' });
    await move.end();
  });

  test('a stream that waited at the target of a move that is given up is found again', {
    timeout: 90_000,
  }, async () => {
    await begin();
    const [key] = keys(1) as [string];
    const move = await beginMove(cluster, slotOf(key), await other(slotOf(key)));
    reader.follow(key);
    // It is at neither node, and the target is asked.
    await vi.waitFor(async () => expect(await connections(move.to)).toBe(1), WAIT);
    await delay(300);
    await move.abandon();
    await writer.write([key]);
    await vi.waitFor(() => expect(reader.entries).toEqual([`${key} 1-0`]), {
      timeout: SWEEP_MS / 2,
      interval: 20,
    });
  });

  test('nodes that send a stream to and fro are asked now and then, and no other stream waits', {
    timeout: 90_000,
  }, async () => {
    await begin();
    const [key, ...others] = keys(10) as [string, ...string[]];
    const slot = slotOf(key);
    const owner = await cluster.ownerOfSlot(slot);
    const third = await other(slot);
    for (const each of [key, ...others]) reader.follow(each);
    await writer.write(others);
    await expectAll(others);
    for (const { client } of [owner, third]) await client.config('RESETSTAT');
    await owner.client.call('CLUSTER', 'SETSLOT', slot, 'NODE', third.id);
    await third.client.call('CLUSTER', 'SETSLOT', slot, 'NODE', owner.id);
    await delay(2000);
    await writer.write(others);
    await expectAll(others);
    for (const { client } of [owner, third]) {
      const [, moved] = /errorstat_MOVED:count=(\d+)/.exec(await client.info('errorstats')) ?? [];
      expect(Number(moved)).toBeGreaterThan(1);
      expect(Number(moved)).toBeLessThan(100);
    }
    await owner.client.call('CLUSTER', 'SETSLOT', slot, 'NODE', owner.id);
    await writer.write([key]);
    await expectAll([key, ...others]);
  });

  test('a table that is empty at first, then wrong, and lacks a shard', { timeout: 90_000 }, async () => {
    await begin();
    await reader.close();
    const table = new SlotTable({});
    reader = new ReaderWorker(parseRedisUrl(cluster.url), table);
    const streams = keys(30);
    for (const key of streams) reader.follow(key);
    await writer.write(streams);
    await vi.waitFor(() => expect(table.wishes).toBeGreaterThan(0), WAIT);
    await delay(500);
    expect(reader.entries).toEqual([]);
    const seen = table.wishes;
    const addresses = cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port }));
    const owners = await Promise.all(streams.map((key) => cluster.ownerOf(key)));
    const third = streams.filter((_, index) => owners[index] === cluster.masters[2]);
    // All would be at the first, and of the third nobody knows.
    table.write(new Uint16Array(SLOTS), addresses.slice(0, 2));
    await vi.waitFor(() => expect(reader.entries).toHaveLength(streams.length - third.length), WAIT);
    expect(table.wishes).toBeGreaterThan(seen);
    await writer.write(streams);
    table.write(new Uint16Array(SLOTS), addresses);
    await expectAll(streams);
  });

  test('a key of another type is evicted, and harms no other', { timeout: 90_000 }, async () => {
    await begin();
    const [bad, good] = keys(2) as [string, string];
    await (await cluster.ownerOf(bad)).client.set(bad, '1');
    for (const key of [bad, good]) reader.follow(key);
    await writer.write([good]);
    await vi.waitFor(
      () => expect(reader.of('evicted')).toMatchObject([{ key: bad, failure: { code: 'wrong_type' } }]),
      WAIT,
    );
    await vi.waitFor(() => expect(reader.entries).toEqual([`${good} 1-0`]), WAIT);
  });

  test('300 streams in 300 slots take one connection to each shard, and none once nobody follows them', {
    timeout: 90_000,
  }, async () => {
    await begin();
    const streams = keys(300);
    for (const key of streams) reader.follow(key);
    await writer.write(streams);
    await expectAll(streams);
    expect(await Promise.all(cluster.masters.map(connections))).toEqual([1, 1, 1]);
    // All of one shard at first.
    const owners = await Promise.all(streams.map((key) => cluster.ownerOf(key)));
    streams.forEach((key, index) => {
      if (owners[index] === cluster.masters[0]) reader.send({ type: 'unfollow', key });
    });
    await vi.waitFor(
      async () => expect(await Promise.all(cluster.masters.map(connections))).toEqual([0, 1, 1]),
      WAIT,
    );
    for (const key of streams) reader.send({ type: 'unfollow', key });
    await vi.waitFor(
      async () => expect(await Promise.all(cluster.masters.map(connections))).toEqual([0, 0, 0]),
      WAIT,
    );
    expect(reader.of('disconnected')).toEqual([]);
  });

  test('where notices are refused, streams are polled', { timeout: 90_000 }, async () => {
    await begin();
    const rules = ['on', '>pw', '~*', '+@all', '-client|tracking'];
    for (const { client } of cluster.masters) await client.call('ACL', 'SETUSER', 'plain', ...rules);
    onTestFinished(async () => {
      for (const { client } of cluster.masters) await client.call('ACL', 'DELUSER', 'plain');
    });
    await reader.close();
    reader = newReader(cluster.url.replace('://', '://plain:pw@'));
    const tag = keys(1)[0];
    const streams = [...keys(10), `{${tag}}0`, `{${tag}}1`];
    for (const key of streams) reader.follow(key);
    writer.start(streams, 20);
    await delay(500);
    const slot = slotOf(`{${tag}}`);
    const move = await beginMove(cluster, slot, await other(slot));
    await move.moveKeys(1);
    await delay(300);
    await move.moveKeys();
    await move.end();
    await delay(300);
    await writer.stop();
    await expectAll(streams);
  });
});

describe('when nodes end', () => {
  const start = async (options: ClusterOptions) => {
    const started = await startCluster(options);
    onTestFinished(() => started.stop());
    onTestFinished(async () => void (await closeAll()));
    await openAll(started);
  };

  test('the replica of a master takes over, and all is read there', { timeout: 90_000 }, async () => {
    await start({ replicas: 1 });
    const streams = keys(30);
    for (const key of streams) reader.follow(key);
    for (let round = 0; round < 10; round++) await writer.write(streams);
    await expectAll(streams);
    await cluster.inStep();
    cluster.masters[0]!.process.kill('SIGKILL');
    const owners = await Promise.all(
      streams.map((key) => Promise.resolve(open.topology.table.shardOf(slotOf(key)))),
    );
    expect(new Set(owners).size).toBe(3);
    for (let round = 0; round < 10; round++) await writer.write(streams);
    await expectAll(streams);
    await reader.said('disconnected');
    await reader.said('connected', 2);
  });

  test('without a replica its streams wait, and those of others go on', { timeout: 90_000 }, async () => {
    await start({ settings: ['--cluster-require-full-coverage', 'no'] });
    const streams = keys(30);
    for (const key of streams) reader.follow(key);
    await writer.write(streams);
    await expectAll(streams);
    const owners = await Promise.all(streams.map((key) => cluster.ownerOf(key)));
    const [lost] = cluster.masters as [ClusterNode];
    const living = streams.filter((_, index) => owners[index] !== lost);
    lost.process.kill('SIGKILL');
    await reader.said('disconnected');
    for (let round = 0; round < 50; round++) {
      const before = reader.entries.length;
      await writer.write(living);
      const at = performance.now();
      await vi.waitFor(() => expect(reader.entries.length).toBe(before + living.length), WAIT);
      expect(performance.now() - at).toBeLessThan(2000);
      await delay(50);
    }
    expect([...reader.of('lost'), ...reader.of('evicted')]).toEqual([]);
    expect(reader.of('connected')).toHaveLength(1);
  });

  test('a master that comes back without its data has lost its streams, and no others', {
    timeout: 90_000,
  }, async () => {
    await start({});
    const streams = keys(30);
    for (const key of streams) reader.follow(key);
    await writer.write(streams);
    await expectAll(streams);
    const owners = await Promise.all(streams.map((key) => cluster.ownerOf(key)));
    const [emptied] = cluster.masters as [ClusterNode];
    await emptied.restart();
    await cluster.settled();
    const at = performance.now();
    const lost = streams.filter((_, index) => owners[index] === emptied);
    await vi.waitFor(() => expect(reader.of('lost')).toHaveLength(lost.length), WAIT);
    // Well before it would be their turn by itself.
    expect(performance.now() - at).toBeLessThan(SWEEP_MS / 2);
    for (const { end } of reader.of('lost')) expect(end).toMatchObject({ last: '0-0', newest: undefined });
    expect(
      reader
        .of('lost')
        .map(({ end }) => end.key)
        .sort(),
    ).toEqual([...lost].sort());
  });
});
