/** A pipe's connection by itself, on a clock of the test's, at a server that answers as the test likes. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { AppendConnection, type AppendConnectionHandler } from '../../src/append/append-connection.js';
import type { Introduction } from '../../src/append/introduction.js';
import type { Asking } from '../../src/append/questions.js';
import { encodeCommand } from '../../src/redis/resp.js';
import { createLogger } from '../../src/system/logger.js';
import { type FakeClient, type FakeRedis, fakeRedisForTest, politely } from '../support/fake-redis.js';
import { arrayOf, bulkOf } from '../support/resp-commands.js';

const MAX_OUTAGE_MS = 3000;
const SILENCE_MS = 2000;
const PREPARE_MS = 5000;
const LASTING_MS = 1000;
const LEAVE_AGAIN_MS = 2000;
const FIRST_RECONNECT_MS = 20;
const LAST_RECONNECT_MS = 500;
const TRACKING_AGAIN_MS = 10_000;
const PING = encodeCommand(['PING']);

/** What the pipe is told, and what it says. */
class Pipe implements AppendConnectionHandler {
  readonly told: string[] = [];
  readonly roles: string[] = [];
  owes = false;
  hasEntries = false;
  preparing: (asking: Asking) => Promise<unknown> = async () => {};

  owesAnswers = () => this.owes;
  isIdle = () => !this.hasEntries;

  async prepare(asking: Asking, { role }: Introduction): Promise<void> {
    this.roles.push(role);
    await this.preparing(asking);
  }

  opened = () => void this.told.push('opened');
  reply = (cursor: { text(): string }) => void this.told.push(`reply ${cursor.text()}`);
  changed = (key: string | undefined) => void this.told.push(`changed ${key}`);
  unreachable = () => void this.told.push('unreachable');

  lost({ role }: Introduction, takenBytes: number): void {
    expect(role).toBe(this.roles.at(-1));
    this.told.push(`lost ${takenBytes}`);
  }

  count(what: string): number {
    return this.told.filter((told) => told === what).length;
  }
}

let pipe: Pipe;
let fake: FakeRedis;
let logged: string[];
let clients: FakeClient[];
/** Each new connection is closed at once. */
let isAway: boolean;
let version: string;
/** Answers otherwise than usual; '' closes the connection. */
let special: (command: readonly string[]) => string | undefined;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
  pipe = new Pipe();
  [logged, clients, isAway, version] = [[], [], false, ''];
  special = () => undefined;
  fake = await fakeRedisForTest((command, client) => {
    if (command[1] === 'SETNAME') clients.push(client);
    const answer = special(command) ?? (command[0] === 'INFO' ? bulkOf(version) : politely(command, client));
    if (answer !== '' && !isAway) return answer as string;
    client.socket.destroy();
    return undefined;
  });
});

afterEach(() => {
  vi.useRealTimers();
});

function connect(maxOutageMs = MAX_OUTAGE_MS): AppendConnection {
  const logger = createLogger('silent');
  vi.spyOn(logger, 'warn').mockImplementation((about: unknown, what?: string) => {
    logged.push(`${what}: ${(about as { err: string }).err}`);
  });
  vi.spyOn(logger, 'debug').mockImplementation((what: unknown) => void logged.push(`debug: ${what}`));
  const connection = new AppendConnection({ target: fake.target, logger, maxOutageMs }, pipe);
  onTestFinished(() => connection.close());
  return connection;
}

/** Lets the sockets do their work until it is so; no time passes meanwhile. */
async function until(is: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!is() && Date.now() < end) await nextTurn();
  expect(is()).toBe(true);
}

/** Lets the sockets do what they have to do. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await nextTurn();
}

const opened = (times = 1) => until(() => pipe.count('opened') === times);

async function open(maxOutageMs?: number): Promise<AppendConnection> {
  const connection = connect(maxOutageMs);
  await opened();
  return connection;
}

/** The server closes the present connection. */
async function lose(): Promise<void> {
  const lost = pipe.told.length;
  clients.at(-1)!.socket.destroy();
  await until(() => pipe.told.slice(lost).some((told) => told.startsWith('lost')));
}

/** After the wait that follows the first loss, or any. */
async function reconnect(ms = LAST_RECONNECT_MS): Promise<void> {
  const { length } = clients;
  vi.advanceTimersByTime(ms);
  await until(() => clients.length > length);
}

const asked = (name: string) => fake.commands.filter(([first]) => first === name).length;

