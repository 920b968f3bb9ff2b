/** How a reader's connection reads its streams: by blocking reads of few, by tracked reads of many. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SlotTable } from '../../src/redis/cluster/slot-table.js';
import { bulk } from '../../src/redis/resp.js';
import type { RedisTarget } from '../../src/redis/target.js';
import { BlockingReads } from '../../workers/blocking-reads.js';
import type { Ask, Followed } from '../../workers/followed.js';
import { PolledReads } from '../../workers/polled-reads.js';
import { ReadSize } from '../../workers/read-size.js';
import { StrategyChoice } from '../../workers/strategy-choice.js';
import { TrackedReads } from '../../workers/tracked-reads.js';
import { type FakeRedis, politely, startFakeRedis } from '../support/fake-redis.js';
import { arrayOf, bulkOf, readCommands, replyOf } from '../support/resp-commands.js';

const ON_STREAMS = 101;
const OFF_STREAMS = 49;
const OK = '+OK\r\n';
const INFO = bulkOf('redis_version:8.0.0\r\n');
const WATCH_MS = 1000;
const WAIT = { timeout: 5000, interval: 2 };

let fake: FakeRedis;
let followed: Map<string, Followed>;
let asked: { readonly command: string; readonly take: Parameters<Ask>[1] }[];
let handled: string[];
let changes: number;
let choice: StrategyChoice;

function newChoice(target: RedisTarget): StrategyChoice {
  const ask: Ask = (command, take) => asked.push({ command: readCommands([command])[0]!.join(' '), take });
  return new StrategyChoice(followed, ask, target, {
    wake: () => handled.push('wake'),
    suspect: () => {},
    flushed: () => handled.push('flushed'),
    demoted: () => {},
  });
}

beforeEach(async () => {
  fake = await startFakeRedis(politely);
  followed = new Map();
  [asked, handled, changes] = [[], [], 0];
  choice = newChoice(fake.target);
});

afterEach(async () => {
  choice.close();
  vi.useRealTimers();
  await fake.close();
});

/** Has so many streams followed. */
function follow(streams: number): void {
  for (const key of [...followed.keys()].slice(streams)) {
    followed.delete(key);
    choice.changed(key);
  }
  for (let index = followed.size; index < streams; index++) {
    const key = `k${index}`;
    followed.set(key, { key, word: bulk(key), after: '1-0' } as Followed);
    choice.changed(`k${index}`);
  }
}

const review = () => choice.review(() => changes++);

function answer(...replies: string[]): string[] {
  return replies.map((reply) => {
    const { command, take } = asked.shift()!;
    take(replyOf(reply));
    return command;
  });
}

/** Has many streams tracked. */
function track(): void {
  follow(ON_STREAMS);
  review();
  answer(INFO, OK, OK);
  expect(choice.current).toBeInstanceOf(TrackedReads);
}

const keys = () => choice.current.next(new ReadSize())?.keys() ?? [];
const pushAll = () => choice.current.push(replyOf(`>2\r\n${bulkOf('invalidate')}_\r\n`));

test('few streams are read by blocking reads, and nothing is asked', () => {
  follow(ON_STREAMS - 1);
  review();
  expect(choice.current).toBeInstanceOf(BlockingReads);
  expect([asked, choice.isChanging, changes]).toEqual([[], false, 0]);
  expect(keys()).toHaveLength(ON_STREAMS - 1);
});

test('a stream that comes is in the next blocking read', () => {
  follow(1);
  const command = () => readCommands(choice.current.next(new ReadSize())!.command)[0];
  expect(command()).toContain('k0');
  follow(2);
  expect(command()).toEqual(expect.arrayContaining(['k0', 'k1']));
});

