/** A real Redis Cluster of a test's own, on ports of this machine. It needs Redis 7.0 or Valkey. */
import { deepEqual } from 'node:assert/strict';
import { findRedisServer } from '../../src/embedded/binaries.js';
import { type ClusterNode, startClusterNode } from './cluster-node.js';
import { hasSlot, pictureOf } from './cluster-view.js';
import { steadyPorts } from './free-port.js';
import { until } from './until.js';

const SLOTS = 16_384;
/** Flags of a node that is not fully there in another one's eyes. */
const UNSETTLED = ['fail?', 'fail', 'handshake', 'noaddr'];

export interface ClusterOptions {
  /** 3 by default. */
  readonly masters?: number;
  /** Of each master: 0 by default. */
  readonly replicas?: 0 | 1;
  /** After this time without an answer a node counts as lost: 1500 by default. A failover takes about 1 s more. */
  readonly nodeTimeoutMs?: number;
  /** Of each server, such as `--cluster-require-full-coverage`, `no`. */
  readonly settings?: readonly string[];
  /** The server program, the first on the PATH by default. */
  readonly server?: string;
}

export interface TestCluster {
  /** `redis+cluster://…`, naming the masters. */
  readonly url: string;
  /** The masters, then the replica of each, in the same order. */
  readonly nodes: readonly ClusterNode[];
  /** As they were at the start. */
  readonly masters: readonly ClusterNode[];
  readonly replicas: readonly ClusterNode[];
  /** The living node that has the key's slot now. Fails while none has. */
  ownerOf(key: string): Promise<ClusterNode>;
  ownerOfSlot(slot: number): Promise<ClusterNode>;
  /** Resolves once all living nodes say that the cluster is well, and agree on the slots and replicas. */
  settled(): Promise<void>;
  /** Resolves once the living replicas have what their masters had at the time of the call. */
  inStep(): Promise<void>;
  /** Ends all nodes, whether they run, are paused or have ended. */
  stop(): Promise<void>;
}

/** Resolves once all slots are covered and the replicas are in step: after 2 to 3 s. */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const { masters: count = 3, replicas: copies = 0, nodeTimeoutMs = 1500 } = options;
  const server = options.server ?? (await findRedisServer());
  if (server === undefined) throw new Error('there is no redis-server: run streamgate setup');
  const size = count * (1 + copies);
  const ports = await steadyPorts(2 * size);
  const settings = [
    ...['--cluster-node-timeout', `${nodeTimeoutMs}`],
    ...['--save', '', '--appendonly', 'no', '--repl-diskless-sync-delay', '0'],
    // Clients are not told of a replica before it has got something.
    ...['--repl-ping-replica-period', '1'],
    ...(options.settings ?? []),
  ];
  const starts = await Promise.allSettled(
    Array.from({ length: size }, (_, at) =>
      startClusterNode(server, ports[2 * at]!, ports[2 * at + 1]!, settings),
    ),
  );
  const nodes = starts.flatMap((start) => (start.status === 'fulfilled' ? start.value : []));
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())));
  const failed = starts.find((start) => start.status === 'rejected');
  try {
    if (failed !== undefined) throw failed.reason;
    await join(nodes, count);
    await settled(nodes);
    await inStep(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  const masters = nodes.slice(0, count);
  return {
    url: `redis+cluster://${masters.map(({ address }) => address).join()}`,
    nodes,
    masters,
    replicas: nodes.slice(count),
    ownerOf: async (key) => findOwner(nodes, await slotOf(nodes, key)),
    ownerOfSlot: (slot) => findOwner(nodes, slot),
    settled: () => settled(nodes),
    inStep: () => inStep(nodes),
    stop,
  };
}

/** Of nodes that know nothing of each other, the first `count` become the masters. */
async function join(nodes: readonly ClusterNode[], count: number): Promise<void> {
  await Promise.all(
    nodes.map(async ({ client }, at) => {
      await client.cluster('SET-CONFIG-EPOCH', at + 1);
      if (at < count) {
        const [first, end] = [at, at + 1].map((part) => Math.floor((part * SLOTS) / count));
        await client.cluster('ADDSLOTSRANGE', first!, end! - 1);
      }
      // Each meets all others itself, which is faster than waiting until they hear of one another.
      for (const other of nodes.slice(at + 1)) await meet(client, other);
      if (at < count) return;
      const master = nodes[at % count]!;
      await until(() => client.cluster('REPLICATE', master.id));
    }),
  );
}

const meet = (client: ClusterNode['client'], { port, busPort }: ClusterNode) =>
  client.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort);

