/** What in a Redis Cluster as a whole will hurt. */
import { MAX_OUTAGE_MS } from '../config/outage.js';
import { describeAddress } from '../redis/address.js';
import { SLOTS } from '../redis/cluster/slot-table.js';
import type { ClusterFacts, MasterFacts } from './cluster-facts.js';
import { type Checks, ok, problem, type Verdict, warning } from './findings.js';

/** After the node timeout the others agree that a master is lost, and vote for a replica. */
const ELECTION_MS = 2000;
/** So many are named. */
const MAX_NAMED = 5;

const named = (masters: readonly MasterFacts[]) =>
  some(masters.map(({ address }) => describeAddress(address)));

function some(texts: readonly string[]): string {
  const more = texts.length > MAX_NAMED ? `, and ${texts.length - MAX_NAMED} more` : '';
  return texts.slice(0, MAX_NAMED).join(', ') + more;
}

/** What the masters that tell are set to. */
function settingOf(masters: readonly MasterFacts[], name: string): string[] {
  return masters.flatMap(({ own }) => {
    const value = 'told' in own ? own.told.redis.settings.get(name) : undefined;
    return value === undefined ? [] : [value];
  });
}

function slots({ masters, state }: ClusterFacts): Verdict {
  const covered = masters.flatMap(({ ranges }) => ranges).sort(([a], [b]) => a - b);
  const gaps: string[] = [];
  let next = 0;
  for (const [first, last] of [...covered, [SLOTS, SLOTS] as const]) {
    if (first > next) gaps.push(first - 1 === next ? `${next}` : `${next}-${first - 1}`);
    next = last + 1;
  }
  if (gaps.length > 0) {
    return problem(
      `No master has the slots ${some(gaps)}, so their streams can be neither read nor written: give them to one, ` +
        'as redis-cli --cluster fix does.',
    );
  }
  if (state === 'fail') {
    return problem(
      'The cluster says that it is down (cluster_state:fail): see with redis-cli --cluster check which nodes are missing.',
    );
  }
  return ok(`All slots are served, by ${masters.length} master${masters.length === 1 ? '' : 's'}.`);
}

function moving({ masters }: ClusterFacts): Verdict {
  const slots = masters.flatMap(({ own }) => ('told' in own ? own.told.moving : []));
  if (slots.length === 0) return undefined;
  const numbers = [...new Set(slots.map((slot) => /\d+/.exec(slot)![0]))];
  return warning(
    `Slots are on their way (${some(numbers)}), so each listing reads all keys several times: if nobody moves them now, ` +
      'end that with redis-cli --cluster fix.',
  );
}

function failover({ masters }: ClusterFacts): Verdict {
  const alone = masters.filter(({ replicaHosts }) => replicaHosts.length === 0);
  if (alone.length === 0) return ok('Each master has a replica that can take its place.');
  return warning(
    `${alone.length} of ${masters.length} masters have no replica (${named(alone)}): while one is away its streams can ` +
      'be neither read nor written. Add a replica to each.',
  );
}

function nodeTimeout({ masters }: ClusterFacts): Verdict {
  // Where nobody can take over there is no failover to wait for.
  if (masters.every(({ replicaHosts }) => replicaHosts.length === 0)) return undefined;
  const longest = Math.max(...settingOf(masters, 'cluster-node-timeout').map(Number));
  if (!(longest > 0)) return undefined;
  const seconds = (ms: number) => `${ms / 1000} s`;
  const after = `A replica takes the place of a lost master after about ${seconds(longest + ELECTION_MS)}`;
  if (longest + ELECTION_MS <= MAX_OUTAGE_MS) return ok(`${after}, and producers notice nothing.`);
  return warning(
    `${after} (cluster-node-timeout ${longest} + ${seconds(ELECTION_MS)}), and entries wait for ` +
      `${seconds(MAX_OUTAGE_MS)}: until then producers of its streams get redis_unavailable. Set cluster-node-timeout to ` +
      `${MAX_OUTAGE_MS - ELECTION_MS} if the network allows it.`,
  );
}

function coverage({ masters }: ClusterFacts): Verdict {
  const set = settingOf(masters, 'cluster-require-full-coverage');
  if (set.length === 0) return undefined;
  if (!set.includes('yes')) return ok('A shard that is lost leaves the others serving.');
  return warning(
    'If one shard is lost, all others refuse commands too (cluster-require-full-coverage yes): set it to no, so that ' +
      'only the streams of that shard are away.',
  );
}

function hosts({ masters }: ClusterFacts): Verdict {
  const together = masters.filter(
    ({ address, replicaHosts }) =>
      replicaHosts.length > 0 && replicaHosts.every((host) => host === address.host),
  );
  if (together.length === 0) return undefined;
  return warning(
    `The replicas of ${named(together)} are on the same host as their master, and are lost with it: put them on others.`,
  );
}

export const CLUSTER_CHECKS: Checks<ClusterFacts> = {
  slots,
  moving,
  failover,
  'node-timeout': nodeTimeout,
  coverage,
  hosts,
};
