import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { AppendStream } from '../../src/append/command.js';
import type { AppendPipeOptions } from '../../src/append/pipe.js';
import type { Failure } from '../../src/protocol/errors.js';
import { parseRedisUrl } from '../../src/redis/target.js';
import { createLogger } from '../../src/system/logger.js';
import { append, failing, Ledger, MAX_LENGTH, newPipe, store, WAIT } from '../support/append-pipe.js';
import { redisForTest } from '../support/for-test.js';
import type { TestRedis } from '../support/redis-server.js';

const MIB = 1024 * 1024;

const newPipeTo = (redis: TestRedis, options?: Partial<AppendPipeOptions>) =>
  newPipe(parseRedisUrl(redis.url), options);

const stream = (key: string) => new AppendStream(key, MAX_LENGTH);

async function entries(redis: TestRedis, key: string): Promise<[id: string, payload: Buffer][]> {
  const rows = await redis.client.xrangeBuffer(key, '-', '+');
  return rows.map(([id, fields]) => {
    expect(String(fields![0])).toBe('d');
    return [id!.toString(), fields![1]!];
  });
}

describe('storing', () => {
  test('entries are stored byte for byte, in order, and told with their ids', async () => {
    const redis = await redisForTest();
    const pipe = newPipeTo(redis);
    const ledger = new Ledger();
    const keys = ['a', 'b:\r\n', '漢'];
    const streams = keys.map(stream);
    const sizes = [0, 1, 10, 100, 1000, 16_383, 16_384, 70_000];
    const sent = Array.from({ length: 2000 }, (_, index) => randomBytes(sizes[index % sizes.length]!));
    for (const [index, payload] of sent.entries()) {
      pipe.append(streams[index % 3]!, '*', payload, ledger, index);
      if (index % 97 === 0) await nextTurn();
    }
    await pipe.idle();
    expect(ledger.told).toBe(2000);
    const { ids } = ledger;
    for (const [offset, key] of keys.entries()) {
      const stored = await entries(redis, key);
      const mine = sent.filter((_, index) => index % 3 === offset);
      expect(stored.map(([id]) => id)).toEqual(ids.filter((_, index) => index % 3 === offset));
      expect(stored.every(([, payload], index) => payload.equals(mine[index]!))).toBe(true);
    }
    expect(pipe.bufferedBytes).toBe(0);
  });

  test('ids of the producer’s own', async () => {
    const redis = await redisForTest();
    const pipe = newPipeTo(redis);
    const ledger = new Ledger();
    const ids = ['5-*', '5-*', '7-3', '7-3', '6-*', '*'];
    for (const [index, id] of ids.entries()) pipe.append(stream('k'), id, Buffer.from('x'), ledger, index);
    await pipe.idle();
    expect(ledger.results).toEqual([
      '5-0',
      '5-1',
      '7-3',
      failing('id_not_increasing'),
      failing('id_not_increasing'),
      expect.stringMatching(/^\d{13}-\d+$/),
    ]);
  });

  test('an entry that Redis refuses harms no other', async () => {
    const redis = await redisForTest();
    await redis.client.set('text', 'x');
    const pipe = newPipeTo(redis);
    const ledger = new Ledger();
    for (let index = 0; index < 6; index++) append(pipe, index % 2 ? 'text' : 'k', 'x', ledger, index);
    await pipe.idle();
    expect(ledger.results.map((result) => typeof result === 'string' || result.code)).toEqual([
      true,
      'wrong_type',
      true,
      'wrong_type',
      true,
      'wrong_type',
    ]);
    expect(await redis.client.get('text')).toBe('x');
    expect(pipe.disconnects).toBe(0);
  });

  test('the payload may change once it was taken', async () => {
    const redis = await redisForTest();
    const pipe = newPipeTo(redis);
    const payloads = [Buffer.alloc(100, 'a'), Buffer.alloc(100_000, 'a')];
    const ledger = new Ledger();
    payloads.forEach((payload, index) => {
      pipe.append(stream('k'), '*', payload, ledger, index);
      payload.fill('b');
    });
    await pipe.idle();
    const stored = await entries(redis, 'k');
    expect(stored.every(([, payload]) => payload.equals(Buffer.alloc(payload.length, 'a')))).toBe(true);
  });

  test('streams are trimmed to about their length', async () => {
    const redis = await redisForTest();
    const pipe = newPipeTo(redis);
    const trimmed = new AppendStream('k', 10);
    const ledger = new Ledger();
    for (let index = 0; index < 1000; index++) pipe.append(trimmed, '*', Buffer.from('x'), ledger, index);
    await pipe.idle();
    const length = await redis.client.xlen('k');
    expect(length).toBeGreaterThanOrEqual(10);
    expect(length).toBeLessThan(10 + 2 * 100);
    expect(ledger.told).toBe(1000);
  });
});

