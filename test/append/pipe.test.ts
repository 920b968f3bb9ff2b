import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Receipt } from '../../src/append/batch.js';
import { AppendStream } from '../../src/append/command.js';
import { AppendPipe, type AppendPipeOptions } from '../../src/append/pipe.js';
import type { Failure } from '../../src/protocol/errors.js';
import { encodeCommand, type ReplyCursor } from '../../src/redis/resp.js';
import { parseRedisUrl } from '../../src/redis/target.js';
import { createLogger } from '../../src/system/logger.js';
import { type Answer, type FakeRedis, politely } from '../support/fake-redis.js';
import { fakeRedisForTest, redisForTest } from '../support/for-test.js';
import type { TestRedis } from '../support/redis-server.js';

const MIB = 1024 * 1024;
const WAIT = { timeout: 15_000, interval: 5 };
const MAX_LENGTH = 1_000_000;

/** Keeps what the receipts of entries 0, 1, … say, and that each is told once. */
class Ledger implements Receipt {
  readonly results: (string | Failure)[] = [];
  told = 0;

  stored(token: number, reply: ReplyCursor): void {
    this.#tell(token, reply.text());
  }

  refused(token: number, failure: Failure): void {
    this.#tell(token, failure);
  }

  /** The ids of all entries, none of which may have been refused. */
  get ids(): string[] {
    return this.results.map((result) => {
      if (typeof result !== 'string') throw result;
      return result;
    });
  }

  #tell(token: number, result: string | Failure): void {
    expect(this.results[token]).toBeUndefined();
    this.results[token] = result;
    this.told++;
  }
}

const failing = (code: string) => expect.objectContaining({ code });

afterEach(() => {
  vi.useRealTimers();
});

/** A Redis without entries that answers what is asked before some are written, and `xadd` as it says. */
function emptyRedis(xadd: Answer, clock: (client: number) => number = () => 1): Answer {
  const names = new Map<number, string>();
  const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
  return (command, client) => {
    const [name, word, value] = command;
    if (name === 'CLIENT' && word === 'SETNAME') names.set(client.index, value!);
    if (name === 'CLIENT' && word === 'INFO')
      return bulk(`id=${client.index} name=${names.get(client.index)} x`);
    if (name === 'CLIENT' && word === 'LIST') return bulk('');
    if (name === 'TIME') return `*2\r\n${bulk(String(clock(client.index)))}${bulk('0')}`;
    if (name === 'XRANGE') return '*0\r\n';
    // The count of a stream, which this server does not know, or whether entries were removed from it.
    if (name === 'EVAL') return command.length === 4 ? `*2\r\n:-1\r\n${bulk('0-0')}` : ':0\r\n';
    return name === 'XADD' ? xadd(command, client) : politely(command, client);
  };
}

function newPipe(to: TestRedis | FakeRedis, options: Partial<AppendPipeOptions> = {}): AppendPipe {
  const pipe = new AppendPipe({
    target: 'url' in to ? parseRedisUrl(to.url) : to.target,
    logger: createLogger('silent'),
    budget: { usedBytes: 0, maxBytes: 64 * MIB },
    maxLength: MAX_LENGTH,
    maxOutageMs: 10_000,
    ...options,
  });
  onTestFinished(() => pipe.close());
  return pipe;
}

const stream = (key: string) => new AppendStream(key, MAX_LENGTH);

function append(
  pipe: AppendPipe,
  key: string,
  payload: string | Uint8Array,
  ledger: Ledger,
  token = 0,
): void {
  pipe.append(pipe.streams.get(key), '*', Buffer.from(payload as string), ledger, token);
}

