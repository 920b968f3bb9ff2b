/** Entries on their way into a cluster whose nodes change places, stop and come back. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../src/protocol/errors.js';
import type { ClusterNode } from '../support/cluster-node.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { NumberWriter, openShardedPipes, storedNumbers } from '../support/sharded-pipes.js';

const WAIT = { timeout: 30_000, interval: 50 };
const TEST = { timeout: 120_000 };
/** Longer than a replica takes to take over. */
const PATIENT = { maxOutageMs: 30_000 };

let cluster: TestCluster;
let names = 0;

const settle = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Names of streams on a node that no other test has. */
async function newKeysOn(node: ClusterNode, count: number): Promise<string[]> {
  const keys: string[] = [];
  while (keys.length < count) {
    const key = `f${names++}`;
    if ((await cluster.ownerOf(key)) === node) keys.push(key);
  }
  return keys;
}

/** Nothing is there twice or out of order, and all that was told to be stored, with its replicas, is there. */
async function expectTrue(writer: NumberWriter): Promise<void> {
  for (const [key, { results, told }] of writer.ledgers) {
    expect(told).toBe(writer.written(key));
    const stored = await storedNumbers(cluster, key);
    expect(stored).toEqual([...new Set(stored)].sort((a, b) => a - b));
    const isStored = new Set(stored);
    const lost = results.flatMap((result, number) =>
      result instanceof Failure || isStored.has(number) || writer.short.get(key)!.has(number) ? [] : [number],
    );
    expect(lost).toEqual([]);
  }
}

const newMaster = (keys: readonly string[], old: ClusterNode) =>
  vi.waitFor(async () => {
    for (const key of keys) expect(await cluster.ownerOf(key)).not.toBe(old);
  }, WAIT);

describe('nodes with replicas', TEST, () => {
  beforeAll(async () => {
    cluster = await startCluster({ replicas: 1, settings: ['--cluster-require-full-coverage', 'no'] });
  }, 60_000);
  afterAll(() => cluster.stop());

  test.each([[[]], [['TAKEOVER']]])(
    'change places as told (%s) without a refusal or a double',
    async (how) => {
      const { pipes } = await openShardedPipes(cluster, PATIENT);
      await cluster.inStep();
      const [key] = await newKeysOn(await cluster.ownerOf('x'), 1);
      const old = await cluster.ownerOf(key!);
      const index = cluster.nodes.indexOf(old) % 3;
      const replica = [cluster.masters[index]!, cluster.replicas[index]!].find((node) => node !== old)!;
      const writer = new NumberWriter(pipes, await newKeysOn(old, 4), 1);
      writer.start();
      await settle(200);
      await replica.client.call('CLUSTER', 'FAILOVER', ...how);
      await newMaster([key!], old);
      await settle(500);
      await writer.stop();
      await cluster.settled();
      await expectTrue(writer);
      const failures = [...writer.ledgers.values()].flatMap(({ results }) =>
        results.flatMap((result) => (result instanceof Failure ? [result.code] : [])),
      );
      // Without asking the old master, what it had not passed on is lost, and told so.
      if (how.length === 0) expect(failures).toEqual([]);
      else expect(failures.filter((code) => code !== 'unknown_outcome')).toEqual([]);
    },
  );

  test('a master that is paused while its replica takes over stores nothing twice later', async () => {
    const { pipes } = await openShardedPipes(cluster, PATIENT);
    await cluster.settled();
    await cluster.inStep();
    const old = await cluster.ownerOf('y');
    const keys = await newKeysOn(old, 4);
    const writer = new NumberWriter(pipes, keys, 1);
    writer.start();
    await settle(200);
    old.process.kill('SIGSTOP');
    await newMaster(keys, old);
    await settle(500);
    old.process.kill('SIGCONT');
    await settle(1000);
    await writer.stop();
    await cluster.settled();
    await expectTrue(writer);
    for (const { results } of writer.ledgers.values()) expect(results.at(-1)).toEqual(expect.any(String));
  });
});

describe('nodes without replicas', TEST, () => {
  beforeAll(async () => {
    cluster = await startCluster({ settings: ['--cluster-require-full-coverage', 'yes'] });
  }, 60_000);
  afterAll(() => cluster.stop());

  test('are all paused, and go on', async () => {
    const { pipes } = await openShardedPipes(cluster, PATIENT);
    const keys = (await Promise.all(cluster.masters.map((node) => newKeysOn(node, 2)))).flat();
    const writer = new NumberWriter(pipes, keys);
    writer.start();
    await settle(200);
    for (const { process } of cluster.masters) process.kill('SIGSTOP');
    await settle(4000);
    for (const { process } of cluster.masters) process.kill('SIGCONT');
    await settle(500);
    await writer.stop();
    await cluster.settled();
    // What came while a node found the cluster down, and was overtaken, is refused.
    await expectTrue(writer);
    for (const { results } of writer.ledgers.values()) expect(results.at(-1)).toEqual(expect.any(String));
  });

  test('that lead to each other in a circle have the entries refused in time', async () => {
    const [a, b] = cluster.masters;
    const { pipes } = await openShardedPipes(
      cluster,
      { maxOutageMs: 1000 },
      { [a!.address]: b!.address, [b!.address]: a!.address },
    );
    const writer = new NumberWriter(pipes, await newKeysOn(a!, 1));
    writer.start();
    await settle(100);
    await writer.stop();
    const [ledger] = writer.ledgers.values();
    for (const result of ledger!.results) {
      expect(result).toMatchObject({ code: 'redis_unavailable' });
      expect((result as Failure).message).not.toMatch(/MOVED|ASK|\d:\d/);
    }
    expect(Math.max(...writer.longestMs.values())).toBeLessThan(5000);
  });

  test('come back empty at the same address, and take entries', async () => {
    const { pipes } = await openShardedPipes(cluster, PATIENT);
    const lost = cluster.masters[1]!;
    const keys = await newKeysOn(lost, 2);
    const before = new NumberWriter(pipes, keys);
    before.start();
    await settle(200);
    await before.stop();
    lost.process.kill('SIGKILL');
    const after = new NumberWriter(pipes, keys);
    after.start();
    await settle(500);
    await lost.restart();
    await cluster.settled();
    await settle(500);
    await after.stop();
    for (const key of keys) {
      const stored = await storedNumbers(cluster, key);
      expect(stored).toEqual([...new Set(stored)].sort((x, y) => x - y));
      const { results } = after.ledgers.get(key)!;
      expect(results.at(-1)).toEqual(expect.any(String));
      const refused = results.filter((result) => result instanceof Failure);
      for (const failure of refused) {
        expect(['unknown_outcome', 'redis_unavailable']).toContain((failure as Failure).code);
      }
    }
  });
});
