/** The gateway is killed under load, beside a Redis that goes on: what clients have and what is left behind. */
import { once } from 'node:events';
import { afterEach, expect, test, vi } from 'vitest';
import { freePort } from '../support/free-port.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis } from '../support/redis-server.js';
import { storedEntries } from '../support/stored-entries.js';
import { StreamFollower } from '../support/stream-follower.js';
import { StreamWriter } from '../support/stream-writer.js';

const SOON = { timeout: 15_000, interval: 10 };
const SIDS = ['a', 'b'];
const KILLS = 3;

const ending: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

test('followers go on from their ids without a gap, acks are kept, and nothing is left in Redis', {
  timeout: 60_000,
}, async () => {
  const redis = await startRedis();
  ending.push(() => redis.stop());
  const clients = async () => Number(/connected_clients:(\d+)/.exec(await redis.client.info('clients'))![1]);
  const port = await freePort();
  const ownClients = await clients();
  /** What each follower was sent, over all of its connections. */
  const seen = new Map<string, string[]>(SIDS.map((sid) => [sid, []]));
  const acked = new Map<string, string>();
  const sent = new Set<string>();

  for (let kill = 0; kill < KILLS; kill++) {
    const gateway: GatewayProcess = await startGatewayProcess({
      REDIS_URL: redis.url,
      REDIS_STREAM_MAXLEN: '1000000',
      PORT: String(port),
    });
    ending.push(() => gateway.stop());
    const followers = await Promise.all(
      SIDS.map((sid) => {
        const last = seen.get(sid)!.at(-1)?.split(' ')[0] ?? '0';
        return StreamFollower.open(gateway, sid, `last_entry_id=${last}&count=50&block=0`);
      }),
    );
    const writers = await Promise.all(
      ['v', 'w'].map((name, index) => StreamWriter.open(gateway, SIDS[index]!, `${name}${kill}`)),
    );
    const writing = writers.map((writer) =>
      writer.sendWhile(
        () => true,
        (seq) => [20, 3000, 30_000][seq % 3]!,
        32,
      ),
    );
    await vi.waitFor(() => {
      for (const writer of writers) expect(writer.acked).toBeGreaterThan(300);
      for (const follower of followers) expect(follower.entries.length).toBeGreaterThan(100);
    }, SOON);
    gateway.process.kill('SIGKILL');
    await once(gateway.process, 'exit');
    await Promise.all([...writing, ...followers.map(({ closed }) => closed)]);
    followers.forEach((follower, index) => {
      expect(follower.fault).toBeUndefined();
      seen.get(SIDS[index]!)!.push(...follower.entries.map(({ id, stamp }) => `${id} ${stamp}`));
    });
    for (const { stamp, outcome } of writers.flatMap((writer) => writer.sent)) {
      sent.add(stamp);
      if (typeof outcome === 'string') acked.set(stamp, outcome);
    }
    // None of its connections outlives it.
    await vi.waitFor(async () => expect(await clients()).toBe(ownClients), SOON);
  }

  const last = await startGatewayProcess({ REDIS_URL: redis.url, PORT: String(port) });
  ending.push(() => last.stop());
  for (const sid of SIDS) {
    const stored = await storedEntries(redis.client, `default:${sid}`);
    const ids = new Map(stored.map(({ id, stamp }) => [stamp, id]));
    // Each was stored at most once, and all that was acknowledged is there.
    expect(ids.size).toBe(stored.length);
    for (const stamp of ids.keys()) expect(sent.has(stamp)).toBe(true);
    const own = sid === 'a' ? 'v' : 'w';
    for (const [stamp, id] of acked)
      if (stamp.startsWith(own)) expect([stamp, ids.get(stamp)]).toEqual([stamp, id]);
    const follower = await StreamFollower.open(
      last,
      sid,
      `last_entry_id=${seen.get(sid)!.at(-1)!.split(' ')[0]}&count=50&block=0`,
    );
    const left = stored.length - seen.get(sid)!.length;
    await follower.until(() => follower.entries.length >= left);
    const all = [...seen.get(sid)!, ...follower.entries.map(({ id, stamp }) => `${id} ${stamp}`)];
    expect(all).toEqual(stored.map(({ id, stamp }) => `${id} ${stamp}`));
    await follower.close();
  }
  expect((await redis.client.keys('*')).sort()).toEqual(SIDS.map((sid) => `default:${sid}`));
});