describe('many streams', () => {
  test('are tracked once Redis has said that it will', () => {
    follow(ON_STREAMS);
    review();
    expect([choice.isChanging, changes]).toEqual([true, 0]);
    expect(answer(INFO, OK)).toEqual(['INFO server', 'HELLO 3']);
    expect(choice.current).toBeInstanceOf(BlockingReads);
    expect(answer(OK)).toEqual(['CLIENT TRACKING ON']);
    expect([choice.isChanging, changes, handled]).toEqual([false, 1, ['wake']]);
    expect(choice.current).toBeInstanceOf(TrackedReads);
    expect(keys()[0]).toBe('k0');
  });

  test('are read by blocking reads where it will not', () => {
    follow(ON_STREAMS);
    review();
    answer('-NOPERM no\r\n');
    expect([choice.isChanging, changes, handled]).toEqual([false, 1, []]);
    expect(choice.current).toBeInstanceOf(BlockingReads);
  });

  test('that are tracked stay so while they are many, and one that comes is read', () => {
    track();
    while (keys().length > 0) choice.current.answered([]);
    review();
    follow(ON_STREAMS + 1);
    expect(choice.current).toBeInstanceOf(TrackedReads);
    expect(keys()).toEqual([`k${ON_STREAMS}`]);
  });

  test('that become few are read by blocking reads again, and notices are no matter then', () => {
    track();
    const tracked = choice.current;
    follow(OFF_STREAMS);
    review();
    expect(asked.map(({ command }) => command)).toEqual(['CLIENT TRACKING OFF']);
    expect(choice.current).toBeInstanceOf(BlockingReads);
    expect(changes).toBe(1);
    tracked.push(replyOf(`>2\r\n${bulkOf('invalidate')}${arrayOf(bulkOf('k0'))}`));
    pushAll();
    expect(handled).toEqual(['wake']);
  });

  test.each([
    ['alone', undefined, 'PING'],
    ['beside Sentinels', 'mymaster', 'ROLE'],
  ])('on a server that is %s: it is asked for a sign of life', (_, name, command) => {
    vi.useFakeTimers();
    const sentinel = name && { name, addresses: [] };
    choice = newChoice({ ...fake.target, sentinel } as unknown as RedisTarget);
    track();
    vi.advanceTimersByTime(WATCH_MS);
    expect(asked.at(-1)!.command).toBe(command);
    choice.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a connection that is lost', () => {
  test('tracks nothing: the next begins with blocking reads', () => {
    track();
    choice.lost();
    expect([choice.current instanceof BlockingReads, choice.isChanging]).toEqual([true, false]);
    review();
    expect(asked.at(-1)!.command).toBe('INFO server');
  });

  test('has said nothing about tracking', () => {
    follow(ON_STREAMS);
    review();
    choice.lost();
    expect([choice.current instanceof BlockingReads, choice.isChanging]).toEqual([true, false]);
  });

  test.each([
    ['is lost', () => choice.lost()],
    ['is closed', () => choice.close()],
  ])('or given up: once it %s no read of it is ended any more', async (_, end) => {
    choice.current.interrupt(7);
    const unblocks = () => fake.commands.filter(([, word]) => word === 'UNBLOCK').length;
    await vi.waitFor(() => expect(unblocks()).toBeGreaterThan(1), WAIT);
    end();
    await delay(20);
    const times = unblocks();
    await delay(50);
    expect(unblocks()).toBe(times);
  });
});

describe('at a node of a cluster', () => {
  beforeEach(() => {
    choice.close();
    choice = newChoice({ ...fake.target, shard: { table: new SlotTable({}), number: 0 } });
  });

  test('one stream is tracked, and stays so', () => {
    follow(1);
    review();
    expect(answer(INFO, OK, OK)).toEqual(['INFO server', 'HELLO 3', 'CLIENT TRACKING ON']);
    expect(choice.current).toBeInstanceOf(TrackedReads);
    expect(choice.current.next(new ReadSize())!.apart).toEqual([...followed.values()]);
    follow(0);
    review();
    expect([choice.current, asked]).toEqual([expect.any(TrackedReads), []]);
  });

  test('streams are polled where it does not tell of changes', () => {
    follow(2);
    review();
    answer('-NOPERM no\r\n');
    expect(choice.current).toBeInstanceOf(PolledReads);
    expect(keys()).toEqual(['k0', 'k1']);
  });
});