test('the kernel holds several large entries for Redis, not only one or two', async () => {
  const redis = await redisForTest();
  const pipe = newPipeTo(redis);
  await store(pipe);
  redis.process.kill('SIGSTOP');
  const ledger = new Ledger();
  // As much as fits where net.core.wmem_max is as small as on older kernels.
  for (let index = 0; index < 4; index++) append(pipe, 'k', Buffer.alloc(95_000, 'x'), ledger, index);
  pipe.close();
  // Of what had not left the process it would be known that it is not stored.
  expect(ledger.results).toEqual(Array.from({ length: 4 }, () => failing('unknown_outcome')));
});

describe('what may wait', () => {
  test('is bounded: beyond it entries are refused, until there is room', async () => {
    const redis = await redisForTest();
    const pipe = newPipeTo(redis, { budget: { usedBytes: 0, maxBytes: 100_000 } });
    await store(pipe);
    redis.process.kill('SIGSTOP');
    const ledger = new Ledger();
    for (let index = 0; index < 20; index++) append(pipe, 'k', Buffer.alloc(10_000, 'x'), ledger, index);
    // Told within the call, while those that were taken still wait.
    const refused = ledger.results.filter((result) => result !== undefined);
    expect(refused).toHaveLength(ledger.told);
    expect(ledger.told).toBe(11);
    expect(refused.every((result) => (result as Failure).code === 'overloaded')).toBe(true);
    expect((refused[0] as Failure).message).toMatch(/\d+ bytes already wait .*MAX_BUFFERED_BYTES=100000/);
    expect(pipe.bufferedBytes).toBeLessThanOrEqual(100_000 + 9 * 100);
    redis.process.kill('SIGCONT');
    await pipe.idle();
    expect(ledger.results.filter((result) => typeof result === 'string')).toHaveLength(9);
    expect(await redis.client.xlen('k')).toBe(10);
    await store(pipe);
  });

  test('idle resolves when all of it is stored or given up', async () => {
    const redis = await redisForTest();
    const pipe = newPipeTo(redis, { maxOutageMs: 50 });
    await pipe.idle();
    const ledger = new Ledger();
    append(pipe, 'k', 'x', ledger);
    expect(ledger.told).toBe(0);
    await Promise.all([pipe.idle(), pipe.idle()]);
    expect(ledger.told).toBe(1);
    redis.process.kill('SIGKILL');
    await once(redis.process, 'exit');
    append(pipe, 'k', 'x', ledger, 1);
    await pipe.idle();
    expect(ledger.results[1]).toEqual(failing('redis_unavailable'));
  });
});

describe('a lost connection', () => {
  test('under load: every entry is answered once and stored once, in order', async () => {
    const redis = await redisForTest();
    const pipe = newPipeTo(redis);
    const ledger = new Ledger();
    const streams = ['a', 'b', 'c'].map(stream);
    let sent = 0;
    for (let kills = 1; kills <= 5; kills++) {
      await vi.waitFor(() => expect(pipe.isReady).toBe(true), WAIT);
      const killed = redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal');
      while (pipe.disconnects < kills) {
        for (let burst = 0; burst < 50; burst++, sent++) {
          pipe.append(streams[sent % 3]!, '*', Buffer.from(`${sent} `.padEnd(200, 'x')), ledger, sent);
        }
        await nextTurn();
      }
      await killed;
    }
    await pipe.idle();
    expect(ledger.told).toBe(sent);
    const { ids } = ledger;
    for (const [offset, key] of ['a', 'b', 'c'].entries()) {
      const stored = (await entries(redis, key)).map(([id, bytes]) => [
        id,
        Number(bytes.toString().split(' ')[0]),
      ]);
      const mine = Array.from({ length: sent }, (_, index) => index).filter((index) => index % 3 === offset);
      expect(stored).toEqual(mine.map((index) => [ids[index], index]));
    }
    expect(pipe.bufferedBytes).toBe(0);
  });

  test('amid a large payload: it goes out again whole', async () => {
    const redis = await redisForTest();
    const pipe = newPipeTo(redis);
    await store(pipe);
    // Redis takes nothing more, so that the command is stuck half-way when the connection ends.
    redis.process.kill('SIGSTOP');
    const payload = randomBytes(20 * MIB);
    const ledger = new Ledger();
    append(pipe, 'k', payload, ledger);
    append(pipe, 'k', 'after', ledger, 1);
    await nextTurn();
    redis.process.kill('SIGKILL');
    await once(redis.process, 'exit');
    await redis.restart();
    await pipe.idle();
    const [first, second, ...more] = await entries(redis, 'k');
    expect(first![1].equals(payload)).toBe(true);
    expect(second![1].toString()).toBe('after');
    expect(more).toEqual([]);
    expect(ledger.ids).toEqual([first![0], second![0]]);
  });
});

