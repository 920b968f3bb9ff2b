/** Reads that wait for entries of all streams: how long, for how many of each, and how they are ended. */
import { setTimeout as delay } from 'node:timers/promises';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { bulk } from '../../src/redis/resp.js';
import { BlockingReads } from '../../workers/blocking-reads.js';
import type { Followed } from '../../workers/followed.js';
import type { Arrival } from '../../workers/held-reads.js';
import { ReadSize } from '../../workers/read-size.js';
import { type FakeRedis, politely, startFakeRedis } from '../support/fake-redis.js';
import { readCommands } from '../support/resp-commands.js';

const CLIENT_ID = 7;
const WAIT = { timeout: 5000, interval: 2 };

let fake: FakeRedis;
let followed: Map<string, Followed>;
let reads: BlockingReads;

beforeEach(async () => {
  fake = await startFakeRedis(politely);
  followed = new Map();
  reads = new BlockingReads(followed, fake.target);
  return async () => {
    reads.close();
    await fake.close();
  };
});

/** Follows so many streams in all. */
function follow(streams: number): void {
  for (let index = followed.size; index < streams; index++) {
    const key = `k${index}`;
    followed.set(key, { key, word: bulk(key), after: `${index}-0` } as Followed);
  }
  reads.changed();
}

const command = () => readCommands(reads.next(new ReadSize())!.command)[0]!;

/** The COUNT of a read that will probably bring entries of so many streams. */
function countFor(active: number): string {
  const size = new ReadSize();
  size.settle(active);
  return `${size.count}`;
}

const answer = (streams: number) => reads.answered(Array.from({ length: streams }, () => ({}) as Arrival));

test('all streams are read from their cursors on, those that came since too', () => {
  expect(reads.next(new ReadSize())).toBeUndefined();
  follow(1);
  const read = reads.next(new ReadSize())!;
  expect([read.keys(), read.likely]).toEqual([['k0'], undefined]);
  expect(command()).toEqual(['XREAD', 'COUNT', countFor(1), 'BLOCK', '50', 'STREAMS', 'k0', '0-0']);
  follow(3);
  followed.get('k0')!.after = '9-0';
  expect(command().slice(6)).toEqual(['k0', 'k1', 'k2', '9-0', '1-0', '2-0']);
});

test.each([
  [50, 50],
  [51, 51],
  [500, 500],
  [501, 500],
])('a read of %i streams waits for %i ms', (streams, ms) => {
  follow(streams);
  expect(command()[4]).toBe(`${ms}`);
});

test('it brings as much of each as fits, by how many brought any the last time', () => {
  follow(10);
  expect(command()[2]).toBe(countFor(1));
  answer(4);
  expect(countFor(4)).not.toBe(countFor(1));
  expect(command()[2]).toBe(countFor(4));
  answer(0);
  expect(command()[2]).toBe(countFor(4));
});

test.each([
  [499, 0],
  [500, 1],
  [3999, 7],
  [4000, 8],
  [5000, 8],
])('after a read of %i streams there is a pause of %i ms', (streams, ms) => {
  follow(streams);
  expect(answer(1)).toBe(ms);
});

describe('a read is ended', () => {
  const unblocks = () => fake.commands.filter(([, word]) => word === 'UNBLOCK');
  const untilUnblocked = (times: number) =>
    vi.waitFor(() => expect(unblocks().length).toBeGreaterThanOrEqual(times), WAIT);

  test.each([
    ['it has', () => reads.ended()],
    ['nothing is read any more', () => reads.close()],
  ])('by another connection, again and again until %s', async (_, end) => {
    reads.interrupt(CLIENT_ID);
    await untilUnblocked(3);
    expect(unblocks()[0]).toEqual(['CLIENT', 'UNBLOCK', `${CLIENT_ID}`]);
    end();
    await delay(20);
    const times = unblocks().length;
    await delay(50);
    expect(unblocks()).toHaveLength(times);
  });
});