describe('entries may be written', () => {
  test('once it is prepared', async () => {
    let done = () => {};
    pipe.preparing = async (asking) => {
      expect(await asking.ask(PING, (reply) => reply.text())).toBe('PONG');
      await new Promise<void>((resolve) => {
        done = resolve;
      });
    };
    const connection = connect();
    await until(() => asked('PING') === 2);
    await settle();
    expect([connection.isOpen, connection.isWritable, pipe.told]).toEqual([false, false, []]);
    done();
    await opened();
    expect([connection.isOpen, connection.isWritable]).toEqual([true, true]);
    expect(logged).toEqual(['debug: the append pipe is connected']);
    connection.write([PING]);
    await until(() => pipe.told.includes('reply PONG'));
  });

  test('on each connection under another name', async () => {
    await open();
    await lose();
    await reconnect();
    await opened(2);
    expect(pipe.roles).toEqual([
      expect.stringMatching(/^append-[0-9a-f]{12}$/),
      expect.stringMatching(/^append-[0-9a-f]{12}$/),
    ]);
    expect(pipe.roles[0]).not.toBe(pipe.roles[1]);
  });

  test('on the next one where this one could not be prepared', async () => {
    pipe.preparing = async () => {
      pipe.preparing = async () => {};
      throw new Error('not now');
    };
    const connection = connect();
    await until(() => logged.length === 1);
    expect(logged).toEqual(['the append pipe cannot connect to Redis: not now']);
    await reconnect();
    await opened();
    expect([connection.disconnects, pipe.told]).toEqual([0, ['opened']]);
  });

  test('within five seconds, or on the next one', async () => {
    pipe.preparing = async () => {
      pipe.preparing = async () => {};
      await new Promise(() => {});
    };
    connect(10 * PREPARE_MS);
    await until(() => pipe.roles.length === 1);
    vi.advanceTimersByTime(PREPARE_MS - 1);
    await settle();
    expect(logged).toEqual([]);
    vi.advanceTimersByTime(1);
    await until(() => logged.length === 1);
    expect(logged).toEqual(['the append pipe cannot connect to Redis: Redis did not answer in time']);
    await reconnect();
    await opened();
    vi.advanceTimersByTime(2 * PREPARE_MS);
    await settle();
    expect(pipe.told).toEqual(['opened']);
  });

  test.each([
    ['ends well', false],
    ['fails', true],
  ])('not on one that is lost, however its preparation %s later', async (_, fails) => {
    const ends: (() => void)[] = [];
    pipe.preparing = () =>
      new Promise<void>((resolve, reject) => {
        ends.push(fails && ends.length === 0 ? () => reject(new Error('late')) : resolve);
      });
    const connection = connect();
    await until(() => ends.length === 1);
    clients[0]!.socket.destroy();
    await until(() => logged.length === 1);
    await reconnect();
    await until(() => ends.length === 2);
    ends[0]!();
    await settle();
    expect([connection.isOpen, pipe.told]).toEqual([false, []]);
    ends[1]!();
    await opened();
    // Nor is it measured by the first one's time.
    vi.advanceTimersByTime(2 * PREPARE_MS);
    await settle();
    expect([connection.disconnects, pipe.told, clients.length]).toEqual([0, ['opened'], 2]);
  });
});

describe('changes by others', () => {
  const tell = 'HELLO';

  beforeEach(() => {
    version = 'redis_version:8.0.0\r\n';
  });

  test('are told where Redis takes that', async () => {
    const connection = await open();
    expect([connection.tellsChanges, asked(tell)]).toEqual([true, 1]);
    clients[0]!.socket.write(`>2\r\n${bulkOf('invalidate')}${arrayOf(bulkOf('a'), bulkOf('b'))}`);
    clients[0]!.socket.write(`>2\r\n${bulkOf('invalidate')}_\r\n`);
    await until(() => pipe.told.length === 4);
    expect(pipe.told).toEqual(['opened', 'changed a', 'changed b', 'changed undefined']);
    await lose();
    await reconnect();
    await opened(2);
    expect([connection.tellsChanges, asked(tell)]).toEqual([true, 2]);
  });

  test('are not told by a server that was not tested, which is not asked', async () => {
    const connection = await open();
    await lose();
    version = 'redis_version:7.4.0\r\ndragonfly_version:df-1.30\r\n';
    await reconnect();
    await opened(2);
    expect([connection.tellsChanges, asked(tell)]).toEqual([false, 1]);
  });

  test('are not told where it is refused', async () => {
    special = ([, word]) => (word === 'TRACKING' ? '-NOPERM no\r\n' : undefined);
    expect((await open()).tellsChanges).toBe(false);
  });

  test('are asked for again only after a while where the connection was lost over it', async () => {
    special = ([name]) => (name === tell ? '' : undefined);
    const connection = connect();
    await until(() => logged.length === 1);
    special = () => undefined;
    await reconnect();
    await opened();
    expect([connection.tellsChanges, asked(tell)]).toEqual([false, 1]);
    vi.advanceTimersByTime(TRACKING_AGAIN_MS);
    await lose();
    await reconnect();
    await opened(2);
    expect([connection.tellsChanges, asked(tell)]).toEqual([true, 2]);
  });
});

