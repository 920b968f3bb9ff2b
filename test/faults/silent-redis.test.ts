/**
 * A Redis that says nothing: stopped, or at the other end of a connection that is half-open. No error comes;
 * the gateway's own timers notice, on each kind of connection, and followers go on from their cursors.
 */
import { describe, expect, test, vi } from 'vitest';
import { FaultProxy } from '../support/fault-proxy.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { storedEntries } from '../support/stored-entries.js';
import { StreamFollower } from '../support/stream-follower.js';

/** Until a silent connection is given up; what the gateway allows is 4 to 5 s. */
const NOTICED = { timeout: 8000, interval: 20 };
const RECOVERY_MS = 2000;

/** A gateway that reaches its Redis through a network that can fall silent. */
class Fixture {
  readonly redis: TestRedis;
  readonly proxy: FaultProxy;
  readonly gateway: GatewayProcess;
  #written = 0;

  private constructor(redis: TestRedis, proxy: FaultProxy, gateway: GatewayProcess) {
    this.redis = redis;
    this.proxy = proxy;
    this.gateway = gateway;
  }

  static async with(act: (fixture: Fixture) => Promise<void>): Promise<void> {
    const redis = await startRedis();
    const proxy = await FaultProxy.start(redis);
    const gateway = await startGatewayProcess({ REDIS_URL: proxy.url });
    try {
      await act(new Fixture(redis, proxy, gateway));
    } finally {
      redis.process.kill('SIGCONT');
      await gateway.stop();
      await proxy.stop();
      await redis.stop();
    }
  }