describe('an outage', () => {
  test('after a while what waits is refused, then all that is new at once, until Redis is back', async () => {
    const redis = await redisForTest();
    const pipe = newPipeTo(redis, { maxOutageMs: 100 });
    await vi.waitFor(() => expect(pipe.isReady).toBe(true), WAIT);
    await store(pipe);
    redis.process.kill('SIGKILL');
    await vi.waitFor(() => expect(pipe.isReady).toBe(false), WAIT);
    const waiting = new Ledger();
    for (let index = 0; index < 5; index++) append(pipe, 'k', 'x', waiting, index);
    expect(waiting.told).toBe(0);
    await pipe.idle();
    expect(waiting.results).toEqual(new Array(5).fill(failing('redis_unavailable')));
    expect(pipe.bufferedBytes).toBe(0);

    const refused = new Ledger();
    append(pipe, 'k', 'x', refused);
    expect(refused.results).toEqual([failing('redis_unavailable')]);

    await redis.restart();
    await vi.waitFor(() => expect(pipe.isReady).toBe(true), WAIT);
    const id = await store(pipe, 'k', 'back');
    expect((await entries(redis, 'k')).map(([stored, payload]) => [stored, payload.toString()])).toEqual([
      [id, 'back'],
    ]);
    expect(pipe.disconnects).toBe(1);
  });

  test('that is shorter than that goes unnoticed', async () => {
    const redis = await redisForTest();
    const pipe = newPipeTo(redis);
    await store(pipe);
    redis.process.kill('SIGKILL');
    await vi.waitFor(() => expect(pipe.isReady).toBe(false), WAIT);
    const ledger = new Ledger();
    for (let index = 0; index < 1000; index++) append(pipe, 'k', String(index), ledger, index);
    await redis.restart();
    await pipe.idle();
    const stored = await entries(redis, 'k');
    expect(stored.map(([, payload]) => Number(payload))).toEqual([...new Array(1000).keys()]);
    expect(ledger.ids).toEqual(stored.map(([id]) => id));
  });

  test('from the start on', async () => {
    const redis = await redisForTest();
    redis.process.kill('SIGKILL');
    await once(redis.process, 'exit');
    const warnings: string[] = [];
    const logger = createLogger('silent');
    vi.spyOn(logger, 'warn').mockImplementation((_: unknown, message?: string) =>
      warnings.push(message ?? ''),
    );
    const pipe = newPipeTo(redis, { maxOutageMs: 100, logger });
    const ledger = new Ledger();
    append(pipe, 'k', 'x', ledger);
    await pipe.idle();
    expect(ledger.results).toEqual([failing('redis_unavailable')]);
    // Once, not for each of many attempts.
    expect(warnings).toEqual(['the append pipe cannot connect to Redis']);
    await redis.restart();
    await vi.waitFor(() => expect(pipe.isReady).toBe(true), WAIT);
    await store(pipe);
    expect(pipe.disconnects).toBe(0);
  });

  test('a gateway that stops during one does not wait for its end', async () => {
    const redis = await redisForTest();
    const pipe = newPipeTo(redis);
    redis.process.kill('SIGKILL');
    await once(redis.process, 'exit');
    const ledger = new Ledger();
    append(pipe, 'k', 'x', ledger);
    pipe.close();
    expect(ledger.results).toEqual([failing('shutting_down')]);
  });
});
