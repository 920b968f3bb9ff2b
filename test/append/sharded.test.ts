import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Failure } from '../../src/protocol/errors.js';
import { slotOf } from '../../src/redis/cluster/slot.js';
import type { ClusterNode } from '../support/cluster-node.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { NumberWriter, openShardedPipes, storedNumbers } from '../support/sharded-pipes.js';
import { beginMove, moveSlot } from '../support/slot-move.js';

const WAIT = { timeout: 30_000, interval: 20 };
const TEST = { timeout: 90_000 };

let cluster: TestCluster;
let names = 0;

/** Names of streams that no other test has. */
const newKeys = (count: number) => Array.from({ length: count }, () => `s${names++}`);

const range = (length: number) => Array.from({ length }, (_, index) => index);

/** Every entry was stored once, in order, and told so with its id. */
async function expectAllStored(writer: NumberWriter): Promise<void> {
  for (const [key, { ids }] of writer.ledgers) {
    const count = writer.written(key);
    expect(ids).toHaveLength(count);
    expect(new Set(ids).size).toBe(count);
    expect(await storedNumbers(cluster, key)).toEqual(range(count));
  }
}

const addressOf = ({ listening }: FaultProxy) => ('port' in listening ? `127.0.0.1:${listening.port}` : '');

/** A master that is not this one. */
const another = (node: ClusterNode) => cluster.masters.find((other) => other !== node)!;

