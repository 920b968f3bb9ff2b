/** The slot table follows what becomes of a cluster. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openCluster } from '../../../src/redis/cluster/open-cluster.js';
import { type NatMap, NO_SHARD } from '../../../src/redis/cluster/slot-table.js';
import type { Topology } from '../../../src/redis/cluster/topology.js';
import { parseRedisUrl } from '../../../src/redis/target.js';
import { createLogger } from '../../../src/system/logger.js';
import type { ClusterNode } from '../../support/cluster-node.js';
import { steadyPorts } from '../../support/free-port.js';
import { startCluster, type TestCluster } from '../../support/redis-cluster.js';
import { moveSlot } from '../../support/slot-move.js';

const WAIT = { timeout: 30_000, interval: 30 };
const SLOT = 100;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ replicas: 1 });
}, 60_000);
afterAll(() => cluster?.stop());

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function open(url = cluster.url, natMap: NatMap = {}): Promise<Topology> {
  const { topology, control } = await openCluster(parseRedisUrl(url), natMap, createLogger('silent'));
  ending.push(() => control.close());
  return topology;
}

const addressOfSlot = ({ table }: Topology, slot: number) => {
  const address = table.addressOf(table.shardOf(slot));
  return address && `${address.host}:${address.port}`;
};

/** The replica, or the former master, of the node. */
function partner(node: ClusterNode): ClusterNode {
  const at = cluster.nodes.indexOf(node);
  const { length } = cluster.masters;
  return cluster.nodes[(at + length) % (2 * length)]!;
}

/** Resolves once the topology knows the slot to be at the address. */
const movesTo = (topology: Topology, address: string) =>
  expect
    .poll(async () => {
      await topology.refreshed();
      return addressOfSlot(topology, SLOT);
    }, WAIT)
    .toBe(address);

describe('the table', { timeout: 60_000 }, () => {
  test('has all slots and masters after the start, and these are connected', async () => {
    const { table, nodes } = await open();
    const clients = table.shards.map((shard) => nodes.of(table.addressOf(shard)!));
    expect(clients.map(({ status }) => status)).toEqual(['ready', 'ready', 'ready']);
    expect(table.shards).toHaveLength(3);
    for (const slot of [0, SLOT, 8000, 16_383]) {
      const { address } = await cluster.ownerOfSlot(slot);
      expect(table.addressOf(table.shardOf(slot))).toEqual({
        host: '127.0.0.1',
        port: Number(address.split(':')[1]),
      });
    }
  });

  test('knows a slot that has moved soon after somebody wishes for it', async () => {
    const topology = await open();
    const { table } = topology;
    const from = await cluster.ownerOfSlot(SLOT);
    const to = await cluster.ownerOfSlot(16_000);
    const [before, target] = [table.shardOf(SLOT), table.shardOf(16_000)];
    await moveSlot(cluster, SLOT, to);
    await cluster.settled();
    await topology.refreshed();
    expect(table.shardOf(SLOT)).toBe(target);
    await moveSlot(cluster, SLOT, from);
    await cluster.settled();
    table.wish();
    await expect.poll(() => table.shardOf(SLOT), { timeout: 2000 }).toBe(before);
  });

  test('has the same number for a shard whose replica was made the master', async () => {
    const topology = await open();
    const before = topology.table.shardOf(SLOT);
    const replica = partner(await cluster.ownerOfSlot(SLOT));
    await cluster.inStep();
    await replica.client.cluster('FAILOVER');
    await movesTo(topology, replica.address);
    expect(topology.table.shardOf(SLOT)).toBe(before);
    await cluster.settled();
    await topology.refreshed();
    expect(topology.table.shardOf(SLOT)).toBe(before);
    expect(topology.table.shards).toHaveLength(3);
  });

  test.each(['SIGKILL', 'SIGSTOP'] as const)(
    'has it after a failover from a master that got %s',
    async (signal) => {
      const topology = await open();
      const before = topology.table.shardOf(SLOT);
      const master = await cluster.ownerOfSlot(SLOT);
      const replica = partner(master);
      await cluster.inStep();
      master.process.kill(signal);
      // Nobody is held up by the one that says nothing.
      const begun = performance.now();
      await topology.refreshed();
      expect(performance.now() - begun).toBeLessThan(1500);
      await movesTo(topology, replica.address);
      expect(topology.table.shardOf(SLOT)).toBe(before);
      expect(topology.table.shards).toHaveLength(3);
      if (signal === 'SIGSTOP') master.process.kill('SIGCONT');
      else await master.restart();
      await cluster.settled();
      await topology.refreshed();
      expect(addressOfSlot(topology, SLOT)).toBe(replica.address);
    },
  );

  test('has the addresses of the map', async () => {
    const natMap = Object.fromEntries(
      cluster.nodes.map(({ address, port }) => [address, `localhost:${port}`]),
    );
    const topology = await open(cluster.url, natMap);
    const { port } = await cluster.ownerOfSlot(SLOT);
    expect(addressOfSlot(topology, SLOT)).toBe(`localhost:${port}`);
    // By that address it is spoken to.
    const client = await topology.nodes.connected({ host: 'localhost', port }, 5000);
    expect(await client.cluster('MYID')).toBe((await cluster.ownerOfSlot(SLOT)).id);
  });

  test('needs one of the nodes that the settings name, once', async () => {
    const seed = await cluster.ownerOfSlot(SLOT);
    const [dead] = await steadyPorts(1);
    const topology = await open(`redis+cluster://127.0.0.1:${dead},${seed.address}`);
    expect(topology.table.shards).toHaveLength(3);
    const replica = partner(seed);
    await cluster.inStep();
    seed.process.kill('SIGKILL');
    await movesTo(topology, replica.address);
    await seed.restart();
    await cluster.settled();
  });
});