function living(nodes: readonly ClusterNode[]): ClusterNode[] {
  const all = nodes.filter((node) => node.isLiving());
  if (all.length === 0) throw new Error('no node of the cluster is living');
  return all;
}

const slotOf = async (nodes: readonly ClusterNode[], key: string) =>
  Number(await living(nodes)[0]!.inquirer.cluster('KEYSLOT', key));

/** What each says of itself is asked, since others hear of a change later. */
async function findOwner(nodes: readonly ClusterNode[], slot: number): Promise<ClusterNode> {
  const claims = await Promise.all(
    living(nodes).map(async (node) => {
      const itself = (await node.view()).find(({ flags }) => flags.includes('myself'))!;
      return { node, epoch: hasSlot(itself, slot) ? itself.epoch : -1 };
    }),
  );
  const [best] = claims.sort((one, other) => other.epoch - one.epoch);
  if (best!.epoch < 0) throw new Error(`no living node has slot ${slot}`);
  return best!.node;
}

async function settled(nodes: readonly ClusterNode[]): Promise<void> {
  await until(async () => {
    const there = living(nodes);
    const ids = there.map(({ id }) => id);
    const pictures = await Promise.all(there.map((node) => settledPicture(node, ids)));
    for (const picture of pictures) deepEqual(picture, pictures[0]);
  });
}

/** What the node says of the cluster, if it finds it well and all those nodes there. */
async function settledPicture({ inquirer, view, address }: ClusterNode, ids: readonly string[]) {
  const info = (await inquirer.cluster('INFO')) as string;
  if (!info.includes('cluster_state:ok')) throw new Error(`${address} says: ${info}`);
  const nodes = await view();
  const present = nodes.filter(({ flags }) => !flags.some((flag) => UNSETTLED.includes(flag)));
  const isPresent = (id: string) => present.some((node) => node.id === id);
  const missing = ids.filter((id) => !isPresent(id));
  if (missing.length > 0) throw new Error(`${address} misses ${missing}`);
  // Clients are told of a replica later than nodes are.
  const told = JSON.stringify(await inquirer.cluster('SLOTS'));
  const replicas = present.filter(({ id, master }) => master !== undefined && ids.includes(id));
  const untold = replicas.filter(({ id }) => !told.includes(id));
  if (untold.length > 0) throw new Error(`${address} does not tell clients of ${untold.map(({ id }) => id)}`);
  return pictureOf(nodes);
}

type Role =
  | readonly [name: 'master', offset: number]
  | readonly [name: 'slave', host: string, port: number, state: string, offset: number];

async function inStep(nodes: readonly ClusterNode[]): Promise<void> {
  const roleOf = async ({ inquirer }: ClusterNode) => (await inquirer.role()) as unknown as Role;
  const offsets = await until(async () => {
    const roles = await Promise.all(living(nodes).map(async (node) => ({ node, role: await roleOf(node) })));
    return new Map(
      roles.flatMap(({ node, role }) => (role[0] === 'master' ? [[node.port, role[1]] as const] : [])),
    );
  });
  await until(async () => {
    for (const node of living(nodes)) {
      const role = await roleOf(node);
      if (role[0] === 'master') continue;
      const [, , port, state, offset] = role;
      // Of a paused or ended master nothing is known.
      if (!offsets.has(port)) continue;
      deepEqual([state, offset >= offsets.get(port)!], ['connected', true]);
    }
  });
}