const settle = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a cluster that is well', TEST, () => {
  beforeAll(async () => {
    cluster = await startCluster();
  }, 60_000);
  afterAll(() => cluster.stop());

  test('has the entries of each stream at its owner, in order', async () => {
    const { pipes } = await openShardedPipes(cluster);
    await vi.waitFor(() => expect(pipes.shards).toEqual({ ready: 3, of: 3 }), WAIT);
    const writer = new NumberWriter(pipes, newKeys(12));
    writer.start();
    await settle(300);
    await writer.stop();
    await expectAllStored(writer);
  });

  test('keeps the order while slots go to another node key by key', async () => {
    const { pipes } = await openShardedPipes(cluster);
    const keys = newKeys(6);
    const writer = new NumberWriter(pipes, keys);
    writer.start();
    await settle(200);
    for (const key of keys.slice(0, 4)) {
      const slot = slotOf(key);
      const from = await cluster.ownerOfSlot(slot);
      const to = another(from);
      const move = await beginMove(cluster, slot, to);
      await settle(50);
      await move.moveKeys();
      await settle(50);
      await move.end();
      await settle(50);
    }
    await writer.stop();
    await expectAllStored(writer);
  });

  test('takes entries of a stream that is new, in a slot that is on its way', async () => {
    const { pipes } = await openShardedPipes(cluster);
    const [key] = newKeys(1);
    const slot = slotOf(key!);
    const from = await cluster.ownerOfSlot(slot);
    const move = await beginMove(cluster, slot, another(from));
    const writer = new NumberWriter(pipes, [key!]);
    writer.start();
    await settle(200);
    await move.moveKeys();
    await move.end();
    await settle(200);
    await writer.stop();
    await expectAllStored(writer);
  });

  test('keeps the order where a slot comes back before all of it was moved', async () => {
    const { pipes } = await openShardedPipes(cluster);
    const keys = newKeys(3);
    const writer = new NumberWriter(pipes, keys);
    writer.start();
    await settle(100);
    const slot = slotOf(keys[0]!);
    const from = await cluster.ownerOfSlot(slot);
    const to = another(from);
    const move = await beginMove(cluster, slot, to);
    await move.moveKeys();
    await settle(100);
    // Back again, key by key: the owner imports what it had given away.
    await to.client.call('CLUSTER', 'SETSLOT', slot, 'STABLE');
    await from.client.call('CLUSTER', 'SETSLOT', slot, 'STABLE');
    await to.client
      .call('MIGRATE', '127.0.0.1', from.port, '', 0, 5000, 'REPLACE', 'KEYS', keys[0]!)
      .catch(() => {});
    await settle(100);
    await writer.stop();
    for (const key of keys.slice(1))
      expect(await storedNumbers(cluster, key)).toEqual(range(writer.written(key)));
    expect(writer.ledgers.get(keys[0]!)!.told).toBe(writer.written(keys[0]!));
  });

  test('has many slots moved under load without a refusal', async () => {
    const { pipes } = await openShardedPipes(cluster);
    const keys = newKeys(40);
    const writer = new NumberWriter(pipes, keys);
    writer.start();
    const [first, second] = cluster.masters;
    const moved = [...new Set(keys.map(slotOf))];
    for (const slot of moved) {
      const from = await cluster.ownerOfSlot(slot);
      await moveSlot(cluster, slot, from === first ? second! : first!);
    }
    await writer.stop();
    await expectAllStored(writer);
    expect(Math.max(...writer.longestMs.values())).toBeLessThan(10_000);
  });

  /** Each master behind a proxy of its own. */
  async function openByProxies() {
    const proxies = await Promise.all(cluster.masters.map(({ port }) => FaultProxy.start({ port })));
    onTestFinished(async () => void (await Promise.all(proxies.map((proxy) => proxy.stop()))));
    const natMap = Object.fromEntries(
      cluster.masters.map(({ address }, index) => [address, addressOf(proxies[index]!)]),
    );
    for (const proxy of proxies) proxy.only = /append/;
    return { proxies, ...(await openShardedPipes(cluster, { maxOutageMs: 30_000 }, natMap)) };
  }

  test('stores an entry once whose answer was lost', async () => {
    const { pipes, proxies } = await openByProxies();
    const writer = new NumberWriter(pipes, newKeys(12));
    writer.start();
    for (let round = 0; round < 6; round++) {
      await settle(100);
      await Promise.all(proxies.map((proxy) => proxy.cutAfter(round % 2 === 0 ? 0 : 500, 'toClient')));
    }
    await writer.stop();
    expect(pipes.disconnects).toBeGreaterThan(6);
    await expectAllStored(writer);
  });

  test('finds an entry at the new owner whose answer was lost when its slot went there', async () => {
    const { pipes, proxies } = await openByProxies();
    const keys = newKeys(12);
    const writer = new NumberWriter(pipes, keys);
    writer.start();
    for (const key of keys.slice(0, 6)) {
      await settle(100);
      const slot = slotOf(key);
      const from = await cluster.ownerOfSlot(slot);
      const to = another(from);
      const proxy = proxies[cluster.masters.indexOf(from)]!;
      proxy.isRefusing = true;
      await proxy.cutAfter(0, 'toClient');
      await moveSlot(cluster, slot, to);
      proxy.isRefusing = false;
    }
    await settle(200);
    await writer.stop();
    expect(pipes.disconnects).toBeGreaterThanOrEqual(3);
    await expectAllStored(writer);
  });

  test('keeps the order where connections are lost while a slot is on its way', async () => {
    const { pipes, proxies } = await openByProxies();
    const keys = newKeys(4);
    const writer = new NumberWriter(pipes, keys);
    writer.start();
    for (const key of keys) {
      await settle(100);
      const slot = slotOf(key);
      const from = await cluster.ownerOfSlot(slot);
      const to = another(from);
      const move = await beginMove(cluster, slot, to);
      await move.moveKeys();
      for (const bytes of [0, 0, 100, 0]) {
        await settle(30);
        await proxies[cluster.masters.indexOf(to)]!.cutAfter(bytes, 'toClient');
        proxies[cluster.masters.indexOf(from)]!.cut();
      }
      await move.end();
    }
    await writer.stop();
    expect(pipes.disconnects).toBeGreaterThan(2);
    await expectAllStored(writer);
  });

  test('waits for the replicas of no other node', async () => {
    const { pipes } = await openShardedPipes(cluster);
    const keys = newKeys(3);
    const writer = new NumberWriter(pipes, keys, 1);
    writer.start();
    await settle(100);
    const slot = slotOf(keys[0]!);
    const from = await cluster.ownerOfSlot(slot);
    await moveSlot(cluster, slot, another(from));
    await settle(100);
    await writer.stop();
    // There are none: all is stored, and told with that.
    await expectAllStored(writer);
  });
});