describe('a connection that is lost', () => {
  test('is counted and logged, and it is known how much of the entries Redis may have', async () => {
    const connection = await open();
    special = () => '';
    connection.write([PING, PING]);
    await until(() => pipe.told.length === 2);
    expect(pipe.told).toEqual(['opened', `lost ${2 * PING.length}`]);
    expect([connection.isOpen, connection.isWritable, connection.disconnects]).toEqual([false, false, 1]);
    expect(logged.slice(1)).toEqual([
      'the append pipe lost its connection to Redis: Redis closed the connection',
    ]);
  });

  test('is looked for more and more seldom, unless it was of use', async () => {
    await open();
    for (const ms of [FIRST_RECONNECT_MS, 2 * FIRST_RECONNECT_MS, 4 * FIRST_RECONNECT_MS]) {
      const { length } = clients;
      await lose();
      vi.advanceTimersByTime(ms - 1);
      await settle();
      expect(clients.length).toBe(length);
      await reconnect(1);
      await opened(length + 1);
    }
    vi.advanceTimersByTime(LASTING_MS);
    await lose();
    await reconnect(FIRST_RECONNECT_MS);
    await opened(5);
    await lose();
    await reconnect(2 * FIRST_RECONNECT_MS);
    await opened(6);
    // An answer shows it, too.
    clients.at(-1)!.socket.write('+1\r\n');
    await until(() => pipe.told.includes('reply 1'));
    await lose();
    await reconnect(FIRST_RECONNECT_MS);
  });

  test('that was never there is logged once', async () => {
    isAway = true;
    const connection = connect();
    for (let attempt = 1; attempt <= 5; attempt++) {
      await until(() => clients.length === attempt);
      await settle();
      vi.advanceTimersByTime(LAST_RECONNECT_MS);
    }
    expect(logged).toEqual([expect.stringMatching('^the append pipe cannot connect to Redis: ')]);
    expect([connection.disconnects, pipe.told]).toEqual([0, []]);
  });

  test('for it says nothing though it owes answers', async () => {
    const connection = await open();
    vi.advanceTimersByTime(2 * SILENCE_MS);
    expect(connection.isOpen).toBe(true);
    pipe.owes = true;
    // The beginning of a command, to which nothing is answered.
    connection.write([Buffer.from('*1\r\n')]);
    vi.advanceTimersByTime(SILENCE_MS - SILENCE_MS / 8);
    expect(connection.isOpen).toBe(true);
    vi.advanceTimersByTime(SILENCE_MS / 4);
    expect(connection.isOpen).toBe(false);
  });

  test('while it is prepared may be silent: the pipe is owed nothing there', async () => {
    pipe.owes = true;
    pipe.preparing = () => new Promise(() => {});
    connect(10 * PREPARE_MS);
    await until(() => pipe.roles.length === 1);
    vi.advanceTimersByTime(2 * SILENCE_MS);
    await settle();
    expect(logged).toEqual([]);
  });
});

