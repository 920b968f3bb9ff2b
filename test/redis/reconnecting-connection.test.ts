import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  type Loss,
  ReconnectingConnection,
  type ReconnectingOptions,
} from '../../src/redis/reconnecting-connection.js';
import { encodeCommand } from '../../src/redis/resp.js';
import { parseRedisUrl, type RedisTarget, unixTarget } from '../../src/redis/target.js';
import { fakeRedisForTest, politely } from '../support/fake-redis.js';
import { redisForTest } from '../support/for-test.js';

const WAIT = { timeout: 15_000, interval: 5 };
/** Longer than any test. */
const PATIENT_MS = 60_000;
const NOWHERE = unixTarget(join(tmpdir(), 'there-is-no-such-socket'));

afterEach(() => {
  vi.useRealTimers();
});

/** Writes commands, and keeps what it is told. */
class Owner {
  readonly connection: ReconnectingConnection;
  /** Connections that were begun, ready and lost. */
  attempts = 0;
  readies = 0;
  readonly losses: Loss[] = [];
  readonly replies: string[] = [];
  unanswered = 0;
  onReply: (() => void) | undefined;
  #whenLost: (() => void) | undefined;

  constructor(target: RedisTarget, options: Partial<ReconnectingOptions> = {}) {
    this.connection = new ReconnectingConnection(
      { target, role: () => `test-${this.attempts++}`, silenceMs: PATIENT_MS, ...options },
      {
        ready: () => {
          this.readies++;
        },
        reply: (cursor) => {
          this.unanswered--;
          this.replies.push(cursor.text());
          this.onReply?.();
        },
        owesAnswer: () => this.unanswered > 0,
        lost: (loss) => {
          this.losses.push(loss);
          this.unanswered = 0;
          this.#whenLost?.();
        },
      },
    );
    onTestFinished(() => this.connection.close());
  }

  async ready(times = 1): Promise<void> {
    await vi.waitFor(() => expect(this.readies).toBe(times), WAIT);
  }

  /** The next one that is lost from now on. */
  async nextLoss(): Promise<Loss> {
    await new Promise<void>((resolve) => {
      this.#whenLost = resolve;
    });
    return this.losses.at(-1)!;
  }

  write(...args: string[]): void {
    this.unanswered++;
    this.connection.write([encodeCommand(args)]);
  }

  async call(...args: string[]): Promise<string> {
    const count = this.replies.length;
    this.write(...args);
    await vi.waitFor(() => expect(this.replies.length).toBeGreaterThan(count), WAIT);
    return this.replies.at(-1)!;
  }
}

describe('a connection that is lost', () => {
  test('is made again, each under a name of its own', async () => {
    const redis = await redisForTest();
    const owner = new Owner(parseRedisUrl(redis.url));
    owner.connection.connect();
    await owner.ready();
    expect(await owner.call('CLIENT', 'GETNAME')).toBe('streamgate-test-0');
    await redis.client.call('CLIENT', 'KILL', 'ID', await owner.call('CLIENT', 'ID'));
    await owner.ready(2);
    expect(owner.connection.role).toBe('test-1');
    expect(await owner.call('CLIENT', 'GETNAME')).toBe('streamgate-test-1');
    expect(owner.losses).toMatchObject([{ wasReady: true, isGivenUp: false, isFirst: true }]);
  });

  test('is told with what was written to it, which is not written again', async () => {
    const fake = await fakeRedisForTest((command, client) => {
      if (command[0] !== 'GET' || client.index > 0) return politely(command, client);
      client.socket.end();
      return undefined;
    });
    const owner = new Owner(fake.target);
    owner.connection.connect();
    await owner.ready();
    const before = owner.connection.takenBytes;
    owner.write('GET', 'a');
    const loss = await owner.nextLoss();
    expect(loss.takenBytes - before).toBe(encodeCommand(['GET', 'a']).length);
    expect([owner.connection.takenBytes, owner.connection.isReady]).toEqual([0, false]);
    await owner.ready(2);
    await owner.call('SET', 'a', 'b');
    expect(fake.commands.filter(([name]) => name === 'GET')).toHaveLength(1);
    expect(owner.replies).toEqual(['OK']);
  });

  test('is told whether we gave it up, and why', async () => {
    const fake = await fakeRedisForTest(politely);
    const owner = new Owner(fake.target);
    owner.connection.connect();
    await owner.ready();
    const cause = new Error('enough');
    owner.connection.drop(cause);
    expect(owner.losses).toMatchObject([{ cause, wasReady: true, isGivenUp: true }]);
    owner.connection.drop(cause);
    expect(owner.losses).toHaveLength(1);
    await owner.ready(2);
  });

  test('brings no reply after it was dropped', async () => {
    const fake = await fakeRedisForTest((command, client) =>
      command[0] === 'GET' ? '+one\r\n+two\r\n' : politely(command, client),
    );
    const owner = new Owner(fake.target, { isOnDemand: true });
    owner.onReply = () => owner.connection.drop();
    owner.connection.connect();
    await owner.ready();
    owner.write('GET', 'a');
    await owner.nextLoss();
    await delay(20);
    expect([owner.losses.length, owner.replies]).toEqual([1, ['one']]);
  });
});

