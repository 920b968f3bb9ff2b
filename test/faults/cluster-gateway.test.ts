/** A gateway on a real cluster, as its clients see it. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { slotOf } from '../../src/redis/cluster/slot.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { moveSlot } from '../support/slot-move.js';
import { TestSocket } from '../support/socket.js';

const WAIT = { timeout: 30_000, interval: 50 };
const STREAMS = ['a', 'b', 'c', 'd', 'e', 'f'];

describe('a gateway on a cluster', { timeout: 90_000 }, () => {
  let cluster: TestCluster;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    cluster = await startCluster({ settings: ['--cluster-require-full-coverage', 'no'] });
    gateway = await startGatewayProcess({ REDIS_URL: `redis://${cluster.masters[0]!.address}` });
  }, 60_000);
  afterAll(async () => {
    await gateway?.stop();
    await cluster?.stop();
  });

  const post = (sid: string, body: string) => fetch(`${gateway.http}/data/${sid}`, { method: 'POST', body });

  const readiness = async () => {
    const answer = await fetch(`${gateway.http}/readyz`);
    return { status: answer.status, ...((await answer.json()) as object) };
  };

  test('is one though REDIS_URL names a single node, and is ready', async () => {
    expect(await readiness()).toMatchObject({ status: 'ready', shards: { ready: 3, of: 3 } });
  });

  test('serves the streams of all nodes', async () => {
    for (const sid of STREAMS) expect((await post(sid, `of ${sid}`)).status).toBe(200);
    const owners = await Promise.all(STREAMS.map((sid) => cluster.ownerOf(`default:${sid}`)));
    expect(new Set(owners).size).toBeGreaterThan(1);
    for (const sid of STREAMS) {
      const answer = await fetch(`${gateway.http}/data/${sid}/latest`);
      expect(await answer.text()).toBe(`of ${sid}`);
    }
    const listing = await fetch(`${gateway.http}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ streams { sid length } }' }),
    });
    expect(await listing.json()).toEqual({
      data: { streams: STREAMS.map((sid) => ({ sid: `default:${sid}`, length: 1 })) },
    });
  });

  test('follows a stream while its slot goes to other nodes', async () => {
    const follower = await TestSocket.open(`${gateway.ws}/data/${STREAMS[0]}/pull?header=0`);
    const texts = new Map<string, number>();
    const producer = await TestSocket.open(`${gateway.ws}/data/${STREAMS[0]}/push?header=0&ack=1`);
    for (let number = 0; number < 20; number++) {
      producer.send(Buffer.from(`${number}`));
      if (number % 7 === 3) {
        const slot = slotOf(`default:${STREAMS[0]}`);
        const owner = await cluster.ownerOfSlot(slot);
        await moveSlot(cluster, slot, cluster.masters.find((node) => node !== owner)!);
      }
      texts.set(`${number}`, number);
    }
    const received: string[] = [];
    while (received.length < 20) received.push(String(await follower.receive()));
    expect(received).toEqual([...texts.keys()]);
    for (let number = 0; number < 20; number++) {
      expect(await producer.receiveJson()).toEqual([expect.stringMatching(/^\d+-\d+$/)]);
    }
    await follower.close();
    await producer.close();
  });

  test('refuses the streams of a lost node alone, without a word of the cluster', async () => {
    const lost = cluster.masters[2]!;
    const owners = await Promise.all(STREAMS.map((sid) => cluster.ownerOf(`default:${sid}`)));
    const isLost = (sid: string) => owners[STREAMS.indexOf(sid)] === lost;
    lost.process.kill('SIGKILL');
    await vi.waitFor(
      async () => expect(await readiness()).toMatchObject({ status: 'ready', shards: { ready: 2, of: 3 } }),
      WAIT,
    );
    for (const sid of STREAMS) {
      const answer = await post(sid, 'later');
      if (isLost(sid)) {
        const { code, error } = (await answer.json()) as { code: string; error: string };
        expect(code).toBe('redis_unavailable');
        expect(error).not.toMatch(/MOVED|ASK|\d:\d|CLUSTER/);
      } else expect(answer.status).toBe(200);
    }
  });
});