describe('Redis is away for too long', () => {
  test('from the start on, which is told once', async () => {
    isAway = true;
    connect();
    vi.advanceTimersByTime(MAX_OUTAGE_MS - 1);
    expect(pipe.told).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(pipe.told).toEqual(['unreachable']);
    for (let attempt = 0; attempt < 20; attempt++) {
      vi.advanceTimersByTime(LAST_RECONNECT_MS);
      await settle();
    }
    expect(pipe.told).toEqual(['unreachable']);
    isAway = false;
    vi.advanceTimersByTime(LAST_RECONNECT_MS);
    await opened();
  });

  test('not where it is there, with nothing to store', async () => {
    await open();
    vi.advanceTimersByTime(2 * MAX_OUTAGE_MS);
    expect(pipe.told).toEqual(['opened']);
  });

  test('where it answers no entry: these are not stored after they were given up', async () => {
    pipe.hasEntries = true;
    const maxOutageMs = LASTING_MS / 2;
    const connection = await open(maxOutageMs);
    vi.advanceTimersByTime(maxOutageMs);
    expect(pipe.told).toEqual(['opened', 'lost 0', 'unreachable']);
    expect(connection.isOpen).toBe(false);
    expect(logged.at(-1)).toBe('the append pipe lost its connection to Redis: Redis answers no entry');
  });

  test.each([
    ['it answers', async () => void clients[0]!.socket.write('+1\r\n'), 'reply 1'],
    ['the connection lasts', async () => void vi.advanceTimersByTime(LASTING_MS), 'opened'],
  ])('not where entries wait and %s', async (_, happens, told) => {
    pipe.hasEntries = true;
    await open();
    await happens();
    await until(() => pipe.told.includes(told));
    vi.advanceTimersByTime(2 * MAX_OUTAGE_MS);
    expect(pipe.told).not.toContain('unreachable');
  });

  test('counted from the last sign of it', async () => {
    await open();
    pipe.owes = true;
    isAway = true;
    while (pipe.told.length === 1) vi.advanceTimersByTime(1);
    expect(pipe.told).toEqual(['opened', 'lost 0']);
    vi.advanceTimersByTime(MAX_OUTAGE_MS - SILENCE_MS - 1);
    expect(pipe.told).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(pipe.told.at(-1)).toBe('unreachable');
  });

  test('however short a time it was there in between', async () => {
    pipe.hasEntries = true;
    isAway = true;
    connect();
    await until(() => logged.length === 1);
    isAway = false;
    await reconnect();
    await opened();
    vi.advanceTimersByTime(LASTING_MS - 1);
    isAway = true;
    await lose();
    vi.advanceTimersByTime(MAX_OUTAGE_MS - LAST_RECONNECT_MS - LASTING_MS);
    expect(pipe.told).not.toContain('unreachable');
    vi.advanceTimersByTime(1);
    expect(pipe.told.at(-1)).toBe('unreachable');
  });

  test('while a connection is prepared, which is used once it is ready', async () => {
    let done = () => {};
    pipe.preparing = () =>
      new Promise<void>((resolve) => {
        done = resolve;
      });
    connect();
    await until(() => pipe.roles.length === 1);
    vi.advanceTimersByTime(MAX_OUTAGE_MS);
    expect(pipe.told).toEqual(['unreachable']);
    done();
    await opened();
    expect(clients).toHaveLength(1);
  });

  test('again after it was back', async () => {
    await open();
    for (let outages = 1; outages <= 2; outages++) {
      isAway = true;
      await lose();
      vi.advanceTimersByTime(MAX_OUTAGE_MS);
      await settle();
      expect(pipe.count('unreachable')).toBe(outages);
      isAway = false;
      vi.advanceTimersByTime(LAST_RECONNECT_MS);
      await opened(outages + 1);
    }
  });

  test('not once the pipe is closed', async () => {
    isAway = true;
    const connection = connect();
    connection.close();
    vi.advanceTimersByTime(2 * MAX_OUTAGE_MS);
    expect([pipe.told, logged]).toEqual([[], []]);
    isAway = false;
    pipe = new Pipe();
    const other = await open();
    other.close();
    vi.advanceTimersByTime(2 * MAX_OUTAGE_MS);
    expect([pipe.told, other.disconnects]).toEqual([['opened', 'lost 0'], 0]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a server that takes no writes', () => {
  test('is left, for whatever is at its address then', async () => {
    const connection = await open();
    connection.beginLeaving();
    expect([connection.isOpen, connection.isWritable]).toEqual([true, false]);
    connection.leave();
    await until(() => !connection.isOpen);
    expect(logged.at(-1)).toBe('the append pipe lost its connection to Redis: Redis takes no writes there');
    await reconnect();
    await opened(2);
    expect(connection.isWritable).toBe(true);
  });

  test('is left no more often than every two seconds', async () => {
    const connection = await open();
    connection.beginLeaving();
    connection.leave();
    await reconnect();
    await opened(2);
    vi.advanceTimersByTime(LEAVE_AGAIN_MS - LAST_RECONNECT_MS - 1);
    connection.beginLeaving();
    expect(connection.isWritable).toBe(true);
    vi.advanceTimersByTime(1);
    connection.beginLeaving();
    expect(connection.isWritable).toBe(false);
  });
});
