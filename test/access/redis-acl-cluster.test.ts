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
import { startGatewayProcess } from '../support/gateway-process.js';
import { askGraphql } from '../support/graphql.js';
import { nextEvent, OpenAnswer } from '../support/open-answer.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { beginMove } from '../support/slot-move.js';
import { TestSocket } from '../support/socket.js';

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

test('a gateway stores, follows and lists, also while slots move, and nothing is refused', async () => {
  const gateway = await startGatewayProcess({ REDIS_URL: url, WORKERS: '2' });
  try {
    const sids = Array.from({ length: 20 }, (_, number) => `s${number}`);
    const follower = await TestSocket.open(`${gateway.ws}/data/${sids.join('+')}/pull`);
    const post = async () => {
      for (const sid of sids) {
        const answer = await fetch(`${gateway.http}/data/${sid}`, { method: 'POST', body: sid });
        expect([answer.status, await answer.text()]).toEqual([200, expect.stringMatching(/^\["\d+-\d+"\]$/)]);
      }
      const received: string[] = [];
      while (received.length < sids.length) {
        const rows = await follower.receiveJson<[sid: string, id: string, offset: number][]>();
        received.push(...rows.map(([sid]) => sid));
        await follower.receive();
      }
      expect(received.sort()).toEqual([...sids].sort());
      for (const sid of sids) {
        expect(await (await fetch(`${gateway.http}/data/${sid}/latest`)).text()).toBe(sid);
      }
      const { data } = await askGraphql<{ streams: unknown[] }>(
        gateway,
        '{ streams { id lastEntryString } }',
      );
      expect(data!.streams).toHaveLength(sids.length);
    };
    await post();
    for (const sid of sids.slice(0, 4)) {
      const slot = await slotIn(cluster, `default:${sid}`);
      const from = await cluster.ownerOfSlot(slot);
      const move = await beginMove(cluster, slot, cluster.masters.find((node) => node !== from)!);
      await post();
      await move.moveKeys();
      await post();
      await move.end();
    }
    await post();
    const overview = await OpenAnswer.open(gateway, '/overview');
    expect(JSON.parse((await nextEvent(overview)).data)).toMatchObject({ streams: { length: sids.length } });
    overview.leave();
    const metrics = await (await fetch(`${gateway.http}/metrics`)).text();
    expect(metrics).toContain('streamgate_redis_nodes{state="connected"} 3\n');
    await follower.close();
    expect(await refusals()).toEqual([]);
  } finally {
    await gateway.stop();
  }
}, 90_000);

test('the doctor misses none', async () => {
  const findings = await examine({ ...loadConfig({}), REDIS_URL: url });
  expect(findings.filter(({ check }) => check === 'rights')).toMatchObject([{ level: 'ok' }]);
}, 60_000);
