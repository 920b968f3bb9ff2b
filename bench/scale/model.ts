/** How many gateways and shards a load takes, from what one entry costs. */
import { type Costs, costsOf } from './costs.js';

export interface Workload {
  /** Streams, each with a producer. */
  readonly cameras: number;
  /** Entries a second of each. */
  readonly rate: number;
  readonly bytes: number;
  /** In all. Each follows one stream. */
  readonly followers: number;
  /** Entries a second that each is sent; as many as there are, if undefined. */
  readonly followRate?: number;
  /** Entries that Redis keeps of each stream. */
  readonly kept: number;
  /** Whether all clients of a stream come to the same gateway, or each to any. */
  readonly routing: 'any' | 'by stream';
}

/** What one machine may carry. */
export interface Capacity {
  /** Share of a core that a main thread, or a Redis, may use. */
  readonly busy: number;
  /** Bits a second, each way. */
  readonly network: number;
  /** Bytes of one gateway, and of the data of one shard. */
  readonly gatewayMemory: number;
  readonly shardMemory: number;
  /** Of one gateway. */
  readonly connections: number;
}

export type Limit =
  | 'main thread'
  | 'reader'
  | 'Redis'
  | 'network in'
  | 'network out'
  | 'memory'
  | 'connections';

/** What a machine of a kind carries, of all of them; shares of what it may carry. */
export interface Machines {
  readonly count: number;
  /** What makes it so many. */
  readonly limit: Limit;
  readonly shares: Readonly<Partial<Record<Limit, number>>>;
}

export interface Prediction {
  /** Undefined where no number of gateways would do. */
  readonly gateways: Machines | undefined;
  readonly shards: Machines | undefined;
  /** Of all machines together, in bits a second. */
  readonly bitsFromProducers: number;
  readonly bitsToFollowers: number;
  readonly bitsFromShards: number;
}

/** CPU seconds a second. */
export interface Cpu {
  readonly main: number;
  readonly others: number;
  readonly redis: number;
}

const MOST_MACHINES = 100_000;

/**
 * How many of the gateways have followers of one stream.
 *
 * Followers that come to any of `gateways` leave each of them without one with a chance of (1 - 1/gateways)^followers.
 */
export function readersOf({ cameras, followers, routing }: Workload, gateways: number): number {
  const each = followers / cameras;
  if (routing === 'by stream') return Math.min(each, Math.max(1, gateways / cameras));
  return gateways * (1 - (1 - 1 / gateways) ** each);
}

/** CPU time of so many gateways together, and of all shards together. */
export function cpuOf(costs: Costs, workload: Workload, gateways: number): Cpu {
  const { cameras, rate, bytes, followers, followRate = rate } = workload;
  const entry = costsOf(costs, bytes);
  const { rest } = costs;
  const entries = cameras * rate;
  const reads = entries * readersOf(workload, gateways);
  const microseconds = {
    main: entries * entry.pushMain + reads * entry.readMain + followers * followRate * entry.deliverMain,
    others: entries * entry.pushOthers + reads * entry.readOthers,
    redis: entries * entry.redisWrite + reads * entry.redisRead,
  };
  return {
    main: (microseconds.main + followers * rest.follower + gateways * rest.gateway) / 1e6,
    others: microseconds.others / 1e6,
    redis: microseconds.redis / 1e6,
  };
}

function gatewayShares(costs: Costs, workload: Workload, capacity: Capacity, gateways: number) {
  const { cameras, rate, bytes, followers, followRate = rate } = workload;
  const { main, others } = cpuOf(costs, workload, gateways);
  const bitsIn = 8 * cameras * rate * bytes;
  const bitsRead = bitsIn * readersOf(workload, gateways);
  const bitsOut = 8 * followers * followRate * bytes;
  const { gatewayBytes, followerBytes } = costs.rest;
  return {
    'main thread': main / gateways / capacity.busy,
    reader: others / gateways / capacity.busy,
    'network in': (bitsIn + bitsRead) / gateways / capacity.network,
    'network out': (bitsIn + bitsOut) / gateways / capacity.network,
    memory: (gatewayBytes + (followers / gateways) * followerBytes) / capacity.gatewayMemory,
    connections: (cameras + followers) / gateways / capacity.connections,
  };
}

function shardShares(costs: Costs, workload: Workload, capacity: Capacity, gateways: number, shards: number) {
  const { cameras, rate, bytes, kept } = workload;
  const bitsIn = 8 * cameras * rate * bytes;
  return {
    Redis: (cpuOf(costs, workload, gateways).redis / shards + costs.rest.redis / 1e6) / capacity.busy,
    'network in': bitsIn / shards / capacity.network,
    'network out': (bitsIn * readersOf(workload, gateways)) / shards / capacity.network,
    memory: (cameras * kept * bytes) / shards / capacity.shardMemory,
  };
}

/** The least number of machines none of which carries more than it may. */
function leastOf(sharesOf: (count: number) => Machines['shares']): Machines | undefined {
  const isEnough = (count: number) => Object.values(sharesOf(count)).every((share) => share <= 1);
  let most = 1;
  while (!isEnough(most)) {
    most *= 2;
    if (most > MOST_MACHINES) return undefined;
  }
  let least = most / 2;
  while (most - least > 1) {
    const middle = Math.floor((least + most) / 2);
    if (isEnough(middle)) most = middle;
    else least = middle;
  }
  const shares = sharesOf(most);
  const [limit] = Object.entries(shares).sort(([, one], [, other]) => other - one)[0]!;
  return { count: most, limit: limit as Limit, shares };
}

export function predict(costs: Costs, workload: Workload, capacity: Capacity): Prediction {
  const { cameras, rate, bytes, followers, followRate = rate } = workload;
  const gateways = leastOf((count) => gatewayShares(costs, workload, capacity, count));
  const count = gateways?.count ?? 1;
  const bits = 8 * cameras * rate * bytes;
  return {
    gateways,
    shards: gateways && leastOf((shards) => shardShares(costs, workload, capacity, count, shards)),
    bitsFromProducers: bits,
    bitsToFollowers: 8 * followers * followRate * bytes,
    bitsFromShards: bits * readersOf(workload, count),
  };
}
