/** GraphQL, the overview and the state of a gateway on a cluster, as clients see them. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Overview } from '../../src/protocol/overview.js';
import { keyAt } from '../support/cluster-control.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { askGraphql, problemText } from '../support/graphql.js';
import { GraphqlSocket } from '../support/graphql-socket.js';
import { nextEvent, OpenAnswer } from '../support/open-answer.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';

let cluster: TestCluster;
let gateway: GatewayProcess;
beforeAll(async () => {
  cluster = await startCluster({ settings: ['--cluster-require-full-coverage', 'no'] });
  gateway = await startGatewayProcess({ REDIS_URL: cluster.url, ALLOW_FLUSH: '1' });
}, 60_000);
afterAll(async () => {
  await gateway?.stop();
  await cluster?.stop();
});

async function data<T = Record<string, unknown>>(document: string): Promise<T> {
  const { data: answer, errors } = await askGraphql<T>(gateway, document);
  expect(errors).toBeUndefined();
  return answer!;
}

async function refusal(document: string): Promise<string> {
  const { errors } = await askGraphql(gateway, document);
  expect(errors).toHaveLength(1);
  return problemText(errors![0]!);
}

const post = async (sid: string, body: string) => {
  const answer = await fetch(`${gateway.http}/data/${sid}`, { method: 'POST', body });
  expect(answer.status).toBe(200);
};

describe('on a cluster', { timeout: 60_000 }, () => {
  test('devices come and go, with events for who subscribes', async () => {
    const socket = await GraphqlSocket.open(gateway);
    onTestFinished(() => socket.close());
    const events = socket.run<{ data: { json: unknown } }>(
      'subscription { data(streamIds: [":event:device.connected"], lastEntryId: "0") { json } }',
    );
    const connect = 'mutation { connectDevice(deviceId: "cam", meta: {fps: 25}) }';
    expect(await data(connect)).toEqual({
      connectDevice: {
        connection_status_changed: true,
        connected: true,
        is_new_device: true,
        meta_set: true,
        'fired:device.connected': true,
        'fired:device.meta': true,
      },
    });
    expect(await data('{ devices { id meta } }')).toEqual({ devices: [{ id: 'cam', meta: { fps: 25 } }] });
    expect(await data('mutation { disconnectDevice(deviceId: "cam") }')).toMatchObject({
      disconnectDevice: { connection_status_changed: true, connected: false },
    });
    for (const connected of [true, false]) {
      expect(await events.next()).toMatchObject({
        data: { json: { device_id: 'cam', connected, meta: { fps: 25 } } },
      });
    }
    expect(await data('{ devices { id } }')).toEqual({ devices: [] });
  });

  test('streams are listed, described and deleted, and all of it is flushed', async () => {
    const sids = Array.from({ length: 30 }, (_, number) => `s${String(number).padStart(2, '0')}`);
    for (const sid of sids) await post(sid, `of ${sid}`);
    await data('mutation { updateStreamMeta(streamId: "s07", meta: {a: 1}) }');
    await data('mutation { updateStreamMeta(streamId: "s07", meta: {b: 2}, update: true) }');
    const { streams } = await data<{ streams: unknown[] }>(
      '{ streams(prefix: "default:s") { id length lastEntryString meta } }',
    );
    expect(streams).toEqual(
      sids.map((sid) => ({
        id: `default:${sid}`,
        length: 1,
        lastEntryString: `of ${sid}`,
        meta: sid === 's07' ? { a: 1, b: 2 } : {},
      })),
    );
    expect(await data('mutation { deleteStream(streamId: "s07") }')).toMatchObject({
      deleteStream: { data_deleted: true, meta_deleted: true },
    });
    const sizes = await Promise.all(cluster.masters.map(({ client }) => client.dbsize()));
    const keys = sizes.reduce((sum, size) => sum + size);
    expect(keys).toBeGreaterThan(30);
    expect(await data('mutation { flush }')).toEqual({ flush: keys });
    expect(await data('{ streams { id } }')).toEqual({ streams: [] });
  });

  test('without one master, what needs all is refused in plain words, and all else goes on', async () => {
    const [lost, other] = cluster.masters;
    const [gone, there] = await Promise.all(
      [lost!, other!].map(async (node) => (await keyAt(cluster, node, 'default:k')).replace('default:', '')),
    );
    for (const sid of [gone!, there!]) await post(sid, 'x');
    const answer = await OpenAnswer.open(gateway, '/overview');
    onTestFinished(() => answer.leave());
    const overview = async () => {
      const { event, data: text } = await nextEvent(answer);
      expect(event).toBe('overview');
      return JSON.parse(text) as Overview;
    };
    const keys = [`default:${gone}`, `default:${there}`].sort();
    expect((await overview()).streams.map(({ key }) => key).sort()).toEqual(keys);
    lost!.process.kill('SIGKILL');
    await expect.poll(async () => (await overview()).away, { timeout: 30_000 }).toEqual([lost!.address]);
    expect((await overview()).streams.map(({ key }) => key).sort()).toEqual(keys);
    const plain = /^redis_unavailable: (?!.*(MOVED|CLUSTERDOWN|\d:\d))/;
    expect(await refusal('{ streams { id } }')).toMatch(plain);
    expect(await refusal('mutation { flush }')).toMatch(/^redis_unavailable: only \d+ keys are deleted: /);
    await post(there!, 'y');
    expect(await data(`{ stream(id: "default:${there}") { length } }`)).toEqual({ stream: { length: 1 } });
    const ready = await fetch(`${gateway.http}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([200, { shards: { ready: 2, of: 3 } }]);
    const metrics = await (await fetch(`${gateway.http}/metrics`)).text();
    expect(metrics).toContain('streamgate_redis_nodes{state="away"} 1\n');
    expect(metrics).toMatch(/^streamgate_redis_topology_refreshes_total [1-9]/m);
    await lost!.restart();
    await cluster.settled();
    await expect.poll(async () => 'away' in (await overview()), { timeout: 30_000 }).toBe(false);
    await post(gone!, 'again');
    const { streams } = await data<{ streams: { id: string }[] }>('{ streams { id } }');
    expect(streams.map(({ id }) => id)).toEqual(keys);
  });
});
