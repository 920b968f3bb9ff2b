/** The doctor beside real clusters, good and bad ones. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/settings.js';
import { examine } from '../../src/doctor/examine.js';
import type { Finding } from '../../src/doctor/findings.js';
import { keyAt } from '../support/cluster-control.js';
import { steadyPorts } from '../support/free-port.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { startRedis } from '../support/redis-server.js';
import { beginMove } from '../support/slot-move.js';

/** What the machine and the program have to do with. */
const ELSEWHERE = [
  'version',
  'node',
  'open-files',
  'backlog',
  'buffers',
  'huge-pages',
  'overcommit',
  'workers',
];

const examined = (url: string) => examine({ ...loadConfig({}), REDIS_URL: url });
const found = (findings: readonly Finding[], check: string) => findings.filter((one) => one.check === check);
const bad = (findings: readonly Finding[]) =>
  findings.filter(({ level, check }) => level !== 'ok' && !ELSEWHERE.includes(check));

describe('a cluster as it should be', { timeout: 60_000 }, () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startCluster({
      replicas: 1,
      settings: [
        ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory', '1gb'],
        ...['--client-output-buffer-limit', 'normal 256mb 0 0', '--cluster-require-full-coverage', 'no'],
      ],
    });
  }, 60_000);
  afterAll(() => cluster?.stop());

  test('has nothing against it but that all of it is on one host, by either address', async () => {
    for (const url of [cluster.url, `redis://${cluster.replicas[0]!.address}`]) {
      const findings = await examined(url);
      expect(bad(findings)).toEqual([
        { check: 'hosts', level: 'warning', message: expect.stringMatching(/same host as their master/) },
      ]);
      expect(found(findings, 'reachable')).toEqual([
        { check: 'reachable', level: 'ok', message: expect.stringMatching(/^The Redis Cluster answers at/) },
      ]);
      const masters = found(findings, 'master').map(({ message }) => message);
      expect(masters).toHaveLength(3);
      for (const { address } of cluster.masters) {
        const message = `^The master ${address} answers: slots \\d+-\\d+, 1 replica.$`;
        expect(masters).toContainEqual(expect.stringMatching(message));
      }
      // The same at all is said once; how far each is away, for each.
      expect(found(findings, 'eviction')).toHaveLength(1);
      expect(found(findings, 'rights')).toEqual([
        {
          check: 'rights',
          level: 'ok',
          message: 'The user of REDIS_URL may run all commands that streamgate uses.',
        },
      ]);
      for (const { address } of cluster.masters) {
        expect(findings).toContainEqual({
          check: 'latency',
          level: 'ok',
          message: expect.stringMatching(`${address}.*: Redis answers within`),
        });
      }
      expect(found(findings, 'failover')).toMatchObject([{ level: 'ok' }]);
      expect(found(findings, 'node-timeout')).toMatchObject([
        { level: 'ok', message: expect.stringMatching(/after about 3\.5 s/) },
      ]);
    }
    const sizes = await Promise.all(cluster.masters.map(({ client }) => client.dbsize()));
    expect(sizes).toEqual([0, 0, 0]);
  });

  test('is looked at by the addresses of the map', async () => {
    const [first] = cluster.masters;
    const [dead] = await steadyPorts(1);
    const REDIS_NAT_MAP = { [first!.address]: `localhost:${dead}` };
    const findings = await examine({ ...loadConfig({}), REDIS_URL: cluster.url, REDIS_NAT_MAP });
    expect(found(findings, 'master').filter(({ level }) => level === 'problem')).toEqual([
      {
        check: 'master',
        level: 'problem',
        message: expect.stringMatching(`^The master ${first!.address}, .* cannot be used: .*REDIS_NAT_MAP`),
      },
    ]);
  });

  test('that takes long for a failover says what that means', async () => {
    await cluster.masters[0]!.client.config('SET', 'cluster-node-timeout', '15000');
    expect(found(await examined(cluster.url), 'node-timeout')).toMatchObject([
      {
        level: 'warning',
        message: expect.stringMatching(/after about 17 s .*15000.*cluster-node-timeout to 3000/),
      },
    ]);
    await cluster.masters[0]!.client.config('SET', 'cluster-node-timeout', '1500');
  });

  test('whose user may not do all is told what is missing, and where', async () => {
    const user = (...rules: string[]) =>
      ['SETUSER', 'gate', 'reset', 'on', '>s3cret', '~*', ...rules] as const;
    const url = cluster.url.replace('//', '//gate:s3cret@');
    for (const { client } of cluster.nodes) await client.acl(...user('+@all'));
    const [first] = cluster.masters;
    await first!.client.acl(...user('+@all', '-asking', '-cluster|nodes', '-acl'));
    expect(found(await examined(url), 'rights')).toContainEqual({
      check: 'rights',
      level: 'problem',
      message: expect.stringMatching(
        `^${first!.address}: The user of REDIS_URL may not run ASKING \\(to follow keys while slots move\\): `,
      ),
    });
    await first!.client.acl(...user('+@all', '-cluster|nodes', '-client|tracking'));
    expect(found(await examined(url), 'rights')).toContainEqual({
      check: 'rights',
      level: 'warning',
      message: expect.stringMatching(
        /CLIENT TRACKING.*CLUSTER NODES \(to list all streams while slots move\)/,
      ),
    });
    await first!.client.acl(...user('+@all', '-cluster'));
    const findings = await examined(url.split(',')[0]!);
    expect(found(findings, 'reachable')).toMatchObject([
      { level: 'problem', message: expect.stringMatching(/cannot be used.*NOPERM/) },
    ]);
    expect(JSON.stringify(findings)).not.toContain('s3cret');
  });
});

