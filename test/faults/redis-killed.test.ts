/** Redis dies under load: followers keep their sockets, and nothing acknowledged is lost. */
import { once } from 'node:events';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { compareEntryIds } from '../../src/protocol/entry-id.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis } from '../support/redis-server.js';
import { TestSocket } from '../support/socket.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { type Stored, storedEntries } from '../support/stored-entries.js';
import { StreamFollower } from '../support/stream-follower.js';
import { type Refusal, StreamWriter } from '../support/stream-writer.js';

const KILLS = 5;
/** Writing goes on for so many acks between two kills. */
const ACKS_PER_ROUND = 400;
const RECOVERY_MS = 2000;
/** Frames that a fast writer has under way at once. */
const WINDOW = 64;

const ending: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function startGateway(settings: Record<string, string>): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess({ REDIS_STREAM_MAXLEN: '1000000', ...settings });
  ending.push(() => gateway.stop());
  return gateway;
}

/** A client of the embedded Redis that outlives its deaths. */
function embeddedClient(gateway: GatewayProcess): Redis {
  const client = new Redis({
    path: join(gateway.dataDir, 'redis.sock'),
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
  });
  client.on('error', () => {});
  ending.push(async () => client.disconnect());
  return client;
}

async function pidOf(redis: Redis): Promise<number> {
  return Number(/process_id:(\d+)/.exec(await redis.info('server'))![1]);
}

/** Ids rise, and a follower saw each entry that is held after its first, once. */
function expectAllOf(follower: StreamFollower, stored: readonly Stored[], sid: string): void {
  expect(follower.fault).toBeUndefined();
  const got = follower.entries.filter((entry) => entry.sid === sid);
  for (let index = 1; index < got.length; index++) {
    expect(compareEntryIds(got[index - 1]!.id!, got[index]!.id!)).toBeLessThan(0);
  }
  const from = stored.findIndex(({ id }) => id === got[0]!.id);
  expect(got.map(({ id, stamp }) => `${id} ${stamp}`)).toEqual(
    stored.slice(from).map(({ id, stamp }) => `${id} ${stamp}`),
  );
}

describe('the embedded Redis killed with SIGKILL, again and again', () => {
  test('followers stay and miss nothing, acks are kept, and all goes on', async () => {
    const gateway = await startGateway({});
    const redis = embeddedClient(gateway);
    const sids = ['a', 'b'];
    const followers = await Promise.all([
      ...sids.flatMap((sid) => [
        StreamFollower.open(gateway, sid, 'block=100'),
        StreamFollower.open(gateway, sid, 'last_entry_id=0&count=100&block=0', 'msgpack'),
      ]),
      StreamFollower.open(gateway, sids.join('+'), 'last_entry_id=0&count=10'),
    ]);
    const writers = await Promise.all(
      ['w1', 'w2', 'w3'].map((name, index) => StreamWriter.open(gateway, sids[index % 2]!, name)),
    );
    let isDone = false;
    const writing = writers.map((writer) =>
      writer.sendWhile(
        () => !isDone,
        (seq) => [30, 2000, 40_000][seq % 3]!,
      ),
    );
    const posted: { stamp: string; id: string }[] = [];
    const posting = (async () => {
      for (let seq = 0; !isDone; seq++) {
        const body = new Uint8Array(stampedFrame('rest', seq, 500));
        const answer = await fetch(`${gateway.http}/data/a`, { method: 'POST', body });
        expect(answer.status).toBe(200);
        posted.push({ stamp: `rest#${seq}`, id: ((await answer.json()) as string[])[0]! });
      }
    })();
    const acked = () => posted.length + writers.reduce((sum, writer) => sum + writer.acked, 0);
    const moreAcked = (count: number) => {
      const wanted = acked() + count;
      return vi.waitFor(() => expect(acked()).toBeGreaterThan(wanted), { timeout: 20_000, interval: 5 });
    };

    const recoveries: number[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      await moreAcked(ACKS_PER_ROUND);
      process.kill(await pidOf(redis), 'SIGKILL');
      await moreAcked(1);
      const ready = performance.now();
      const seen = followers.map(({ entries }) => entries.length);
      await Promise.all(
        followers.map((follower, index) => follower.until(() => follower.entries.length > seen[index]!)),
      );
      recoveries.push(performance.now() - ready);
    }
    await moreAcked(ACKS_PER_ROUND);
    isDone = true;
    await Promise.all([...writing, posting]);

    const stored = await Promise.all(sids.map((sid) => storedEntries(redis, `default:${sid}`)));
    const held = new Map(
      stored.flatMap((entries, at) => entries.map((e) => [`${sids[at]} ${e.id}`, e.stamp])),
    );
    for (const { stamp, id } of posted) expect(held.get(`a ${id}`)).toBe(stamp);
    for (const writer of writers) {
      for (const { sid, stamp, outcome } of writer.sent) {
        expect([stamp, outcome]).toEqual([stamp, expect.any(String)]);
        expect(held.get(`${sid} ${outcome}`)).toBe(stamp);
      }
    }
    for (const follower of followers) {
      const ends = stored.map((entries) => entries.at(-1)!.id);
      await follower.until(() =>
        sids.every(
          (sid, at) =>
            !follower.ws.url.includes(sid === 'a' ? '/a' : 'b/pull') ||
            follower.entries.some((entry) => entry.sid === sid && entry.id === ends[at]),
        ),
      );
    }
    followers.forEach((follower, index) => {
      const of = index < 2 ? ['a'] : index < 4 ? ['b'] : sids;
      for (const sid of of) expectAllOf(follower, stored[sids.indexOf(sid)]!, sid);
      expect(follower.isClosed).toBe(false);
    });
    for (const ms of recoveries) expect(ms).toBeLessThan(RECOVERY_MS);
  }, 90_000);

  test('entries in flight when Redis dies are stored, once, in the order sent', async () => {
    const kills = 3;
    const gateway = await startGateway({});
    const redis = embeddedClient(gateway);
    const writer = await StreamWriter.open(gateway, 'once', 'w');
    let isDone = false;
    const writing = writer.sendWhile(
      () => !isDone,
      () => 5000,
      WINDOW,
    );
    for (let kill = 0; kill < kills; kill++) {
      const wanted = writer.acked + 1000;
      await vi.waitFor(() => expect(writer.acked).toBeGreaterThan(wanted), { timeout: 20_000, interval: 5 });
      process.kill(await pidOf(redis), 'SIGKILL');
    }
    const wanted = writer.acked + 1000;
    await vi.waitFor(() => expect(writer.acked).toBeGreaterThan(wanted), { timeout: 20_000, interval: 5 });
    isDone = true;
    await writing;
    const stored = await storedEntries(redis, 'default:once');
    expect(stored).toEqual(writer.sent.map(({ stamp, outcome }) => ({ id: outcome, stamp })));
  }, 90_000);
});

