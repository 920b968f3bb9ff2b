import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Receipt } from '../../src/append/batch.js';
import type { NotReplicated } from '../../src/append/not-replicated.js';
import { AppendPipes } from '../../src/append/pipes.js';
import type { Failure } from '../../src/protocol/errors.js';
import type { ReplyCursor } from '../../src/redis/resp.js';
import { parseRedisUrl } from '../../src/redis/target.js';
import { createLogger } from '../../src/system/logger.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { type ReplicatedRedis, startReplicatedRedis } from '../support/replicated-redis.js';

const WAIT = { timeout: 15_000, interval: 5 };
const ID = expect.stringMatching(/^\d+-\d+$/);

class Ledger implements Receipt {
  readonly results: unknown[] = [];
  told = 0;

  stored(token: number, reply: ReplyCursor, shortage?: NotReplicated): void {
    const id = reply.text();
    this.#tell(token, shortage === undefined ? id : shortage.bodyOf(id));
  }

  refused(token: number, failure: Failure): void {
    this.#tell(token, failure.body);
  }

  #tell(token: number, result: unknown): void {
    expect(this.results[token]).toBeUndefined();
    this.results[token] = result;
    this.told++;
  }
}

let redis: ReplicatedRedis;
let proxy: FaultProxy;
let pipes: AppendPipes;

beforeAll(async () => {
  redis = await startReplicatedRedis();
});

afterAll(() => redis.stop());

beforeEach(async () => {
  proxy = await FaultProxy.start(redis.master);
  pipes = new AppendPipes({
    target: parseRedisUrl(proxy.url),
    logger: createLogger('silent'),
    maxBufferedBytes: 64 * 1024 * 1024,
    maxLength: 1_000_000,
    maxOutageMs: 10_000,
  });
});

afterEach(async () => {
  redis.replica.process.kill('SIGCONT');
  pipes.close();
  await proxy.stop();
  await redis.inStep();
  await redis.master.client.flushall();
});

function append(replicas: number, ledger: Ledger, payload: string, key = 'k'): void {
  const pipe = pipes.to(replicas);
  pipe.append(pipe.streams.get(key), '*', Buffer.from(payload), ledger, ledger.results.length++);
}