describe('a small cluster', { timeout: 60_000 }, () => {
  test('is known soon after it can be reached at last', async () => {
    const small = await startCluster({ masters: 1 });
    ending.push(() => small.stop());
    const [node] = small.nodes;
    node!.process.kill('SIGKILL');
    await expect.poll(() => node!.isLiving()).toBe(false);
    const topology = await open(small.url);
    expect(topology.table.version).toBe(0);
    expect(topology.table.shardOf(SLOT)).toBe(NO_SHARD);
    await node!.restart();
    await expect.poll(() => addressOfSlot(topology, SLOT), { timeout: 3000 }).toBe(node!.address);
  });

  test('does without a node that has left, and never uses its number again', async () => {
    const small = await startCluster({ masters: 3 });
    ending.push(() => small.stop());
    const [first, second, third] = small.masters;
    const topology = await open(small.url);
    const { table } = topology;
    await topology.refreshed();
    const gone = table.shardOf(16_383);
    // Without keys slots may change their owner at once.
    for (const node of [third, first, second]) await node!.client.cluster('DELSLOTSRANGE', 10_922, 16_383);
    await first!.client.cluster('ADDSLOTSRANGE', 10_922, 16_383);
    await first!.client.cluster('BUMPEPOCH');
    await small.settled();
    await topology.refreshed();
    expect(table.shardOf(16_383)).toBe(table.shardOf(0));
    // It has no slots, and may get some.
    expect(table.addressOf(gone)).toMatchObject({ port: third!.port });
    for (const node of [first, second]) await node!.client.cluster('FORGET', third!.id);
    await third!.client.cluster('RESET', 'HARD');
    await expect
      .poll(async () => {
        await topology.refreshed();
        return table.addressOf(gone);
      }, WAIT)
      .toBeUndefined();
    expect(table.shards).toHaveLength(2);
    await third!.client.call('CLUSTER', 'MEET', '127.0.0.1', first!.port, first!.busPort);
    await expect
      .poll(async () => {
        await topology.refreshed();
        return table.shards;
      }, WAIT)
      .toHaveLength(3);
    expect(table.shards).not.toContain(gone);
  });
});
