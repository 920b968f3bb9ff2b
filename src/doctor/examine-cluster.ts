/** Looks at a Redis Cluster: at all of it, and at each master by itself. */
import type { Config } from '../config/settings.js';
import { describeAddress, type RedisAddress } from '../redis/address.js';
import { nodeTarget } from '../redis/cluster/open-cluster.js';
import { describeTarget, type RedisTarget } from '../redis/target.js';
import { askServer } from './ask-server.js';
import { CLUSTER_CHECKS } from './cluster-checks.js';
import { type MasterFacts, readClusterFacts, readClusterView } from './cluster-facts.js';
import { type Finding, runChecks } from './findings.js';
import { REDIS_CHECKS } from './redis-checks.js';

/** @param seeds nodes that tell of the others */
export async function examineCluster(
  target: RedisTarget,
  seeds: readonly RedisAddress[],
  config: Config,
): Promise<Finding[]> {
  const asked = await Promise.all(
    seeds.map(async (seed) => ({
      seed,
      answer: await askServer(nodeTarget(target, seed), (redis) => readClusterView(redis, seed)),
    })),
  );
  const views = asked.flatMap(({ answer }) => ('told' in answer ? [answer.told] : []));
  const reasons = asked.flatMap(({ seed, answer }) =>
    'told' in answer ? [] : [`${describeAddress(seed)}: ${answer.reason}`],
  );
  const [view] = views;
  const where = describeTarget(target);
  if (view === undefined) {
    const message = `The Redis Cluster cannot be used at ${where} (${reasons.join('; ')}).`;
    return [{ check: 'reachable', level: 'problem', message }];
  }
  const facts = await readClusterFacts(target, view, config);
  return [
    { check: 'reachable', level: 'ok', message: `The Redis Cluster answers at ${where}.` },
    ...reasons.map(
      (reason): Finding => ({
        check: 'seeds',
        level: 'warning',
        message: `REDIS_URL names a node that cannot be used (${reason}): name others, so that the gateway finds the cluster when it starts.`,
      }),
    ),
    ...facts.masters.map(judgeMaster),
    ...runChecks(CLUSTER_CHECKS, facts),
    ...judgeAlike(facts.masters),
  ];
}

function judgeMaster({ address, ranges, replicaHosts, own }: MasterFacts): Finding {
  const name = describeAddress(address);
  if ('reason' in own) {
    return {
      check: 'master',
      level: 'problem',
      message:
        `The master ${name}, as the cluster names it, cannot be used: ${own.reason}. Streams of its slots can be ` +
        'neither read nor written. If it is reached by another address from here, say so in REDIS_NAT_MAP.',
    };
  }
  const slots = ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  const many = slots.length > 3 ? [...slots.slice(0, 3), '…'] : slots;
  const replicas = `${replicaHosts.length} replica${replicaHosts.length === 1 ? '' : 's'}`;
  return {
    check: 'master',
    level: 'ok',
    message: `The master ${name} answers: slots ${many.join(' ')}, ${replicas}.`,
  };
}

/** What each check finds at each master that tells: once where that is the same at all, else with the addresses. */
function judgeAlike(masters: readonly MasterFacts[]): Finding[] {
  const told = masters.flatMap(({ address, own }) =>
    'told' in own
      ? [{ name: describeAddress(address), findings: runChecks(REDIS_CHECKS, own.told.redis) }]
      : [],
  );
  return Object.keys(REDIS_CHECKS).flatMap((check) => {
    const alike = new Map<string, { readonly finding: Finding; readonly names: string[] }>();
    for (const { name, findings } of told) {
      for (const finding of findings.filter((one) => one.check === check)) {
        const same = alike.get(finding.message);
        if (same === undefined) alike.set(finding.message, { finding, names: [name] });
        else same.names.push(name);
      }
    }
    return [...alike.values()].map(({ finding, names }) =>
      names.length === masters.length
        ? finding
        : { ...finding, message: `${names.join(', ')}: ${finding.message}` },
    );
  });
}