const told = (ledger: Ledger) => vi.waitFor(() => expect(ledger.told).toBe(ledger.results.length), WAIT);
const shortOf = (wanted: number, replicas: number) => ({
  code: 'not_replicated',
  error: `the entry is stored; ${replicas} of ${wanted} replicas have it so far`,
  id: ID,
  replicas,
});
async function waits(): Promise<number> {
  const stats = await redis.master.client.info('commandstats');
  return Number(/cmdstat_wait:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

test('entries are told once the replica has them, many by one WAIT', async () => {
  const ledger = new Ledger();
  const before = await waits();
  for (let index = 0; index < 2000; index++) {
    append(1, ledger, String(index));
    if (index % 100 === 99) await nextTurn();
  }
  await told(ledger);
  const rows = await redis.replica.client.xrange('k', '-', '+');
  expect(rows.map(([id, fields]) => [id, fields[1]])).toEqual(
    ledger.results.map((id, index) => [id, String(index)]),
  );
  expect(await waits()).toBeLessThanOrEqual(before + 20);
  await pipes.idle();
  expect(pipes.bufferedBytes).toBe(0);
});

test('a replica that does not follow: the entries are stored, and it is told how many have them', async () => {
  redis.replica.process.kill('SIGSTOP');
  const [waiting, more, others] = [new Ledger(), new Ledger(), new Ledger()];
  append(1, waiting, 'a');
  append(1, waiting, 'b');
  await vi.waitFor(async () => expect(await redis.master.client.xlen('k')).toBe(2), WAIT);
  append(1, more, 'c');
  // Those who wait for none are not held up by those who do.
  append(0, others, 'd', 'other');
  await told(others);
  expect([waiting.told, more.told]).toEqual([0, 0]);
  await told(waiting);
  expect(waiting.results).toEqual([shortOf(1, 0), shortOf(1, 0)]);
  redis.replica.process.kill('SIGCONT');
  await told(more);
  expect(more.results).toEqual([ID]);
  const rows = await redis.replica.client.xrange('k', '-', '+');
  expect(rows.map(([id]) => id)).toEqual([
    ...waiting.results.map((result) => (result as { id: string }).id),
    more.results[0],
  ]);
});

test('each number of replicas is waited for on its own', async () => {
  const [one, two] = [new Ledger(), new Ledger()];
  append(2, two, 'two');
  append(1, one, 'one');
  await told(one);
  expect([one.results, two.told]).toEqual([[ID], 0]);
  await told(two);
  expect(two.results).toEqual([shortOf(2, 1)]);
});

test('what Redis refuses is told at once', async () => {
  await redis.master.client.set('text', 'x');
  redis.replica.process.kill('SIGSTOP');
  const [stored, refused] = [new Ledger(), new Ledger()];
  append(1, stored, 'x');
  append(1, refused, 'x', 'text');
  await told(refused);
  expect(refused.results).toEqual([expect.objectContaining({ code: 'wrong_type' })]);
  expect(stored.told).toBe(0);
});

test.each([
  ['answers', 'toClient'],
  ['requests', 'toServer'],
] as const)(
  'a lost connection, its %s too: stored once, and nothing is said of replicas that is not known',
  async (_, direction) => {
    const [before, ledger, after] = [new Ledger(), new Ledger(), new Ledger()];
    append(1, before, 'before');
    await told(before);
    const cut = proxy.cutAfter(0, direction);
    for (let index = 0; index < 10; index++) append(1, ledger, String(index));
    await cut;
    await told(ledger);
    append(1, after, 'after');
    await told(after);
    expect([before.results, after.results]).toEqual([[ID], [ID]]);
    const known = ledger.results.map((result) =>
      typeof result === 'string' ? result : (result as { id: string }).id,
    );
    for (const result of ledger.results) expect(result).toEqual(shortOf(1, 0));
    const rows = await redis.replica.client.xrange('k', '-', '+');
    expect(rows.map(([id]) => id)).toEqual([...before.results, ...known, ...after.results]);
  },
);

test('a WAIT that went out on the next connection says nothing of what was written before', async () => {
  const [before, ledger] = [new Ledger(), new Ledger()];
  append(1, before, 'before');
  await told(before);
  proxy.stall();
  const sending = proxy.names;
  for (let index = 0; index < 3; index++) append(1, ledger, String(index).repeat(4 * 1024 * 1024));
  // More than the system and the proxy hold: the WAIT is still here.
  await vi.waitFor(() => expect(pipes.bufferedBytes).toBeGreaterThan(12 * 1024 * 1024), WAIT);
  proxy.cut();
  await vi.waitFor(() => expect(proxy.names).not.toEqual(sending), WAIT);
  proxy.resume();
  await told(ledger);
  expect(ledger.results).toEqual([shortOf(1, 0), shortOf(1, 0), shortOf(1, 0)]);
  expect(await redis.master.client.xlen('k')).toBe(4);
});

test('during an outage entries are refused', async () => {
  const ledger = new Ledger();
  append(1, ledger, 'before');
  await told(ledger);
  pipes.close();
  append(1, ledger, 'x');
  expect(ledger.results[1]).toMatchObject({ code: 'shutting_down' });
});

test('all pipes together say how long answers took, how often they were lost, and when nothing waits', async () => {
  const ledger = new Ledger();
  const measured = () => pipes.latency.counts.reduce((sum, count) => sum + count);
  await vi.waitFor(() => expect(pipes.isReady).toBe(true), WAIT);
  const before = await waits();
  append(0, ledger, 'a');
  await pipes.idle();
  // Nobody waits for replicas.
  expect([ledger.told, await waits()]).toEqual([1, before]);
  const first = measured();
  append(1, ledger, 'b');
  await pipes.idle();
  expect(ledger.results).toEqual([ID, ID]);
  expect(measured()).toBeGreaterThan(first);
  expect(pipes.disconnects).toBe(0);
  await redis.master.client.call('CLIENT', 'KILL', 'TYPE', 'normal');
  await vi.waitFor(() => expect(pipes.disconnects).toBe(2), WAIT);
});
