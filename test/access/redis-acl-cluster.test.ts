/** The rights in a Redis Cluster that docs/access.md gives the gateway: with them all that is not hot works. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Devices } from '../../src/catalog/devices.js';
import { flushAll } from '../../src/catalog/flush.js';
import { listKeys } from '../../src/catalog/key-listing.js';
import { deleteStream, mergeStreamMeta } from '../../src/catalog/metadata.js';
import { surveyStreams, unknownState } from '../../src/catalog/stream-survey.js';
import { loadConfig } from '../../src/config/settings.js';
import { examine } from '../../src/doctor/examine.js';
import { openKeyReads } from '../../src/redis/cluster/open-key-reads.js';
import { encodeCommand } from '../../src/redis/resp.js';
import { parseRedisUrl } from '../../src/redis/target.js';
import { openTestCluster, slotIn } from '../support/cluster-control.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { beginMove } from '../support/slot-move.js';

const PAGE = readFileSync('docs/access.md', 'utf8');
const [, RIGHTS] = /^user streamgate on >PASSWORD ~\* (.+)$/m.exec(PAGE)!;
const [, OF_A_CLUSTER] = /^(\+role \+asking .+)$/m.exec(PAGE)!;

let cluster: TestCluster;
let url: string;
beforeAll(async () => {
  cluster = await startCluster();
  const rules = `${RIGHTS} ${OF_A_CLUSTER} +flushdb +dbsize`.split(' ');
  for (const { client } of cluster.nodes) {
    await client.acl('SETUSER', 'streamgate', 'reset', 'on', '>s3cret', '~*', ...rules);
  }
  url = cluster.url.replace('//', '//streamgate:s3cret@');
}, 60_000);
afterAll(() => cluster?.stop());

/** What the nodes have refused to anybody. */
async function refusals(): Promise<unknown[]> {
  const logs = await Promise.all(cluster.nodes.map(({ client }) => client.acl('LOG', 10)));
  return logs.flat();
}

test('all that is not hot works, also while a slot moves, and nothing is refused', async () => {
  const { control, topology } = await openTestCluster(url);
  const reads = openKeyReads(parseRedisUrl(url), topology.table, 'test');
  try {
    const devices = new Devices(control, 100);
    const doAll = async () => {
      await devices.connect('cam', { a: 1 });
      await devices.setMeta('cam', { a: 2 });
      await devices.disconnect('cam');
      await control.of('cam:x', (redis) => redis.xadd('cam:x', '*', 'd', 'x'));
      await mergeStreamMeta(control, 'cam:x', { a: 1 });
      expect((await listKeys(control)).streams).toContain('cam:x');
      const [state] = await surveyStreams(control, [unknownState('cam:x')]);
      expect(state).toMatchObject({ length: 1 });
      expect(await control.of('cam:x', (redis) => redis.newestEntryId('cam:x', '+'))).not.toBe('');
      expect(await reads.send('cam:x', encodeCommand(['XLEN', 'cam:x']), (reply) => reply.text())).toBe('1');
      expect(await deleteStream(control, 'cam:x')).toEqual({ data: true, meta: true });
    };
    await doAll();
    const slots = await Promise.all(['cam:x', ':stream:meta:cam:x'].map((key) => slotIn(cluster, key)));
    const moves = await Promise.all(
      slots.map(async (slot) => {
        const from = await cluster.ownerOfSlot(slot);
        return beginMove(cluster, slot, cluster.masters.find((node) => node !== from)!);
      }),
    );
    for (const { client } of cluster.masters) await client.script('FLUSH');
    await doAll();
    for (const move of moves) await move.moveKeys();
    for (const move of moves) await move.end();
    await cluster.settled();
    await doAll();
    expect(await flushAll(control)).toBeGreaterThan(0);
    expect(await refusals()).toEqual([]);
  } finally {
    reads.close();
    control.close();
  }
}, 60_000);

test('the doctor misses none', async () => {
  const findings = await examine({ ...loadConfig({}), REDIS_URL: url });
  expect(findings.filter(({ check }) => check === 'rights')).toMatchObject([{ level: 'ok' }]);
}, 60_000);
