/** What /readyz and /metrics say of a cluster. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OpenCluster } from '../../../src/redis/cluster/open-cluster.js';
import type { GatewayContext } from '../../../src/server/context.js';
import { readyz } from '../../../src/server/endpoints/health.js';
import { METRICS } from '../../../src/server/endpoints/metrics.js';
import type { HttpExchange } from '../../../src/server/http/http-exchange.js';
import { openTestCluster, slotIn } from '../../support/cluster-control.js';
import { startCluster, type TestCluster } from '../../support/redis-cluster.js';
import { moveSlot } from '../../support/slot-move.js';

let cluster: TestCluster;
let open: OpenCluster;
let context: GatewayContext;
beforeAll(async () => {
  cluster = await startCluster();
  open = await openTestCluster(cluster.url);
  const { control } = open;
  context = {
    control,
    cluster: { failure: undefined },
    config: {},
    siblings: undefined,
    durability: { current: {} },
    pipes: {
      get isReady() {
        return control.isReady;
      },
    },
    // A reader that misses one shard says that it is not connected.
    threads: { readers: [{ isConnected: false }], poolThreads: 1 },
    stopping: new AbortController(),
  } as unknown as GatewayContext;
}, 60_000);
afterAll(async () => {
  open?.control.close();
  await cluster?.stop();
});

async function ready(): Promise<unknown[]> {
  let given: { status?: number; body?: string } = {};
  await readyz(context, { answer: (answer: object) => (given = answer) } as unknown as HttpExchange);
  const { status, shards } = JSON.parse(given.body!) as { status: string; shards: unknown };
  return [given.status, status, shards];
}

const metric = (name: string) => METRICS[name]!.read(context);

test('one shard that serves is enough; it says how many do', async () => {
  expect(await ready()).toEqual([200, 'ready', { ready: 3, of: 3 }]);
  expect(metric('redis_nodes')).toEqual({ connected: 3, away: 0 });
  const [first, ...others] = cluster.masters;
  first!.process.kill('SIGKILL');
  await expect.poll(ready, { timeout: 30_000 }).toEqual([200, 'ready', { ready: 2, of: 3 }]);
  expect(metric('redis_nodes')).toEqual({ connected: 2, away: 1 });
  for (const node of others) node.process.kill('SIGKILL');
  await expect.poll(ready, { timeout: 30_000 }).toEqual([503, 'not ready', { ready: 0, of: 3 }]);
  for (const node of cluster.masters) await node.restart();
  await cluster.settled();
  await expect.poll(ready, { timeout: 30_000 }).toEqual([200, 'ready', { ready: 3, of: 3 }]);
}, 60_000);

test('redirects and refreshes are counted', async () => {
  const refreshes = Number(metric('redis_topology_refreshes_total'));
  expect(refreshes).toBeGreaterThan(0);
  expect(metric('redis_redirects_total')).toEqual({ moved: 0, ask: 0 });
  const from = await cluster.ownerOf('x');
  await moveSlot(cluster, await slotIn(cluster, 'x'), cluster.masters.find((node) => node !== from)!);
  await open.control.of('x', (redis) => redis.get('x'));
  expect(metric('redis_redirects_total')).toEqual({ moved: 1, ask: 0 });
  await expect.poll(() => Number(metric('redis_topology_refreshes_total'))).toBeGreaterThan(refreshes);
}, 60_000);
