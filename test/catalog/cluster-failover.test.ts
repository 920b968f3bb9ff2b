/** What is not hot, while masters are lost and slots move: done, or refused in plain words. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Devices } from '../../src/catalog/devices.js';
import { listKeys } from '../../src/catalog/key-listing.js';
import { mergeStreamMeta } from '../../src/catalog/metadata.js';
import { Failure } from '../../src/protocol/errors.js';
import type { OpenCluster } from '../../src/redis/cluster/open-cluster.js';
import { openTestCluster, slotIn } from '../support/cluster-control.js';
import { startCluster, type TestCluster } from '../support/redis-cluster.js';
import { moveSlot } from '../support/slot-move.js';

let cluster: TestCluster;
let open: OpenCluster;
beforeAll(async () => {
  cluster = await startCluster({ replicas: 1 });
  open = await openTestCluster(cluster.url);
}, 60_000);
afterAll(async () => {
  open?.control.close();
  await cluster?.stop();
});

test('listings, metadata and devices', async () => {
  const { control } = open;
  const devices = new Devices(control, 100_000);
  const streams = Array.from({ length: 60 }, (_, number) => `x${String(number).padStart(2, '0')}`);
  for (const key of streams) await control.of(key, (redis) => redis.xadd(key, '1-1', 'd', 'x'));
  await cluster.inStep();
  let isOver = false;
  const failures: Failure[] = [];
  let done = 0;
  const repeat = async (act: (round: number) => Promise<unknown>) => {
    for (let round = 0; !isOver; round++) {
      try {
        await act(round);
        done++;
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        failures.push(error);
      }
      await delay(10);
    }
  };
  const acting = [
    repeat(async () => expect((await listKeys(control, { prefix: 'x' })).streams).toEqual(streams)),
    repeat((round) => mergeStreamMeta(control, `meta-${round % 20}`, { [`r${round}`]: 1 })),
    repeat((round) => devices.connect(`device-${round}`, { round })),
  ];
  const changes = (async () => {
    for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
      const slot = await slotIn(cluster, streams[5]!);
      const owner = await cluster.ownerOfSlot(slot);
      const to = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((key) => cluster.ownerOf(key)));
      await moveSlot(cluster, slot, to.find((node) => node !== owner)!);
      await cluster.settled();
      await cluster.inStep();
      const lost = await cluster.ownerOf(':event:device.connected');
      lost.process.kill(signal);
      await delay(5000);
      if (signal === 'SIGSTOP') lost.process.kill('SIGCONT');
      else await lost.restart();
      await cluster.settled();
      await cluster.inStep();
    }
    isOver = true;
  })();
  await Promise.all([...acting, changes]);
  const texts = new Set(failures.map(({ code, message }) => `${code}: ${message}`));
  expect(texts.size).toBeGreaterThan(0);
  for (const text of texts) {
    expect(text).toMatch(/^redis_unavailable: /);
    expect(text).not.toMatch(/MOVED|ASK|CLUSTERDOWN|READONLY|127\.0\.0\.1|\d{4,}/);
  }
  expect(done).toBeGreaterThan(100);
  // Afterwards all is as it was.
  expect((await listKeys(control, { prefix: 'x' })).streams).toEqual(streams);
  await devices.connect('last', { a: 1 });
  expect(await devices.list(false)).toContain('last');
}, 90_000);
