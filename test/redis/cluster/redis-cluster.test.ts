/** The cluster that the tests of clusters run on does what they rely on. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startCluster, type TestCluster } from '../../support/redis-cluster.js';
import { beginMove, moveSlot } from '../../support/slot-move.js';

const WAIT = { timeout: 30_000, interval: 30 };
let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ replicas: 1 });
}, 60_000);
afterAll(() => cluster?.stop());

const slotOf = async (key: string) => Number(await cluster.nodes[0]!.client.cluster('KEYSLOT', key));

/** A key, its owner, and a master that it can move to. */
async function placeOf(key: string) {
  const owner = await cluster.ownerOf(key);
  const to = cluster.masters.find((node) => node !== owner && node.isLiving())!;
  return { owner, to, slot: await slotOf(key) };
}

describe('a cluster of a test', { timeout: 60_000 }, () => {
  test('covers all slots, a third with each master, which has a replica in step', async () => {
    expect(cluster.url).toBe(
      `redis+cluster://${cluster.masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    );
    const slots = await cluster.replicas[0]!.client.cluster('SLOTS');
    const found = slots.map(([first, last, ...nodes]) => [first, last, nodes.map(([, port]) => port)]);
    const portsOf = (at: number) => [cluster.masters[at]!.port, cluster.replicas[at]!.port];
    expect(found.sort((one, other) => Number(one[0]) - Number(other[0]))).toEqual([
      [0, 5460, portsOf(0)],
      [5461, 10_921, portsOf(1)],
      [10_922, 16_383, portsOf(2)],
    ]);
    for (const at of [0, 1, 2]) await cluster.masters[at]!.client.set(await keyOf(at), 'x');
    await cluster.inStep();
    const sizes = await Promise.all(cluster.nodes.map(({ client }) => client.dbsize()));
    expect(sizes).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test('answers ASK for a key that has left a slot on the move, and MOVED once that is done', async () => {
    const { owner, to, slot } = await placeOf('{walk}a');
    for (const name of ['a', 'b', 'c']) await owner.client.set(`{walk}${name}`, name);
    const move = await beginMove(cluster, slot, to);
    expect(await move.moveKeys(1)).toBe(1);
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((name) => owner.client.get(`{walk}${name}`).catch(String)),
    );
    const ask = `ReplyError: ASK ${slot} ${to.address}`;
    expect(answers.filter((answer) => answer === ask)).toHaveLength(1);
    expect(await cluster.ownerOf('{walk}a')).toBe(owner);

    expect(await move.moveKeys()).toBe(2);
    await move.end();
    expect(await cluster.ownerOf('{walk}a')).toBe(to);
    expect(await to.client.get('{walk}c')).toBe('c');
    await expect(owner.client.get('{walk}c')).rejects.toThrow(`MOVED ${slot} ${to.address}`);
    await cluster.settled();
  });

  test('leaves a slot where it is if its move is abandoned', async () => {
    const { owner, to, slot } = await placeOf('stay');
    const move = await beginMove(cluster, slot, to);
    await expect(owner.client.get('stay')).rejects.toThrow('ASK');
    await move.abandon();
    expect(await owner.client.get('stay')).toBeNull();
    expect(await cluster.ownerOf('stay')).toBe(owner);
  });

  test('moves a slot with more keys than go at once', async () => {
    const { owner, to, slot } = await placeOf('{many}');
    const keys = Array.from({ length: 250 }, (_, at) => `{many}${at}`);
    await owner.client.mset(Object.fromEntries(keys.map((key) => [key, key])));
    await moveSlot(cluster, slot, to);
    expect(await to.client.mget(...keys)).toEqual(keys);
  });

  test('has a replica take the place of a master that is killed, which comes back as a replica', async () => {
    const [master] = cluster.masters;
    const key = await keyOf(0);
    await master!.client.set(key, 'kept');
    await cluster.inStep();
    master!.process.kill('SIGKILL');
    await vi.waitFor(async () => expect(await cluster.ownerOf(key)).toBe(cluster.replicas[0]), WAIT);
    await cluster.settled();
    expect(await cluster.replicas[0]!.client.get(key)).toBe('kept');
    await master!.restart();
    await cluster.settled();
    await cluster.inStep();
    expect((await master!.client.role())[0]).toBe('slave');
  });

  test('has a replica take the place of a master that is paused, and does not ask that one', async () => {
    const [, master] = cluster.masters;
    const key = await keyOf(1);
    master!.process.kill('SIGSTOP');
    await vi.waitFor(async () => expect(await cluster.ownerOf(key)).toBe(cluster.replicas[1]), WAIT);
    await cluster.settled();
    master!.process.kill('SIGCONT');
    await cluster.settled();
    expect(await cluster.ownerOf(key)).toBe(cluster.replicas[1]);
  });

  test('is ended with a paused node', async () => {
    const small = await startCluster({ masters: 1 });
    small.nodes[0]!.process.kill('SIGSTOP');
    await vi.waitFor(() => expect(small.nodes[0]!.isLiving()).toBe(false), WAIT);
    await small.stop();
    expect(small.nodes[0]!.process.signalCode).toBe('SIGKILL');
  });
});

/** A key that one of the masters had at the start, and that no test moves. */
async function keyOf(at: number): Promise<string> {
  for (let number = 0; ; number++) {
    const slot = await slotOf(`key-${number}`);
    if (Math.floor((slot * 3) / 16_384) === at) return `key-${number}`;
  }
}
