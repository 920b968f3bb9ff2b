/** Reads of single keys find the node that has the key, also where that changes. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OpenCluster } from '../../../src/redis/cluster/open-cluster.js';
import { openKeyReads } from '../../../src/redis/cluster/open-key-reads.js';
import type { KeyReads } from '../../../src/redis/key-reads.js';
import { encodeCommand, type ReplyCursor } from '../../../src/redis/resp.js';
import { parseRedisUrl } from '../../../src/redis/target.js';
import { openTestCluster, slotIn } from '../../support/cluster-control.js';
import type { ClusterNode } from '../../support/cluster-node.js';
import { startCluster, type TestCluster } from '../../support/redis-cluster.js';
import { beginMove, moveSlot } from '../../support/slot-move.js';

let cluster: TestCluster;
let open: OpenCluster;
let reads: KeyReads;
beforeAll(async () => {
  cluster = await startCluster({ replicas: 1 });
  open = await openTestCluster(cluster.url);
  reads = openKeyReads(parseRedisUrl(cluster.url), open.topology.table, 'test');
}, 60_000);
afterAll(async () => {
  reads?.close();
  open?.control.close();
  await cluster?.stop();
});

const textOf = (reply: ReplyCursor) => (reply.isError ? `error ${reply.text()}` : reply.text());
const get = (key: string) => reads.send(key, encodeCommand(['GET', key]), textOf);
const store = async (key: string, value: string) => (await cluster.ownerOf(key)).client.set(key, value);
const other = (node: ClusterNode) => cluster.masters.find((one) => one !== node)!;

describe('a read', { timeout: 60_000 }, () => {
  test('goes to the node that has the key', async () => {
    const keys = Array.from({ length: 30 }, (_, number) => `key-${number}`);
    for (const key of keys) await store(key, key);
    expect(await Promise.all(keys.map(get))).toEqual(keys);
    expect(open.topology.table.redirects).toEqual({ moved: 0, ask: 0 });
    expect(reads.takesManyKeys).toBe(false);
  });

  test('that is refused is for its caller', async () => {
    await store('text', 'x');
    const error = await reads.send('text', encodeCommand(['LLEN', 'text']), textOf);
    expect(error).toMatch(/^error WRONGTYPE/);
  });

  test('is sent on once a slot has moved', async () => {
    await store('moved', 'x');
    // The next refresh is not due before the slot has moved, and so is told by the redirect.
    await open.topology.refreshed();
    await moveSlot(cluster, await slotIn(cluster, 'moved'), other(await cluster.ownerOf('moved')));
    expect(await get('moved')).toBe('x');
    expect(open.topology.table.redirects.moved).toBeGreaterThan(0);
  });

  test('asks the node that a slot is on its way to, for keys that are there', async () => {
    const slot = await slotIn(cluster, '{asked}a');
    const keys = Array.from({ length: 20 }, (_, number) => `{asked}${number}`);
    for (const key of keys) await store(key, key);
    const move = await beginMove(cluster, slot, other(await cluster.ownerOfSlot(slot)));
    await move.moveKeys(10);
    const { ask } = open.topology.table.redirects;
    expect(await Promise.all(keys.map(get))).toEqual(keys);
    expect(open.topology.table.redirects.ask).toBe(ask + 10);
    await move.moveKeys();
    expect(await Promise.all(keys.map(get))).toEqual(keys);
    await move.end();
    expect(await Promise.all(keys.map(get))).toEqual(keys);
  });

  test('never misses a key whose slot moves again and again', async () => {
    const slot = await slotIn(cluster, '{tour}');
    const keys = Array.from({ length: 50 }, (_, number) => `{tour}${number}`);
    for (const key of keys) await store(key, key);
    let isMoving = true;
    const moves = (async () => {
      for (let round = 0; round < 5; round++) {
        const move = await beginMove(cluster, slot, other(await cluster.ownerOfSlot(slot)));
        for (let moved = 0; moved < keys.length; moved += 10) {
          await move.moveKeys(10);
          await delay(5);
        }
        await move.end();
      }
      isMoving = false;
    })();
    let rounds = 0;
    for (; isMoving; rounds++) expect(await Promise.all(keys.map(get))).toEqual(keys);
    await moves;
    expect(rounds).toBeGreaterThan(5);
  });

  test('waits while nobody serves the slot, and fails after two seconds', async () => {
    const slot = await slotIn(cluster, 'down');
    await store('down', 'x');
    const { client } = await cluster.ownerOfSlot(slot);
    await client.cluster('DELSLOTS', slot);
    const begun = performance.now();
    await expect(get('down')).rejects.toMatchObject({
      code: 'redis_unavailable',
      message: 'the Redis Cluster does not serve this stream now',
    });
    expect(performance.now() - begun).toBeGreaterThan(1900);
    const late = get('down');
    await delay(300);
    await client.cluster('ADDSLOTS', slot);
    expect(await late).toBe('x');
    await cluster.settled();
  });

  test('finds what a replica has that has become the master', async () => {
    await store('failover', 'x');
    expect(await get('failover')).toBe('x');
    await cluster.inStep();
    const master = await cluster.ownerOf('failover');
    master.process.kill('SIGKILL');
    const begun = performance.now();
    await expect(get('failover')).rejects.toMatchObject({ code: 'redis_unavailable' });
    expect(performance.now() - begun).toBeLessThan(5000);
    await expect.poll(() => get('failover').catch(() => undefined), { timeout: 30_000 }).toBe('x');
    await master.restart();
    await cluster.settled();
  });
});