describe('attempts', () => {
  test('follow after waits that grow, up to a limit', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const owner = new Owner(NOWHERE);
    owner.connection.connect();
    for (const [before, waitMs] of [20, 40, 80, 160, 320, 500, 500].entries()) {
      const { cause, wasReady, isGivenUp, isFirst } = await owner.nextLoss();
      expect({ cause, wasReady, isGivenUp, isFirst }).toMatchObject({
        cause: { code: 'ENOENT' },
        wasReady: false,
        isGivenUp: false,
        isFirst: before === 0,
      });
      vi.advanceTimersByTime(waitMs - 1);
      expect(owner.attempts).toBe(before + 1);
      vi.advanceTimersByTime(1);
      expect(owner.attempts).toBe(before + 2);
    }
  });

  test('follow soon again after one that has proven its worth', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const owner = new Owner(NOWHERE);
    owner.connection.connect();
    for (const waitMs of [20, 40, 80]) {
      await owner.nextLoss();
      vi.advanceTimersByTime(waitMs);
    }
    expect(owner.attempts).toBe(4);
    owner.connection.proven();
    expect((await owner.nextLoss()).isFirst).toBe(true);
    vi.advanceTimersByTime(20);
    expect(owner.attempts).toBe(5);
  });

  test('are made one at a time', async () => {
    const fake = await fakeRedisForTest(politely);
    const owner = new Owner(fake.target);
    owner.connection.connect();
    owner.connection.connect();
    await owner.ready();
    owner.connection.connect();
    expect(owner.attempts).toBe(1);
  });

  test('on demand are made only then, and at once', async () => {
    const fake = await fakeRedisForTest(politely);
    const owner = new Owner(fake.target, { isOnDemand: true });
    await delay(20);
    expect(owner.attempts).toBe(0);
    owner.connection.connect();
    await owner.ready();
    owner.connection.drop();
    await delay(100);
    expect(owner.attempts).toBe(1);
    owner.connection.connect();
    expect(owner.attempts).toBe(2);
    await owner.ready(2);
  });

  test('end when it is closed', async () => {
    const fake = await fakeRedisForTest(politely);
    const owner = new Owner(fake.target);
    owner.connection.connect();
    await owner.ready();
    owner.connection.close();
    expect([owner.losses.length, owner.connection.isClosed]).toEqual([1, true]);
    owner.connection.connect();
    await delay(100);
    expect([owner.attempts, owner.losses.length]).toEqual([1, 1]);
  });

  test('end when it is closed while it waits for the next', async () => {
    const owner = new Owner(NOWHERE);
    owner.connection.connect();
    await owner.nextLoss();
    owner.connection.close();
    await delay(100);
    expect([owner.attempts, owner.losses.length]).toEqual([1, 1]);
  });
});

describe('a server that says nothing', () => {
  test('is left once it owes an answer', async () => {
    const fake = await fakeRedisForTest((command, client) =>
      command[0] === 'GET' ? undefined : politely(command, client),
    );
    const owner = new Owner(fake.target, { silenceMs: 80 });
    owner.connection.connect();
    await owner.ready();
    await delay(200);
    expect(owner.losses).toEqual([]);
    owner.write('GET', 'a');
    const { cause, ...loss } = await owner.nextLoss();
    expect(loss).toMatchObject({ wasReady: true, isGivenUp: true, silentMs: 80 });
    expect(cause.message).toBe('Redis owes an answer and has said nothing for 80 ms');
  });

  test('but is only slow is not', async () => {
    const answerSlowly = async (socket: Socket) => {
      for (const letter of '$8\r\nabcdefgh\r\n') {
        socket.write(letter);
        await delay(20);
      }
      return undefined;
    };
    const fake = await fakeRedisForTest((command, client) =>
      command[0] === 'GET' ? answerSlowly(client.socket) : politely(command, client),
    );
    const owner = new Owner(fake.target, { silenceMs: 160 });
    owner.connection.connect();
    await owner.ready();
    expect(await owner.call('GET', 'a')).toBe('abcdefgh');
    expect(owner.losses).toEqual([]);
  });

  test('or is never done loading is left after the time that it is given', async () => {
    const fake = await fakeRedisForTest((command, client) =>
      command[0] === 'PING' ? '-LOADING Redis is loading\r\n' : politely(command, client),
    );
    const owner = new Owner(fake.target, { isOnDemand: true, readyMs: 150 });
    owner.connection.connect();
    const { cause, ...loss } = await owner.nextLoss();
    expect(loss).toMatchObject({ wasReady: false, isGivenUp: true });
    expect(cause.message).toBe('Redis was not ready in time');
  });

  test('but was ready in time may take longer then', async () => {
    const fake = await fakeRedisForTest(politely);
    const owner = new Owner(fake.target, { isOnDemand: true, readyMs: 100 });
    owner.connection.connect();
    await owner.ready();
    await delay(200);
    expect(owner.losses).toEqual([]);
  });
});