/** Stores one entry and resolves to its id. */
async function store(pipe: AppendPipe, key = 'k', payload = 'x'): Promise<string> {
  const ledger = new Ledger();
  append(pipe, key, payload, ledger);
  await vi.waitFor(() => expect(ledger.told).toBe(1), WAIT);
  return ledger.ids[0]!;
}

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
    const pipe = newPipe(redis);
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
    const pipe = newPipe(redis);
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
    const pipe = newPipe(redis);
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
    const pipe = newPipe(redis);
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
    const pipe = newPipe(redis);
    const trimmed = new AppendStream('k', 10);
    const ledger = new Ledger();
    for (let index = 0; index < 1000; index++) pipe.append(trimmed, '*', Buffer.from('x'), ledger, index);
    await pipe.idle();
    const length = await redis.client.xlen('k');
    expect(length).toBeGreaterThanOrEqual(10);
    expect(length).toBeLessThan(10 + 2 * 100);
    expect(ledger.told).toBe(1000);
  });

  test('whatever the pieces that Redis answers in', async () => {
    let id = 0;
    const fake = await fakeRedisForTest(
      emptyRedis((_, client) => {
        const text = `${++id}-0`;
        for (const letter of `$${text.length}\r\n${text}\r\n`) client.socket.write(letter);
        return undefined;
      }),
    );
    const pipe = newPipe(fake);
    const ledger = new Ledger();
    for (let index = 0; index < 200; index++) append(pipe, 'k', 'x', ledger, index);
    await pipe.idle();
    expect(ledger.ids).toEqual(Array.from({ length: 200 }, (_, index) => `${index + 1}-0`));
  });
});

