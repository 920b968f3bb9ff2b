/** A reader thread of a cluster that ends while a slot moves: it is replaced, and the new one goes on where it was. */
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { EntryBatch } from '../../src/protocol/batch.js';
import { openCluster } from '../../src/redis/cluster/open-cluster.js';
import { slotOf } from '../../src/redis/cluster/slot.js';
import { parseRedisUrl } from '../../src/redis/target.js';
import { createLogger } from '../../src/system/logger.js';
import { ReaderThread } from '../../src/threads/reader-thread.js';
import { ClusterWriter } from '../support/cluster-writer.js';
import { startCluster } from '../support/redis-cluster.js';
import { beginMove } from '../support/slot-move.js';

const FILE = resolve('dist/workers/reader.js');
const WAIT = { timeout: 30_000, interval: 20 };

test('each entry comes once, in order, and none is said to be lost', { timeout: 90_000 }, async () => {
  const cluster = await startCluster();
  onTestFinished(() => cluster.stop());
  const target = parseRedisUrl(cluster.url);
  const { topology, control } = await openCluster(target, {}, createLogger('silent'));
  onTestFinished(() => control.close());
  const { shared, natMap } = topology.table;
  let worker: Worker | undefined;
  const start = () => {
    worker = new Worker(FILE, { workerData: { target, cluster: { shared, natMap } } });
    return worker;
  };
  const came = new Map<string, string[]>();
  const failures: string[] = [];
  const listener = {
    onEntries: ({ key, ids, trimmed, lostAfter }: EntryBatch) => {
      came.set(key, [...(came.get(key) ?? []), ...ids]);
      if (trimmed) failures.push(`lost after ${lostAfter}`);
    },
    onReply: () => {},
    onEvicted: (key: string) => failures.push(`evicted ${key}`),
    onLost: ({ key }: { readonly key: string }) => failures.push(`lost ${key}`),
    onChecked: () => {},
  };
  const thread = new ReaderThread(start, listener, createLogger('silent'));
  onTestFinished(() => thread.close());
  const streams = Array.from({ length: 9 }, (_, index) => `{t${index % 3}}${index}`);
  for (const key of streams) thread.follow(key, '0-0', 0, true);
  const writer = new ClusterWriter(cluster);
  writer.start(streams);
  onTestFinished(() => writer.stop());
  for (const key of ['{t0}', '{t1}', '{t2}']) {
    const owner = await cluster.ownerOf(key);
    const to = cluster.masters.find((node) => node !== owner)!;
    const move = await beginMove(cluster, slotOf(key), to);
    await move.moveKeys(1);
    await delay(200);
    await worker!.terminate();
    await move.moveKeys(1);
    await delay(300);
    await move.moveKeys();
    await move.end();
    await delay(200);
  }
  await writer.stop();
  await vi.waitFor(() => {
    for (const key of streams) expect(came.get(key)?.at(-1)).toBe(writer.idsOf(key).at(-1));
  }, WAIT);
  for (const key of streams) expect(came.get(key)).toEqual(writer.idsOf(key));
  expect([failures, thread.replacements]).toEqual([[], 3]);
});