describe('a bad cluster', { timeout: 60_000 }, () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  }, 60_000);
  afterAll(() => cluster?.stop());

  test('has no replicas, and is down as a whole for one shard', async () => {
    const findings = await examined(cluster.url);
    expect(found(findings, 'failover')).toMatchObject([
      {
        level: 'warning',
        message: expect.stringMatching(/^3 of 3 masters have no replica \(.*Add a replica/),
      },
    ]);
    expect(found(findings, 'coverage')).toMatchObject([{ level: 'warning' }]);
    expect(found(findings, 'node-timeout')).toEqual([]);
    expect(found(findings, 'moving')).toEqual([]);
  });

  test('has a slot that is on its way', async () => {
    const [from, to] = cluster.masters;
    const key = await keyAt(cluster, from!, 'x');
    const slot = await from!.client.cluster('KEYSLOT', key);
    const move = await beginMove(cluster, slot, to!);
    expect(found(await examined(cluster.url), 'moving')).toMatchObject([
      { level: 'warning', message: expect.stringMatching(`on their way \\(${slot}\\)`) },
    ]);
    await move.abandon();
  });

  test('has slots that nobody serves, a seed that is dead, and a master that is away', async () => {
    const [first, second, third] = cluster.masters;
    await first!.client.cluster('DELSLOTSRANGE', 5, 9);
    const [dead] = await steadyPorts(1);
    const findings = await examined(`redis+cluster://127.0.0.1:${dead},${first!.address}`);
    expect(found(findings, 'slots')).toMatchObject([
      { level: 'problem', message: expect.stringMatching(/^No master has the slots 5-9,/) },
    ]);
    expect(found(findings, 'seeds')).toMatchObject([
      { level: 'warning', message: expect.stringMatching(`127.0.0.1:${dead}: .*ECONNREFUSED`) },
    ]);
    await first!.client.cluster('ADDSLOTSRANGE', 5, 9);
    third!.process.kill('SIGKILL');
    const later = await examined(`redis+cluster://${second!.address}`);
    expect(found(later, 'master')).toContainEqual({
      check: 'master',
      level: 'problem',
      message: expect.stringMatching(`^The master ${third!.address}, .* cannot be used: .*ECONN`),
    });
    expect(found(later, 'master').filter(({ level }) => level === 'ok')).toHaveLength(2);
    await expect
      .poll(async () => found(await examined(`redis+cluster://${second!.address}`), 'slots'), {
        timeout: 30_000,
      })
      .toMatchObject([{ level: 'problem', message: expect.stringMatching(/cluster_state:fail/) }]);
    await third!.restart();
    await cluster.settled();
  });
});

test('a Redis that is no cluster, and one that is not there, cannot be used as one', async () => {
  const [port] = await steadyPorts(1);
  const plain = await startRedis('--port', String(port));
  try {
    expect(found(await examined(`redis+cluster://127.0.0.1:${port}`), 'reachable')).toMatchObject([
      { level: 'problem', message: expect.stringMatching(/cluster support disabled/) },
    ]);
  } finally {
    await plain.stop();
  }
  expect(found(await examined(`redis+cluster://127.0.0.1:${port}`), 'reachable')).toMatchObject([
    { level: 'problem', message: expect.stringMatching(/ECONNREFUSED/) },
  ]);
});
