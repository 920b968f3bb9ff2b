/** Threads that crash, spin or run out of memory are replaced; what they did for others goes on. */
import { describe, expect, test, vi } from 'vitest';
import { FaultProxy } from '../support/fault-proxy.js';
import { type FaultyGateway, startFaultyGateway } from '../support/faulty-gateway.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { storedEntries } from '../support/stored-entries.js';
import { StreamFollower } from '../support/stream-follower.js';

/** Until a reader is replaced: one that spins is given two seconds. */
const REPLACED_MS = 4000;
/** Until a thread of the pool is replaced that spins, with room to spare. */
const POOL_REPLACED_MS = 20_000;
const FAULTS = [
  ['throws', 'throw'],
  ['exits', 'exit'],
  ['spins', 'spin'],
  ['runs out of memory', 'memory'],
] as const;
const SOON = { timeout: REPLACED_MS, interval: 20 };

interface Fixture {
  readonly redis: TestRedis;
  readonly proxy: FaultProxy;
  readonly gateway: FaultyGateway;
}

async function withGateway(
  settings: Record<string, string>,
  act: (fixture: Fixture) => Promise<void>,
): Promise<void> {
  const redis = await startRedis();
  const proxy = await FaultProxy.start(redis);
  const gateway = await startFaultyGateway({ REDIS_URL: proxy.url, ...settings });
  try {
    await act({ redis, proxy, gateway });
  } finally {
    await gateway.stop();
    await proxy.stop();
    await redis.stop();
  }
}

describe.concurrent('a reader that', () => {
  test.each(FAULTS)(
    '%s is replaced; its followers go on, and others do not notice',
    async (_words, fault) => {
      await withGateway({ READER_THREADS: '2' }, async ({ redis, gateway }) => {
        // A stream for each reader.
        const sids = ['a', 'b'];
        const followers: StreamFollower[] = [];
        for (const sid of sids) followers.push(await StreamFollower.open(gateway, sid, 'block=0&count=10'));
        const worst = sids.map(() => 0);
        let isDone = false;
        const writing = sids.map(async (sid, index) => {
          const follower = followers[index]!;
          for (let seq = 0; !isDone; seq++) {
            const begun = performance.now();
            const id = await redis.client.xadd(`default:${sid}`, '*', 'd', stampedFrame('w', seq));
            await follower.until(() => follower.entries.at(-1)?.id === id);
            worst[index] = Math.max(worst[index]!, performance.now() - begun);
          }
        });
        const go = (entries: number) => {
          const wanted = followers.map((follower) => follower.entries.length + entries);
          return Promise.all(
            followers.map((follower, index) =>
              follower.until(() => follower.entries.length >= wanted[index]!),
            ),
          );
        };
        await go(20);
        worst.fill(0);
        await gateway.inflict({ kind: 'reader', fault });
        await vi.waitFor(
          async () => expect(await gateway.metric('threads_replaced_total{kind="reader"}')).toBe(1),
          SOON,
        );
        await go(20);
        isDone = true;
        await Promise.all(writing);
        expect(Math.min(...worst)).toBeLessThan(1000);
        expect(Math.max(...worst)).toBeLessThan(REPLACED_MS);
        for (const [index, sid] of sids.entries()) {
          const stored = await storedEntries(redis.client, `default:${sid}`);
          const follower = followers[index]!;
          expect(follower.entries.map(({ id, stamp }) => `${id} ${stamp}`)).toEqual(
            stored.map(({ id, stamp }) => `${id} ${stamp}`),
          );
          await follower.close();
        }
        expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200);
      });
    },
  );

  test('fails again and again is replaced each time, ever less hastily', async () => {
    await withGateway({ READER_THREADS: '1' }, async ({ redis, gateway }) => {
      const follower = await StreamFollower.open(gateway, 'a', 'block=0');
      for (let time = 1; time <= 4; time++) {
        await gateway.inflict({ kind: 'reader', fault: time % 2 === 0 ? 'throw' : 'exit' });
        const id = await redis.client.xadd('default:a', '*', 'd', stampedFrame('w', time));
        await follower.until(() => follower.entries.at(-1)?.id === id);
        await vi.waitFor(
          async () => expect(await gateway.metric('threads_replaced_total{kind="reader"}')).toBe(time),
          SOON,
        );
      }
      expect(follower.entries.map(({ stamp }) => stamp)).toEqual(['w#1', 'w#2', 'w#3', 'w#4']);
      await follower.close();
    });
  });
});

describe.concurrent('a thread of the pool that', () => {
  test.each(FAULTS)(
    '%s fails what it had under way, and is replaced',
    async (_words, fault) => {
      await withGateway({ POOL_THREADS: '1' }, async ({ redis, proxy, gateway }) => {
        for (let seq = 0; seq < 100; seq++) {
          await redis.client.xadd('default:a', '*', 'd', stampedFrame('w', seq, 1000));
        }
        // Of so many entries that the pool reads them.
        const get = () => fetch(`${gateway.http}/data/a?last_entry_id=0&count=100`);
        expect((await get()).status).toBe(200);
        proxy.only = /pool/;
        proxy.stall();
        const late = await StreamFollower.open(gateway, 'a', 'last_entry_id=0&count=100&block=0');
        const begun = performance.now();
        const underway = get();
        await vi.waitFor(() => expect(proxy.names).toHaveLength(1));
        await gateway.inflict({ kind: 'pool', fault });
        // Its neighbour on main is served meanwhile.
        expect((await fetch(`${gateway.http}/healthz`)).status).toBe(200);
        const answer = await underway;
        expect(performance.now() - begun).toBeLessThan(POOL_REPLACED_MS);
        expect(answer.status).toBeGreaterThanOrEqual(500);
        expect(await answer.json()).toEqual({
          error: expect.stringMatching(/^[^\n]+$/),
          code: expect.stringMatching(/^(internal|redis_unavailable)$/),
        });
        proxy.resume();
        await vi.waitFor(
          async () => {
            expect(await gateway.metric('threads_replaced_total{kind="pool"}')).toBe(1);
            expect(await gateway.metric('pool_threads')).toBe(1);
          },
          { timeout: POOL_REPLACED_MS, interval: 50 },
        );
        expect((await get()).status).toBe(200);
        await late.until(() => late.entries.length === 100);
        expect(late.entries.map(({ stamp }) => stamp)).toEqual(
          Array.from({ length: 100 }, (_, seq) => `w#${seq}`),
        );
        await late.close();
      });
    },
    2 * POOL_REPLACED_MS,
  );
});
