/** An append pipe at a server whose answers, silences and closed connections are the test's. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { encodeCommand } from '../../src/redis/resp.js';
import { createLogger } from '../../src/system/logger.js';
import { append, emptyRedis, failing, Ledger, newPipe, store, WAIT } from '../support/append-pipe.js';
import { type FakeClient, fakeRedisForTest } from '../support/fake-redis.js';
import { NotedFeed } from '../support/noted-feed.js';
import { arrayOf, bulkOf } from '../support/resp-commands.js';

afterEach(() => {
  vi.useRealTimers();
});

test('entries are stored whatever the pieces that Redis answers in', async () => {
  let id = 0;
  const fake = await fakeRedisForTest(
    emptyRedis((_, client) => {
      const text = `${++id}-0`;
      for (const letter of `$${text.length}\r\n${text}\r\n`) client.socket.write(letter);
      return undefined;
    }),
  );
  const pipe = newPipe(fake.target);
  const ledger = new Ledger();
  for (let index = 0; index < 200; index++) append(pipe, 'k', 'x', ledger, index);
  await pipe.idle();
  expect(ledger.ids).toEqual(Array.from({ length: 200 }, (_, index) => `${index + 1}-0`));
});

describe('what may wait', () => {
  test('is bounded for all pipes together, and free again once it is answered', async () => {
    let answer = () => {};
    const answered = new Promise<string>((resolve) => {
      answer = () => resolve('$3\r\n1-1\r\n');
    });
    const fake = await fakeRedisForTest(emptyRedis(() => answered));
    const budget = { usedBytes: 0, maxBytes: 1000 };
    const [pipe, other] = [newPipe(fake.target, { budget }), newPipe(fake.target, { budget })];
    const ledger = new Ledger();
    append(pipe, 'k', 'x'.repeat(900), ledger);
    append(other, 'k', 'x'.repeat(900), ledger, 1);
    expect(ledger.results).toEqual([undefined, failing('overloaded')]);
    answer();
    await pipe.idle();
    expect(budget.usedBytes).toBe(0);
    append(other, 'k', 'x'.repeat(900), ledger, 2);
    other.close();
    expect(budget.usedBytes).toBe(0);
  });

  test('entries without a payload count too', async () => {
    const fake = await fakeRedisForTest(emptyRedis(() => undefined));
    const pipe = newPipe(fake.target, { budget: { usedBytes: 0, maxBytes: 1024 } });
    const ledger = new Ledger();
    for (let index = 0; index < 100; index++) append(pipe, 'k', '', ledger, index);
    expect(ledger.told).toBeGreaterThan(80);
    expect(pipe.bufferedBytes).toBeLessThan(2048);
  });

  test('is given up on close, and nothing is taken any more', async () => {
    const fake = await fakeRedisForTest(emptyRedis(() => undefined));
    const pipe = newPipe(fake.target);
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
  test.each([
    ['an answer too many', '$3\r\n0-1\r\n$3\r\n9-9\r\n', '0-1'],
    ['an answer that is none', 'nonsense\r\n', '1-1'],
  ])('is made of one with %s', async (_, reply, id) => {
    const fake = await fakeRedisForTest(
      emptyRedis((__, client) => (client.index === 0 ? reply : '$3\r\n1-1\r\n')),
    );
    const pipe = newPipe(fake.target);
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
      const pipe = newPipe(fake.target);
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
    const pipe = newPipe(fake.target);
    const ledger = new Ledger();
    const payloads = ['good', 'bad', 'good', 'good'];
    payloads.forEach((payload, index) => append(pipe, `k${index}`, payload, ledger, index));
    await pipe.idle();
    expect(ledger.results).toEqual(['1-1', failing('redis_error'), '1-1', '1-1']);
    expect(clients.size).toBe(4);
  });

  test('is not held against the entry where the server died over it, perhaps for another reason', async () => {
    const DEATHS = 4;
    const answer = emptyRedis((_, client) => {
      if (client.index >= DEATHS) return '$3\r\n1-1\r\n';
      client.socket.destroy();
      return undefined;
    });
    const fake = await fakeRedisForTest((command, client) =>
      command[0] === 'INFO' ? bulkOf(`run_id:${client.index}\r\n`) : answer(command, client),
    );
    const pipe = newPipe(fake.target);
    expect(await store(pipe)).toBe('1-1');
    expect(pipe.disconnects).toBe(DEATHS);
  });

  test('with an entry that is given up while it is looked for: its producer is told once', async () => {
    let endSearch = () => {};
    const search = new Promise<string>((resolve) => {
      endSearch = () => resolve('*0\r\n');
    });
    const answer = emptyRedis((_, client) => {
      if (client.index > 0) return '$3\r\n1-1\r\n';
      client.socket.destroy();
      return undefined;
    });
    const fake = await fakeRedisForTest((command, client) =>
      command[0] === 'XRANGE' ? search : answer(command, client),
    );
    const pipe = newPipe(fake.target, { maxOutageMs: 500 });
    await vi.waitFor(() => expect(pipe.isReady).toBe(true), WAIT);
    const ledger = new Ledger();
    append(pipe, 'k', 'x', ledger);
    await pipe.idle();
    expect(ledger.results).toEqual([failing('unknown_outcome')]);
    endSearch();
    await vi.waitFor(() => expect(pipe.isReady).toBe(true), WAIT);
    expect([await store(pipe), ledger.told, pipe.bufferedBytes]).toEqual(['1-1', 1, 0]);
    expect(fake.commands.filter(([name]) => name === 'XADD')).toHaveLength(2);
  });

  test('with an entry whose fate was told is not the matter of a later outage', async () => {
    const answer = emptyRedis(
      (_, client) => void client.socket.destroy(),
      // Redis' clock was put back, so that nothing can be known.
      (client) => (client === 0 ? 1000 : 100),
    );
    const fake = await fakeRedisForTest((command, client) => {
      const isLost = client.index > 1 || (client.index === 1 && command[0] === 'HELLO');
      if (isLost) return void client.socket.destroy();
      return command[0] === 'INFO' ? bulkOf('redis_version:8.0.0\r\n') : answer(command, client);
    });
    const pipe = newPipe(fake.target, { maxOutageMs: 1000 });
    await vi.waitFor(() => expect(pipe.isReady).toBe(true), WAIT);
    const ledger = new Ledger();
    append(pipe, 'k', 'x', ledger);
    await pipe.idle();
    append(pipe, 'k', 'late', ledger, 1);
    await pipe.idle();
    expect(ledger.results).toEqual([failing('unknown_outcome'), failing('redis_unavailable')]);
    expect(ledger.told).toBe(2);
  });

  test('is made of one on which nothing moves any more', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const fake = await fakeRedisForTest(
      emptyRedis((_, client) => (client.index === 0 ? undefined : '$3\r\n1-1\r\n')),
    );
    const pipe = newPipe(fake.target);
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

describe('the connection before', () => {
  test('is no matter where it owed nothing, though another had', async () => {
    const fake = await fakeRedisForTest(
      emptyRedis((command, client) => {
        const isOwed = command.at(-1) === 'owed' && client.index === 0;
        if (isOwed) client.socket.destroy();
        if (command.at(-1) === 'last') setImmediate(() => client.socket.destroy());
        return isOwed ? undefined : '$3\r\n1-1\r\n';
      }),
    );
    const pipe = newPipe(fake.target);
    const ended = () => fake.commands.filter(([, word]) => word === 'LIST').length;
    await store(pipe, 'k', 'owed');
    expect([pipe.disconnects, ended()]).toEqual([1, 1]);
    await store(pipe, 'k', 'last');
    await vi.waitFor(() => expect(pipe.disconnects).toBe(2), WAIT);
    await store(pipe);
    expect(ended()).toBe(1);
  });

  test.each([
    ['may be ended', false, ['1-1', '1-1'], 0],
    [
      'may not be ended, which is said once',
      true,
      [failing('unknown_outcome'), failing('unknown_outcome')],
      1,
    ],
  ])('%s', async (_, isDenied, results, warnings) => {
    const logger = createLogger('silent');
    const warn = vi.spyOn(logger, 'warn');
    const sent = new Map<string, number>();
    const answer = emptyRedis((command, client) => {
      const payload = command.at(-1)!;
      const times = (sent.get(payload) ?? 0) + 1;
      sent.set(payload, times);
      if (times > 1) return '$3\r\n1-1\r\n';
      client.socket.destroy();
      return undefined;
    });
    const fake = await fakeRedisForTest((command, client) => {
      const isFencing = command[0] === 'CLIENT' && command[1] === 'INFO';
      return isDenied && isFencing ? '-NOPERM no\r\n' : answer(command, client);
    });
    const pipe = newPipe(fake.target, { logger });
    const ledger = new Ledger();
    for (const [token, payload] of ['first', 'second'].entries()) {
      append(pipe, 'k', payload, ledger, token);
      await pipe.idle();
    }
    expect(ledger.results).toEqual(results);
    expect(warn.mock.calls.filter(([text]) => /does not allow/.test(String(text)))).toHaveLength(warnings);
  });
});

test('a change by others is known of their stream, or of all where Redis says so', async () => {
  const sockets: FakeClient['socket'][] = [];
  const answer = emptyRedis(() => undefined);
  const fake = await fakeRedisForTest((command, client) => {
    if (command[1] === 'TRACKING') sockets.push(client.socket);
    return command[0] === 'INFO' ? bulkOf('redis_version:8.0.0\r\n') : answer(command, client);
  });
  const feeds = new Map(['a', 'b', 'not written to'].map((key) => [key, new NotedFeed('0-0')]));
  const pipe = newPipe(fake.target, { feeds });
  await vi.waitFor(() => expect(pipe.isReady).toBe(true), WAIT);
  for (const key of ['a', 'b']) pipe.streams.get(key);
  const changes = () => [...feeds.values()].map((feed) => feed.changes);
  sockets[0]!.write(`>2\r\n${bulkOf('invalidate')}${arrayOf(bulkOf('a'), bulkOf('not written to'))}`);
  await vi.waitFor(() => expect(changes()).toEqual([1, 0, 0]), WAIT);
  sockets[0]!.write(`>2\r\n${bulkOf('invalidate')}_\r\n`);
  await vi.waitFor(() => expect(changes()).toEqual([2, 1, 0]), WAIT);
  sockets[0]!.destroy();
  await vi.waitFor(() => expect(changes()).toEqual([3, 2, 0]), WAIT);
});

describe('a server that is not the master', () => {
  test('is not one that refuses an entry', async () => {
    const refusals = ['-WRONGTYPE not a stream\r\n', '-ERR it says READONLY, but does not begin so\r\n'];
    const fake = await fakeRedisForTest(emptyRedis(() => refusals.shift() ?? '$3\r\n1-1\r\n'));
    const pipe = newPipe(fake.target);
    const ledger = new Ledger();
    for (let token = 0; token < 3; token++) append(pipe, 'k', 'x', ledger, token);
    await pipe.idle();
    expect(ledger.results).toEqual([failing('wrong_type'), failing('redis_error'), '1-1']);
    expect([await store(pipe), pipe.disconnects]).toEqual(['1-1', 0]);
  });

  test('is left once all is answered, since another may be at its address by now', async () => {
    const fake = await fakeRedisForTest(
      emptyRedis((command, client) => {
        if (client.index > 0) return '$3\r\n1-1\r\n';
        return command.at(-1) === 'refused' ? "-READONLY You can't write\r\n" : '$3\r\n0-1\r\n';
      }),
    );
    const pipe = newPipe(fake.target);
    const ledger = new Ledger();
    ['x', 'refused', 'y'].forEach((payload, token) => append(pipe, 'k', payload, ledger, token));
    await pipe.idle();
    expect(ledger.results).toEqual(['0-1', failing('redis_read_only'), '0-1']);
    expect(await store(pipe)).toBe('1-1');
    expect(fake.commands.filter(([name]) => name === 'XADD')).toHaveLength(4);
  });

  test('is not left again and again', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const fake = await fakeRedisForTest(emptyRedis(() => "-READONLY You can't write\r\n"));
    const pipe = newPipe(fake.target);
    const ledger = new Ledger();
    for (let token = 0; token < 100; token++) {
      append(pipe, 'k', 'x', ledger, token);
      await pipe.idle();
    }
    expect(ledger.results).toEqual(new Array(100).fill(failing('redis_read_only')));
    expect(pipe.disconnects).toBe(1);
  });
});
