/** WORKERS=2: what clients, operators and Prometheus see of a gateway that is two processes. */
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Overview } from '../../src/protocol/overview.js';
import { workerPids } from '../support/child-processes.js';
import { freePort } from '../support/free-port.js';
import { startForFile } from '../support/gateway-fixture.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { TestSocket } from '../support/socket.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { StreamFollower } from '../support/stream-follower.js';
import { openAtEachWorker, untilGone } from '../support/workers.js';

const SOON = { timeout: 60_000, interval: 50 };
const SETTINGS = { WORKERS: '2', LOG_LEVEL: 'debug' };

// Each gateway is three processes, which start one after the other.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 90_000 });

const { gateway, redis } = await startForFile(SETTINGS);

const scrape = async ({ http }: GatewayProcess) => (await fetch(`${http}/metrics`)).text();

/** Samples of metrics that only grow, by their names with labels. */
function totalsIn(metrics: string): Map<string, number> {
  const totals = new Map<string, number>();
  let isTotal = false;
  for (const line of metrics.split('\n')) {
    if (line.startsWith('# TYPE ')) isTotal = / (counter|histogram)$/.test(line);
    else if (isTotal && line !== '' && !line.startsWith('#')) {
      const at = line.lastIndexOf(' ');
      totals.set(line.slice(0, at), Number(line.slice(at)));
    }
  }
  return totals;
}

const readiness = async ({ http }: GatewayProcess) => {
  const response = await fetch(`${http}/readyz`);
  return { status: response.status, ...((await response.json()) as object) };
};

/** Pushes one entry as `StreamFollower` expects it. @returns its id */
async function push(producer: TestSocket, writer: string, seq: number): Promise<string> {
  const frame = stampedFrame(writer, seq, 0);
  const [id] = await producer.push([frame.length], frame);
  expect(id).toEqual(expect.any(String));
  return id as string;
}

async function followAtEach(from: GatewayProcess, sid: string): Promise<StreamFollower[]> {
  const followers = await openAtEachWorker(from, () => StreamFollower.open(from, sid));
  onTestFinished(async () => {
    for (const [, follower] of followers) if (!follower.isClosed) await follower.close();
  });
  return followers.map(([, follower]) => follower);
}

test('what is pushed at either worker is followed at both, in the same order', async () => {
  const followers = await followAtEach(gateway, 'both');
  const producers = await openAtEachWorker(gateway, () =>
    TestSocket.open(`${gateway.ws}/data/both/push?ack=1`),
  );
  const ids: string[] = [];
  for (let round = 0; round < 20; round++) {
    for (const [worker, producer] of producers) {
      ids.push(await push(producer, `w${worker}`, round));
    }
  }
  for (const follower of followers) {
    await follower.until(() => follower.entries.length >= ids.length);
    expect(follower.entries.map(({ id }) => id)).toEqual(ids);
  }
  for (const [, producer] of producers) await producer.close();
});

test('a read that waits at one worker is answered with what is pushed at the other', async () => {
  const producers = await openAtEachWorker(gateway, () =>
    TestSocket.open(`${gateway.ws}/data/awaited/push?ack=1`),
  );
  for (const [, producer] of producers) {
    // Each on a connection of its own, so that some wait at either worker.
    const reads = Array.from({ length: 8 }, () =>
      fetch(`${gateway.http}/data/awaited?last_entry_id=$&block=20000`, { headers: { connection: 'close' } }),
    );
    await vi.waitFor(async () => expect(await gateway.metric('waiting_reads')).toBe(8), SOON);
    await producer.push([4], 'here');
    for (const read of await Promise.all(reads)) expect(await read.text()).toContain('here');
  }
  for (const [, producer] of producers) await producer.close();
});

test('/metrics and /overview speak for both workers, whichever is asked', async () => {
  const followers = await followAtEach(gateway, 'summed');
  const producers = await openAtEachWorker(gateway, () =>
    TestSocket.open(`${gateway.ws}/data/summed/push?ack=1`),
  );
  const before = await gateway.metric('entries_in_total{endpoint="push"}');
  for (const [, producer] of producers) await producer.push([1], 'x');
  for (let scrapes = 0; scrapes < 10; scrapes++) {
    const text = await (await fetch(`${gateway.http}/metrics`, { headers: { connection: 'close' } })).text();
    const lines = text.split('\n');
    expect(lines).toContain(`streamgate_entries_in_total{endpoint="push"} ${before + producers.length}`);
    expect(lines).toContain(`streamgate_connections{endpoint="pull"} ${followers.length}`);
    expect(lines).toContain(`streamgate_connections{endpoint="push"} ${producers.length}`);
    expect(lines).toContain('streamgate_workers{state="answered"} 2');
    expect(lines).toContain('streamgate_workers{state="silent"} 0');
    expect(lines).toContain('streamgate_workers{state="starting"} 0');
    expect(lines).toContain('streamgate_redis_connected{role="append"} 1');
    expect(lines).toContain('streamgate_append_queue_limit_bytes 268435456');
    expect(lines).toContainEqual(expect.stringMatching(/^process_start_time_seconds \d{10}$/));
  }
  const watchers = await openAtEachWorker(gateway, () => TestSocket.open(`${gateway.ws}/overview`));
  for (const [, watcher] of watchers) {
    const { streams } = await watcher.receiveJson<Overview>();
    expect(streams.find(({ sid }) => sid === 'summed')!.followers).toBe(followers.length);
    await watcher.close();
  }
  for (const [, producer] of producers) await producer.close();
});