describe('a Redis of one’s own that stays away', () => {
  test('writes are refused with a clear error, and all recovers within 2 s of its return', async () => {
    const server = await startRedis('--appendonly', 'yes', '--appendfsync', 'no');
    ending.push(() => server.stop());
    const gateway = await startGateway({ REDIS_URL: server.url });
    const follower = await StreamFollower.open(gateway, 'x', 'block=50');
    const acked = await StreamWriter.open(gateway, 'x', 'acked');
    const silent = await TestSocket.open(`${gateway.ws}/data/x/push?header=0`);
    const before = await acked.send(100);
    await follower.until(() => follower.entries.length === 1);

    server.process.kill('SIGKILL');
    await once(server.process, 'exit');
    const post = () =>
      fetch(`${gateway.http}/data/x`, { method: 'POST', body: new Uint8Array(stampedFrame('rest', 0)) });
    const refusal = async (answer: Response) => [
      answer.status,
      answer.headers.get('retry-after'),
      ((await answer.json()) as Refusal).code,
    ];
    // What comes in a short outage waits for its end; this one is longer.
    const waited = acked.send(100);
    silent.send(Buffer.from('lost, and told so'));
    expect(await refusal(await post())).toEqual([503, '1', 'redis_unavailable']);
    expect((await waited).outcome).toEqual({
      code: 'redis_unavailable',
      error: expect.stringMatching(/Redis/),
    });
    expect(await silent.closed).toEqual({ code: 1013, reason: expect.stringMatching(/Redis/) });
    // From then on at once.
    const begun = performance.now();
    expect(await refusal(await post())).toEqual([503, '1', 'redis_unavailable']);
    expect((await acked.send(100)).outcome).toMatchObject({ code: 'redis_unavailable' });
    expect(await refusal(await fetch(`${gateway.http}/data/x?last_entry_id=0`))).toEqual([
      503,
      '1',
      'redis_unavailable',
    ]);
    await expect(TestSocket.open(`${gateway.ws}/data/x/pull`)).rejects.toThrow(/^503 .*redis_unavailable/);
    expect(performance.now() - begun).toBeLessThan(1000);
    expect((await fetch(`${gateway.http}/readyz`)).status).toBe(503);
    expect((await fetch(`${gateway.http}/healthz`)).status).toBe(200);
    // A follower is only kept waiting, and hears that it is.
    const { heartbeats } = follower;
    await follower.until(() => follower.heartbeats > heartbeats + 2);

    await server.restart();
    const back = performance.now();
    const within = { timeout: RECOVERY_MS, interval: 10 };
    const after = await vi.waitFor(async () => {
      const { outcome, stamp } = await acked.send(100);
      expect(outcome).toEqual(expect.any(String));
      return { outcome, stamp };
    }, within);
    await vi.waitFor(async () => expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200), within);
    await follower.until(() => follower.entries.some(({ id }) => id === after.outcome));
    expect(performance.now() - back).toBeLessThan(RECOVERY_MS);
    expect((await post()).status).toBe(200);
    const stored = await storedEntries(server.client, 'default:x');
    expect(stored.map(({ stamp }) => stamp)).toEqual([before.stamp, after.stamp, 'rest#0']);
    await follower.until(() => follower.entries.length === 3);
    expect(follower.entries.map(({ id }) => id)).toEqual(stored.map(({ id }) => id));
    await Promise.all([acked.close(), follower.close()]);
  });

  test('a Redis that comes back without its data is followed on', async () => {
    const server = await startRedis();
    ending.push(() => server.stop());
    const gateway = await startGateway({ REDIS_URL: server.url });
    const follower = await StreamFollower.open(gateway, 'x', 'block=0');
    const writer = await StreamWriter.open(gateway, 'x', 'w');
    await writer.send(100);
    await follower.until(() => follower.entries.length === 1);
    server.process.kill('SIGKILL');
    await once(server.process, 'exit');
    await server.restart();
    await writer.send(100);
    await follower.until(() => follower.entries.length === 2);
    expect(follower.entries.map(({ stamp }) => stamp)).toEqual(['w#0', 'w#1']);
    await Promise.all([writer.close(), follower.close()]);
  });
});
