/** Calls follow a key to the node that has it, and are carried out once. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findRedisServer } from '../../../src/embedded/binaries.js';
import type { OpenCluster } from '../../../src/redis/cluster/open-cluster.js';
import { openTestCluster, slotIn } from '../../support/cluster-control.js';
import { type ClusterNode, startClusterNode } from '../../support/cluster-node.js';
import { steadyPorts } from '../../support/free-port.js';
import { startCluster, type TestCluster } from '../../support/redis-cluster.js';
import { beginMove, moveSlot } from '../../support/slot-move.js';

let cluster: TestCluster;
let open: OpenCluster;
beforeAll(async () => {
  cluster = await startCluster();
  open = await openTestCluster(cluster.url);
}, 60_000);
afterAll(async () => {
  open?.control.close();
  await cluster?.stop();
});

const other = (node: ClusterNode) => cluster.masters.find((one) => one !== node)!;
const get = (key: string) => open.control.of(key, (redis) => redis.get(key));
const set = (key: string, value: string) => open.control.of(key, (redis) => redis.set(key, value));
const increase = (key: string) => open.control.of(key, (redis) => redis.incr(key));

describe('a call', { timeout: 60_000 }, () => {
  test('goes to the node that has the key', async () => {
    for (let number = 0; number < 30; number++) await set(`key-${number}`, `${number}`);
    const sizes = await Promise.all(cluster.masters.map(({ client }) => client.dbsize()));
    expect(Math.min(...sizes)).toBeGreaterThan(0);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(30);
    expect(await get('key-7')).toBe('7');
    expect(open.control.figures.redirects).toEqual({ moved: 0, ask: 0 });
  });

  test('is sent on once a slot has moved, and then goes there at once', async () => {
    await set('moved', 'x');
    // The next refresh is not due before the slot has moved, and so is told by the redirect.
    await open.topology.refreshed();
    await moveSlot(cluster, await slotIn(cluster, 'moved'), other(await cluster.ownerOf('moved')));
    const { refreshes, redirects } = open.control.figures;
    expect(await get('moved')).toBe('x');
    await expect.poll(() => open.control.figures.refreshes).toBeGreaterThan(refreshes);
    await delay(500);
    const after = open.control.figures.redirects;
    expect(await get('moved')).toBe('x');
    expect(open.control.figures.redirects).toEqual(after);
    expect(after.moved).toBe(redirects.moved + 1);
  });

  test('asks the node that a slot is on its way to, for keys that are there', async () => {
    const slot = await slotIn(cluster, '{asked}');
    await set('{asked}stays', 'here');
    const from = await cluster.ownerOfSlot(slot);
    const move = await beginMove(cluster, slot, other(from));
    const { ask } = open.control.figures.redirects;
    expect(await get('{asked}stays')).toBe('here');
    expect(open.control.figures.redirects.ask).toBe(ask);
    // A new key goes to where the slot goes.
    await set('{asked}new', 'there');
    expect(open.control.figures.redirects.ask).toBe(ask + 1);
    expect(await from.client.cluster('COUNTKEYSINSLOT', slot)).toBe(1);
    await move.moveKeys();
    expect(await get('{asked}stays')).toBe('here');
    await move.end();
    expect([await get('{asked}stays'), await get('{asked}new')]).toEqual(['here', 'there']);
  });

  test('of a script, at a node that does not know it, is carried out there', async () => {
    const slot = await slotIn(cluster, 'scripted');
    await set('scripted', 'before');
    const to = other(await cluster.ownerOfSlot(slot));
    const replace = (from: string, by: string) =>
      open.control.of('scripted', (redis) => redis.replaceValue('scripted', from, by));
    expect(await replace('before', 'middle')).toBe(1);
    const move = await beginMove(cluster, slot, to);
    await move.moveKeys();
    await to.client.script('FLUSH');
    expect(await replace('middle', 'after')).toBe(1);
    await move.end();
    expect(await get('scripted')).toBe('after');
  });

  test('is carried out once, however often its slot moves meanwhile', async () => {
    const slot = await slotIn(cluster, 'count');
    let isMoving = true;
    const moves = (async () => {
      for (let round = 0; round < 6; round++) {
        const move = await beginMove(cluster, slot, other(await cluster.ownerOfSlot(slot)));
        await delay(20);
        await move.moveKeys();
        await delay(20);
        await move.end();
      }
      isMoving = false;
    })();
    let calls = 0;
    while (isMoving) {
      await Promise.all(Array.from({ length: 10 }, () => increase('count')));
      calls += 10;
    }
    await moves;
    expect(await get('count')).toBe(String(calls));
    expect(calls).toBeGreaterThan(50);
  });

  test('waits while nobody serves the slot, and fails after two seconds', async () => {
    const slot = await slotIn(cluster, 'down');
    await set('down', 'x');
    const owner = await cluster.ownerOfSlot(slot);
    await owner.client.cluster('DELSLOTS', slot);
    const begun = performance.now();
    const failed = get('down');
    await expect(failed).rejects.toMatchObject({
      code: 'redis_unavailable',
      message: 'the Redis Cluster does not serve this stream now',
    });
    expect(performance.now() - begun).toBeGreaterThan(1900);
    expect(performance.now() - begun).toBeLessThan(5000);
    const late = get('down');
    await delay(300);
    await owner.client.cluster('ADDSLOTS', slot);
    expect(await late).toBe('x');
    await cluster.settled();
  });

  test('rejects as ioredis does where the command is refused', async () => {
    await set('text', 'x');
    await expect(open.control.of('text', (redis) => redis.llen('text'))).rejects.toThrow('WRONGTYPE');
  });
});

describe('a walk through all keys', { timeout: 60_000 }, () => {
  test('is made at each master once while no slot moves', async () => {
    let rounds = 0;
    for await (const masters of open.control.rounds()) {
      rounds++;
      expect(masters).toHaveLength(3);
    }
    expect(rounds).toBe(1);
  });

  test('is made again where slots were on their way, or have moved meanwhile', async () => {
    const slot = await slotIn(cluster, 'walk');
    let rounds = 0;
    for await (const _ of open.control.rounds()) {
      if (++rounds === 1) await moveSlot(cluster, slot, other(await cluster.ownerOfSlot(slot)));
    }
    expect(rounds).toBe(2);
    const move = await beginMove(cluster, slot, other(await cluster.ownerOfSlot(slot)));
    rounds = 0;
    for await (const _ of open.control.rounds()) if (++rounds === 2) await move.end();
    expect(rounds).toBe(3);
    await cluster.settled();
  });

  test('finds a master that has just got its first slot', async () => {
    const small = await startCluster({ masters: 1 });
    const [port, busPort] = await steadyPorts(2);
    const added = await startClusterNode((await findRedisServer())!, port!, busPort!, []);
    const { control } = await openTestCluster(small.url);
    try {
      const [first] = small.masters;
      await added.client.call('CLUSTER', 'MEET', '127.0.0.1', first!.port, first!.busPort);
      const all = { ...small, nodes: [first!, added] };
      await expect
        .poll(() => beginMove(all, 7, added).catch(() => undefined), { timeout: 30_000 })
        .toBeDefined();
      await moveSlot(all, 7, added);
      const ports: (number | undefined)[] = [];
      for await (const masters of control.rounds()) {
        ports.splice(0, ports.length, ...masters.map(({ options }) => options.port));
      }
      expect(ports.sort()).toEqual([first!.port, added.port].sort());
    } finally {
      control.close();
      await Promise.all([small.stop(), added.stop()]);
    }
  });
});

describe('the masters', { timeout: 60_000 }, () => {
  test('are all there, each with its part', async () => {
    const { control } = open;
    expect(control.takesManyKeys).toBe(false);
    const ports = control.masters().map(({ options }) => options.port);
    expect(ports.sort()).toEqual(cluster.masters.map(({ port }) => port).sort());
    const parts = control.masters().map((redis) => control.partOf(redis));
    for (const part of parts) expect(part).toMatch(/^the slots (\d+(-\d+)? ?)+$/);
    expect(new Set(parts).size).toBe(3);
    expect(control.figures.nodes).toEqual({ connected: 3, away: 0 });
  });

  test('that are away are named, and not waited for', async () => {
    const { control } = open;
    const [lost] = cluster.masters;
    const key = await (async () => {
      for (let number = 0; ; number++) {
        if ((await cluster.ownerOf(`k${number}`)) === lost) return `k${number}`;
      }
    })();
    expect(control.serves(key)).toBe(true);
    lost!.process.kill('SIGKILL');
    await expect.poll(() => control.away, { timeout: 30_000 }).toEqual([lost!.address]);
    expect(control.serves(key)).toBe(false);
    expect(control.isReady).toBe(true);
    expect(control.figures.nodes).toEqual({ connected: 2, away: 1 });
    const begun = performance.now();
    await expect(get(key)).rejects.toThrow();
    expect(performance.now() - begun).toBeLessThan(1500);
    await lost!.restart();
    await cluster.settled();
    await expect.poll(() => control.away, { timeout: 30_000 }).toEqual([]);
    await set(key, 'again');
    expect(await get(key)).toBe('again');
  });
});