test('a worker that is halted is left out, its totals are not, and the other one answers', async () => {
  const producers = await openAtEachWorker(gateway, () =>
    TestSocket.open(`${gateway.ws}/data/halted/push?ack=1`),
  );
  for (const [, producer] of producers) await producer.push([1], 'x');
  const before = totalsIn(await scrape(gateway));
  const [halted] = await workerPids(gateway);
  process.kill(halted!, 'SIGSTOP');
  try {
    // A connection that the system gives to the halted one is not answered.
    const seen = await vi.waitFor(async () => {
      const response = await fetch(`${gateway.http}/metrics`, {
        headers: { connection: 'close' },
        signal: AbortSignal.timeout(3000),
      });
      const text = await response.text();
      expect(text).toContain('streamgate_workers{state="silent"} 1');
      return text;
    }, SOON);
    const totals = totalsIn(seen);
    expect([...before].filter(([name, value]) => totals.get(name)! < value)).toEqual([]);
    const ready = await vi.waitFor(async () => {
      const response = await fetch(`${gateway.http}/readyz`, {
        headers: { connection: 'close' },
        signal: AbortSignal.timeout(3000),
      });
      return { status: response.status, ...((await response.json()) as object) };
    }, SOON);
    expect(ready).toMatchObject({ status: 'ready', workers: { ready: 1, of: 2 } });
  } finally {
    process.kill(halted!, 'SIGCONT');
  }
  await vi.waitFor(async () => {
    expect(await scrape(gateway)).toContain('streamgate_workers{state="answered"} 2');
  }, SOON);
  for (const [, producer] of producers) await producer.close();
});

test('a worker that is killed is replaced, the other one serves on, and no total falls', async () => {
  const killed = await startGatewayProcess({ ...SETTINGS, REDIS_URL: redis.url });
  onTestFinished(async () => {
    await killed.stop();
  });
  const producers = await openAtEachWorker(killed, () =>
    TestSocket.open(`${killed.ws}/data/killed/push?ack=1`),
  );
  const followers = await followAtEach(killed, 'killed');
  for (const [worker, producer] of producers) await push(producer, `w${worker}`, 0);
  let last = totalsIn(await scrape(killed));
  const [victim, survivor] = await workerPids(killed);
  process.kill(victim!, 'SIGKILL');
  const lost = await Promise.race(producers.map(([worker, { closed }]) => closed.then(() => worker)));
  const scrapeOn = async () => {
    const next = totalsIn(await scrape(killed));
    expect([...last].filter(([name, value]) => !(next.get(name)! >= value))).toEqual([]);
    last = next;
  };
  for (let scrapes = 0; scrapes < 5; scrapes++) await scrapeOn();
  // The other one's clients notice nothing.
  const [, stayed] = producers.find(([worker]) => worker !== lost)!;
  await push(stayed, 'stayed', 1);
  const live = followers.filter(({ isClosed }) => !isClosed);
  expect(live.length).toBeGreaterThan(0);
  for (const follower of live) {
    await follower.until(() => follower.entries.length > producers.length);
  }
  await vi.waitFor(async () => {
    const now = await workerPids(killed);
    expect([now.length, now.includes(survivor!)]).toEqual([2, true]);
    expect(await readiness(killed)).toMatchObject({ status: 'ready', workers: { ready: 2, of: 2 } });
  }, SOON);
  await scrapeOn();
  expect(await killed.metric('workers_replaced_total')).toBe(1);
  const again = await openAtEachWorker(killed, () => TestSocket.open(`${killed.ws}/data/killed/push?ack=1`));
  for (const [, producer] of again) await producer.push([1], 'x');
  await scrapeOn();
  for (const [, producer] of again) await producer.close();
  const line = killed.log.find(({ msg }) => /^a worker was ended by SIGKILL; it is/.test(String(msg)));
  expect(line).toMatchObject({ worker: lost });
});

test('a signal to stop drains all workers and leaves nothing running', async () => {
  const stopped = await startGatewayProcess({ ...SETTINGS, REDIS_URL: redis.url });
  const followers = await followAtEach(stopped, 'stopped');
  const producers = await openAtEachWorker(stopped, () =>
    TestSocket.open(`${stopped.ws}/data/stopped/push?ack=1`),
  );
  const pids = await workerPids(stopped);
  const closings = [...producers.map(([, producer]) => producer.closed), ...followers.map((f) => f.closed)];
  expect(await stopped.stop()).toBe(0);
  for (const { code } of await Promise.all(closings)) expect(code).toBe(1001);
  await untilGone(pids);
});

test('the workers end where their supervisor is killed', async () => {
  const orphaned = await startGatewayProcess({ ...SETTINGS, REDIS_URL: redis.url });
  const pids = await workerPids(orphaned);
  expect(pids).toHaveLength(2);
  const [follower] = await followAtEach(orphaned, 'orphaned');
  const exit = once(orphaned.process, 'exit');
  orphaned.process.kill('SIGKILL');
  await exit;
  await untilGone(pids);
  expect((await follower!.closed).code).toBe(1001);
  await orphaned.stop();
});

test('/readyz refuses only where no worker is ready', async () => {
  const refusing = await startGatewayProcess({
    ...SETTINGS,
    REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
  });
  onTestFinished(async () => {
    await refusing.stop();
  });
  const response = await fetch(`${refusing.http}/readyz`);
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({
    status: 'not ready',
    checks: { redis: false, accepting: true },
    workers: { ready: 0, of: 2 },
  });
});