test('the kernel holds several large entries for Redis, not only one or two', async () => {
  const redis = await redisForTest();
  const pipe = newPipe(redis);
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
    const pipe = newPipe(redis, { budget: { usedBytes: 0, maxBytes: 100_000 } });
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

  test('entries without a payload count too', async () => {
    const fake = await fakeRedisForTest(emptyRedis(() => undefined));
    const pipe = newPipe(fake, { budget: { usedBytes: 0, maxBytes: 1024 } });
    const ledger = new Ledger();
    for (let index = 0; index < 100; index++) append(pipe, 'k', '', ledger, index);
    expect(ledger.told).toBeGreaterThan(80);
    expect(pipe.bufferedBytes).toBeLessThan(2048);
  });

  test('idle resolves when all of it is stored or given up', async () => {
    const redis = await redisForTest();
    const pipe = newPipe(redis, { maxOutageMs: 50 });
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

  test('is given up on close, and nothing is taken any more', async () => {
    const fake = await fakeRedisForTest(emptyRedis(() => undefined));
    const pipe = newPipe(fake);
    const ledger = new Ledger();
    append(pipe, 'k', 'x', ledger, 0);
    await vi.waitFor(() => expect(fake.commands.at(-1)?.[0]).toBe('XADD'), WAIT);
    append(pipe, 'k', 'x', ledger, 1);
    const idle = pipe.idle();
    pipe.close();
    await idle;
    append(pipe, 'k', 'x', ledger, 2);
    pipe.command(encodeCommand(['PING']), ledger, 3);
    // Redis has the first, and may have stored it.
    expect(ledger.results).toEqual([
      failing('unknown_outcome'),
      failing('shutting_down'),
      failing('shutting_down'),
      failing('shutting_down'),
    ]);
    expect(pipe.bufferedBytes).toBe(0);
    expect(pipe.disconnects).toBe(0);
  });
});

describe('a lost connection', () => {
  test('under load: every entry is answered once and stored once, in order', async () => {
    const redis = await redisForTest();
    const pipe = newPipe(redis);
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
    const pipe = newPipe(redis);
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

  test.each([
    ['an answer too many', '$3\r\n0-1\r\n$3\r\n9-9\r\n', '0-1'],
    ['an answer that is none', 'nonsense\r\n', '1-1'],
  ])('is made of one with %s', async (_, reply, id) => {
    const fake = await fakeRedisForTest(
      emptyRedis((__, client) => (client.index === 0 ? reply : '$3\r\n1-1\r\n')),
    );
    const pipe = newPipe(fake);
    expect(await store(pipe)).toBe(id);
    await vi.waitFor(() => expect(pipe.disconnects).toBe(1), WAIT);
    expect(await store(pipe)).toBe('1-1');
    expect(pipe.disconnects).toBe(1);
  });

  test.each([
    ['goes on', 1000, { result: '1-1' }],
    ['was put back', 100, { result: failing('unknown_outcome') }],
  ])(
    'the first entry of a stream is looked for by the clock of Redis, if that %s',
    async (_, later, { result }) => {
      const fake = await fakeRedisForTest(
        emptyRedis(
          (__, client) => {
            if (client.index === 0) client.socket.destroy();
            return '$3\r\n1-1\r\n';
          },
          (client) => (client === 0 ? 1000 : later),
        ),
      );
      const pipe = newPipe(fake);
      const ledger = new Ledger();
      append(pipe, 'k', 'x', ledger);
      await pipe.idle();
      expect(ledger.results).toEqual([result]);
    },
  );

  test('is not made again and again for an entry on which Redis closes it', async () => {
    const clients = new Set<number>();
    const fake = await fakeRedisForTest(
      emptyRedis((command, client) => {
        if (command.at(-1) !== 'bad') return '$3\r\n1-1\r\n';
        clients.add(client.index);
        client.socket.destroy();
        return undefined;
      }),
    );
    const pipe = newPipe(fake);
    const ledger = new Ledger();
    const payloads = ['good', 'bad', 'good', 'good'];
    payloads.forEach((payload, index) => append(pipe, `k${index}`, payload, ledger, index));
    await pipe.idle();
    expect(ledger.results).toEqual(['1-1', failing('redis_error'), '1-1', '1-1']);
    expect(clients.size).toBe(4);
  });

  test('is made of one on which nothing moves any more', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const fake = await fakeRedisForTest(
      emptyRedis((_, client) => (client.index === 0 ? undefined : '$3\r\n1-1\r\n')),
    );
    const pipe = newPipe(fake);
    const ledger = new Ledger();
    append(pipe, 'k', 'x', ledger);
    await vi.waitFor(() => expect(fake.commands.at(-1)?.[0]).toBe('XADD'), WAIT);
    vi.advanceTimersByTime(2000);
    expect(pipe.disconnects).toBe(0);
    vi.advanceTimersByTime(500);
    expect(pipe.disconnects).toBe(1);
    await pipe.idle();
    expect(ledger.ids).toEqual(['1-1']);
    // With nothing outstanding, silence is as it should be.
    vi.advanceTimersByTime(60_000);
    expect(pipe.disconnects).toBe(1);
  });
});

describe('a server that is not the master', () => {
  test('is left once all is answered, since another may be at its address by now', async () => {
    const fake = await fakeRedisForTest(
      emptyRedis((command, client) => {
        if (client.index > 0) return '$3\r\n1-1\r\n';
        return command.at(-1) === 'refused' ? "-READONLY You can't write\r\n" : '$3\r\n0-1\r\n';
      }),
    );
    const pipe = newPipe(fake);
    const ledger = new Ledger();
    ['x', 'refused', 'y'].forEach((payload, token) => append(pipe, 'k', payload, ledger, token));
    await pipe.idle();
    expect(ledger.results).toEqual(['0-1', failing('redis_read_only'), '0-1']);
    expect(await store(pipe)).toBe('1-1');
    expect(fake.commands.filter(([name]) => name === 'XADD')).toHaveLength(4);
  });

  test('is not left again and again', async () => {
    const fake = await fakeRedisForTest(emptyRedis(() => "-READONLY You can't write\r\n"));
    const pipe = newPipe(fake);
    for (let index = 0; index < 100; index++)
      await expect(store(pipe)).rejects.toMatchObject({ code: 'redis_read_only' });
    expect(pipe.disconnects).toBe(1);
  });
});

describe('an outage', () => {
  test('after a while what waits is refused, then all that is new at once, until Redis is back', async () => {
    const redis = await redisForTest();
    const pipe = newPipe(redis, { maxOutageMs: 100 });
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
    const pipe = newPipe(redis);
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
    const pipe = newPipe(redis, { maxOutageMs: 100, logger });
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
    const pipe = newPipe(redis);
    redis.process.kill('SIGKILL');
    await once(redis.process, 'exit');
    const ledger = new Ledger();
    append(pipe, 'k', 'x', ledger);
    pipe.close();
    expect(ledger.results).toEqual([failing('shutting_down')]);
  });
});