  /** Writes past the proxy. */
  async write(sid: string, entries = 1): Promise<void> {
    for (let entry = 0; entry < entries; entry++) {
      await this.redis.client.xadd(`default:${sid}`, '*', 'd', stampedFrame('w', this.#written++, 2000));
    }
  }

  /** Resolves once the follower has all that there is; it must have it once, and in order. */
  async expectAll(follower: StreamFollower, sid: string): Promise<void> {
    const stored = await storedEntries(this.redis.client, `default:${sid}`);
    await follower.until(() => follower.entries.at(-1)?.id === stored.at(-1)!.id);
    expect(follower.entries.map(({ id, stamp }) => `${id} ${stamp}`)).toEqual(
      stored.map(({ id, stamp }) => `${id} ${stamp}`),
    );
    expect(follower.isClosed).toBe(false);
  }

  get(query: string): Promise<Response> {
    return fetch(`${this.gateway.http}/data/x?${query}`);
  }

  readerLosses(): Promise<number> {
    return this.gateway.metric('redis_disconnects_total{role="reader"}');
  }
}

describe.concurrent('a connection that is half-open', () => {
  test('of a reader is given up, and its followers go on', () =>
    Fixture.with(async (fixture) => {
      const { proxy, gateway } = fixture;
      const followers = await Promise.all([
        StreamFollower.open(gateway, 'x', 'block=100'),
        StreamFollower.open(gateway, 'x+y', 'last_entry_id=0&count=10', 'msgpack'),
      ]);
      await fixture.write('x', 10);
      for (const follower of followers) await fixture.expectAll(follower, 'x');
      const before = await fixture.readerLosses();
      proxy.only = /reader/;
      proxy.stall();
      await fixture.write('x', 20);
      await vi.waitFor(async () => expect(await fixture.readerLosses()).toBeGreaterThan(before), NOTICED);
      expect(followers.map(({ entries }) => entries.length)).toEqual([10, 10]);
      // What the old connection had under way arrives too, at nobody.
      proxy.resume();
      const begun = performance.now();
      for (const follower of followers) await fixture.expectAll(follower, 'x');
      expect(performance.now() - begun).toBeLessThan(RECOVERY_MS);
      await fixture.write('x', 20);
      for (const follower of followers) await fixture.expectAll(follower, 'x');
    }));

  test('that ends a blocking read does not keep a new follower waiting', () =>
    Fixture.with(async (fixture) => {
      const { proxy, gateway } = fixture;
      const first = await StreamFollower.open(gateway, 'x', 'block=0');
      await fixture.write('x');
      await fixture.expectAll(first, 'x');
      proxy.only = /interrupt/;
      proxy.stall();
      const second = await StreamFollower.open(gateway, 'y', 'block=0');
      await fixture.write('y');
      const begun = performance.now();
      await fixture.expectAll(second, 'y');
      expect(performance.now() - begun).toBeLessThan(RECOVERY_MS);
    }));

  test('of the pool is given up: reads fail in time, and work once there is another', () =>
    Fixture.with(async (fixture) => {
      const { proxy } = fixture;
      await fixture.write('x', 3);
      // Read by the pool, as all of streams whose entries' size is not known.
      expect((await fixture.get('last_entry_id=0&count=100')).headers.get('x-offsets')).toMatch(/x/);
      proxy.only = /pool|range/;
      proxy.stall();
      const begun = performance.now();
      const answers = await Promise.all([
        fixture.get('last_entry_id=0&count=100'),
        fixture.get('last_entry_id=0&count=3'),
      ]);
      expect(performance.now() - begun).toBeLessThan(NOTICED.timeout);
      expect(answers.map(({ status }) => status)).toEqual([503, 503]);
      expect(await answers[0]!.json()).toMatchObject({ code: 'redis_unavailable' });
      proxy.resume();
      expect((await fixture.get('last_entry_id=0&count=100')).status).toBe(200);
    }));

  test('of the pool keeps followers that catch up waiting, and no longer', () =>
    Fixture.with(async (fixture) => {
      const { proxy, gateway } = fixture;
      await fixture.write('x', 50);
      proxy.only = /pool|range/;
      proxy.stall();
      const follower = await StreamFollower.open(gateway, 'x', 'last_entry_id=0&block=0&count=7');
      await fixture.write('x', 50);
      // An attempt of the follower's has failed by then.
      await vi.waitFor(
        async () => expect((await fixture.get('last_entry_id=0&count=100')).status).toBe(503),
        NOTICED,
      );
      proxy.resume();
      await fixture.expectAll(follower, 'x');
    }));

  test('for control is given up: requests fail in time, and are served once there is another', () =>
    Fixture.with(async (fixture) => {
      const { proxy, gateway } = fixture;
      await fixture.write('x');
      // Its name comes late: it has none yet for the proxy.
      proxy.only = /^(control)?$/;
      expect(proxy.names).toHaveLength(1);
      proxy.stall();
      const begun = performance.now();
      await expect(StreamFollower.open(gateway, 'x')).rejects.toThrow('503');
      expect(performance.now() - begun).toBeLessThan(NOTICED.timeout);
      // The next has been begun, while nothing was heard of the first.
      await vi.waitFor(() => expect(proxy.names.length).toBeGreaterThan(1), NOTICED);
      proxy.resume();
      await vi.waitFor(
        async () => {
          await (await StreamFollower.open(gateway, 'x')).close();
        },
        { timeout: 10_000, interval: 20 },
      );
      // Neither the first one, whose answers would come late, nor more than one.
      await vi.waitFor(() => expect(proxy.names).toHaveLength(1), NOTICED);
    }));
});

test.concurrent('a Redis that was stopped for a while is followed on, without gap or double', () =>
  Fixture.with(async (fixture) => {
    const { redis, gateway } = fixture;
    const sids = ['x', 'y'];
    const followers = await Promise.all([
      StreamFollower.open(gateway, 'x', 'block=100'),
      StreamFollower.open(gateway, 'y', 'last_entry_id=0&count=10', 'msgpack'),
    ]);
    for (const sid of sids) await fixture.write(sid, 10);
    for (const [index, sid] of sids.entries()) await fixture.expectAll(followers[index]!, sid);
    const before = await fixture.readerLosses();
    redis.process.kill('SIGSTOP');
    const writing = Promise.all(sids.map((sid) => fixture.write(sid, 20)));
    await vi.waitFor(async () => expect(await fixture.readerLosses()).toBeGreaterThan(before), NOTICED);
    // A follower is told that it is waiting.
    const { heartbeats } = followers[0]!;
    await followers[0]!.until(() => followers[0]!.heartbeats > heartbeats + 2);
    redis.process.kill('SIGCONT');
    await writing;
    for (const [index, sid] of sids.entries()) await fixture.expectAll(followers[index]!, sid);
    for (const sid of sids) await fixture.write(sid, 10);
    for (const [index, sid] of sids.entries()) await fixture.expectAll(followers[index]!, sid);
  }));