describe('a master that is lost', TEST, () => {
  beforeAll(async () => {
    cluster = await startCluster({ replicas: 1, settings: ['--cluster-require-full-coverage', 'no'] });
  }, 60_000);
  afterAll(() => cluster.stop());

  test('has its replica take over, with all that was acknowledged by both', async () => {
    const { pipes } = await openShardedPipes(cluster, { maxOutageMs: 30_000 });
    const keys = newKeys(12);
    const writer = new NumberWriter(pipes, keys, 1);
    writer.start();
    await settle(300);
    const lost = cluster.masters[0]!;
    const owners = new Map<string, boolean>();
    for (const key of keys) owners.set(key, (await cluster.ownerOf(key)) === lost);
    expect([...owners.values()]).toContain(true);
    lost.process.kill('SIGKILL');
    await vi.waitFor(async () => {
      for (const key of keys) expect(await cluster.ownerOf(key)).not.toBe(lost);
    }, WAIT);
    await settle(1000);
    await writer.stop();
    for (const key of keys) {
      const { results } = writer.ledgers.get(key)!;
      const stored = await storedNumbers(cluster, key);
      expect(new Set(stored).size).toBe(stored.length);
      expect(stored).toEqual([...stored].sort((a, b) => a - b));
      results.forEach((result, number) => {
        if (!(result instanceof Failure)) expect(stored).toContain(number);
      });
      if (!owners.get(key)) expect(stored).toEqual(range(writer.written(key)));
      expect(results.slice(-3).every((result) => typeof result === 'string')).toBe(true);
    }
  });
});

describe('a master without a replica that is lost', TEST, () => {
  beforeAll(async () => {
    cluster = await startCluster({ settings: ['--cluster-require-full-coverage', 'no'] });
  }, 60_000);
  afterAll(() => cluster.stop());

  test('has its own streams refused, and no others', async () => {
    const maxBufferedBytes = 4 * 1024 * 1024;
    const { pipes } = await openShardedPipes(cluster, { maxOutageMs: 2000, maxBufferedBytes });
    await vi.waitFor(() => expect(pipes.shards.ready).toBe(3), WAIT);
    const lost = cluster.masters[1]!;
    const keys = newKeys(30);
    const lostKeys: string[] = [];
    for (const key of keys) if ((await cluster.ownerOf(key)) === lost) lostKeys.push(key);
    const others = keys.filter((key) => !lostKeys.includes(key));
    lost.process.kill('SIGSTOP');
    // More than may wait in all is pushed at it.
    const pipe = pipes.to(0);
    const flood = { refusals: new Set<string>(), told: 0 };
    const receipt = {
      stored: () => flood.told++,
      refused: (_: number, failure: Failure) => {
        flood.refusals.add(failure.code);
        flood.told++;
      },
    };
    const large = Buffer.alloc(64 * 1024);
    for (let count = 0; count < 200; count++) {
      pipe.append(pipe.streams.get(lostKeys[0]!), '*', large, receipt, count);
    }
    expect([...flood.refusals]).toEqual(['overloaded']);
    const writer = new NumberWriter(pipes, others);
    writer.start();
    await settle(4000);
    await writer.stop();
    await expectAllStored(writer);
    expect(flood.told).toBe(200);
    expect(flood.refusals).toContain('unknown_outcome');
    expect(Math.max(...writer.longestMs.values())).toBeLessThan(1500);
    const after = new NumberWriter(pipes, lostKeys);
    after.start();
    await settle(100);
    await after.stop();
    for (const { results } of after.ledgers.values()) {
      for (const result of results) expect(result).toMatchObject({ code: 'redis_unavailable' });
    }
    lost.process.kill('SIGCONT');
    await cluster.settled();
    const back = new NumberWriter(pipes, newKeys(12));
    await vi.waitFor(() => expect(pipes.shards.ready).toBe(3), WAIT);
    back.start();
    await settle(200);
    await back.stop();
    await expectAllStored(back);
  });
});
