/** One follower by itself: what it costs however many streams it has, and what it knows of entries lost. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FollowedStream } from '../../src/follow/followed-stream.js';
import { Follower, type FollowerOutlet, type FollowerParameters } from '../../src/follow/follower.js';
import { type FollowerCounters, followerCounters } from '../../src/follow/follower-context.js';
import { Hub } from '../../src/follow/live/hub.js';
import type { Run } from '../../src/follow/run.js';
import { EntryBatch } from '../../src/protocol/batch.js';
import { Failure } from '../../src/protocol/errors.js';
import { packBatches } from '../../src/redis/stream-reads.js';
import type { ReaderThread } from '../../src/threads/reader-thread.js';
import type { Threads } from '../../src/threads/threads.js';

type RangeTask = Parameters<Threads['range']>[0];

/** A client that keeps what it is sent. */
class Outlet implements FollowerOutlet {
  readonly runs: Run[] = [];
  failure: Failure | undefined;
  isOpen = true;
  mostMessages?: number;
  onSend = () => {};

  isWritable(): boolean {
    return this.isOpen;
  }

  send(run: Run): number {
    this.runs.push(run);
    this.onSend();
    return run.batch.start(run.to) - run.batch.start(run.from);
  }

  cork(send: () => void): void {
    send();
  }

  sendHeartbeat(): boolean {
    return false;
  }

  end(failure: Failure): void {
    this.failure = failure;
  }

  get sent(): string[] {
    return this.runs.flatMap(({ batch, from, to }) =>
      batch.ids.slice(from, to).map((id) => `${batch.key} ${id}`),
    );
  }

  get gaps(): Run['gap'][] {
    return this.runs.map(({ gap }) => gap);
  }
}

function batchOf(key: string, after: string, ids: readonly string[], trimmed = false): EntryBatch {
  const payloads = ids.map((id) => Buffer.from(id));
  const bytes = payloads.reduce((sum, { length }) => sum + length, 0);
  return new EntryBatch(packBatches([{ key, after, trimmed, ids: [...ids], payloads, bytes }]).batches[0]!);
}

let hub: Hub;
/** Reads that the pool was asked for, to be answered by the test. */
let asked: { task: RangeTask; answer(batch: EntryBatch | Failure): void }[];
let counters: FollowerCounters;
let generation: number;
let followers: Follower[];
let outlets: Outlet[];

beforeEach(() => {
  hub = new Hub();
  hub.attach([
    { streams: 0, follow: () => {}, unfollow: () => {}, check: () => {} } as unknown as ReaderThread,
  ]);
  asked = [];
  generation = 0;
  followers = [];
  outlets = [];
  counters = followerCounters();
});

afterEach(() => {
  for (const follower of followers) follower.close();
  expect(outlets.map(({ failure }) => failure)).toEqual(outlets.map(() => undefined));
  hub.close();
  vi.restoreAllMocks();
});

const threads = {
  recycle: () => {},
  range: (task: RangeTask) =>
    new Promise<EntryBatch[]>((resolve, reject) => {
      asked.push({
        task,
        answer: (batch) => (batch instanceof Failure ? reject(batch) : resolve([batch])),
      });
    }),
} as unknown as Threads;

/** @param streams the tail and the cursor of each */
function follow(
  outlet: Outlet,
  streams: readonly (readonly [key: string, tail: string, cursor: string])[],
  latest = false,
  more: Partial<FollowerParameters> = {},
): Follower {
  const follower = new Follower(
    { hub, threads, counters },
    streams.map(([key, tail, cursor]) => ({ key, tail, cursor })),
    { latest, count: 1, block: 0, ack: false, maxFps: 0, ...more },
    outlet,
  );
  followers.push(follower);
  outlets.push(outlet);
  follower.pump();
  return follower;
}

const bring = (key: string, after: string, ids: readonly string[], trimmed = false) =>
  hub.onEntries(batchOf(key, after, ids, trimmed), true);

/** So many entries of a MiB each that the hub keeps the last of them only; the first is after `from`-0. */
function bringLarge(key: string, from: number, to: number): void {
  for (let at = from; at < to; at++) {
    const payload = Buffer.alloc(1024 * 1024);
    const ids = [`${at + 1}-0`];
    const read = { key, after: `${at}-0`, trimmed: false, ids, payloads: [payload], bytes: payload.length };
    hub.onEntries(new EntryBatch(packBatches([read]).batches[0]!), true);
  }
}

const lose = (key: string, last: string) =>
  hub.onLost({ key, generation: generation++, last, newest: undefined });

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a follower of many streams', () => {
  const many = Array.from({ length: 1000 }, (_, index) => `k${index}`);

  test('looks at those that have something to send, and at no other', () => {
    const outlet = new Outlet();
    follow(
      outlet,
      many.map((key) => [key, '1-0', '1-0']),
    );
    const next = vi.spyOn(FollowedStream.prototype, 'next');
    for (const key of many) bring(key, '1-0', ['2-0', '3-0']);
    expect(outlet.sent).toEqual(many.flatMap((key) => [`${key} 2-0`, `${key} 3-0`]));
    // Each entry, and once more to see that there is none.
    expect(next).toHaveBeenCalledTimes(3 * many.length);
  });

  test('sends of each in turn', () => {
    const outlet = new Outlet();
    outlet.isOpen = false;
    const follower = follow(
      outlet,
      ['a', 'b', 'c'].map((key) => [key, '1-0', '1-0']),
    );
    bring('a', '1-0', ['2-0', '3-0', '4-0']);
    bring('b', '1-0', ['2-0']);
    bring('c', '1-0', ['2-0', '3-0']);
    outlet.isOpen = true;
    follower.pump();
    expect(outlet.sent).toEqual(['a 2-0', 'b 2-0', 'c 2-0', 'a 3-0', 'c 3-0', 'a 4-0']);
  });

  test('has few of them read for it at a time, and each in the end', async () => {
    const outlet = new Outlet();
    follow(
      outlet,
      many.map((key) => [key, '3-0', '0-0']),
    );
    let most = 0;
    while (outlet.runs.length < 3 * many.length) {
      most = Math.max(most, asked.length);
      const { task, answer } = asked.shift()!;
      const [{ key, after }] = task.streams as [{ key: string; after: string }];
      answer(batchOf(key, after, after === '0-0' ? ['1-0', '2-0', '3-0'] : []));
      await turn();
    }
    expect(most).toBe(4);
    const { sent } = outlet;
    for (const key of many) {
      expect(sent.filter((entry) => entry.startsWith(`${key} `))).toEqual(
        ['1-0', '2-0', '3-0'].map((id) => `${key} ${id}`),
      );
    }
  });

  test('is not held up by those that cannot be read', async () => {
    const outlet = new Outlet();
    const keys = many.slice(0, 20);
    follow(
      outlet,
      keys.map((key) => [key, '1-0', '0-0']),
    );
    const isBad = (key: string) => Number(key.slice(1)) < 10;
    let isRepaired = false;
    const repair = setTimeout(() => {
      isRepaired = true;
    }, 300);
    while (outlet.runs.length < keys.length) {
      const question = asked.shift();
      if (question === undefined) {
        await turn();
        continue;
      }
      const { key, after } = question.task.streams[0]!;
      if (isBad(key) && !isRepaired) question.answer(new Failure('redis_unavailable', 'away'));
      else question.answer(batchOf(key, after, after === '0-0' ? ['1-0'] : []));
      await turn();
    }
    clearTimeout(repair);
    expect(new Set(outlet.sent).size).toBe(keys.length);
  });
});

describe('small messages', () => {
  const KIB = 1024;
  const ids = Array.from({ length: 10 }, (_, index) => `${index + 2}-0`);

  /** What is sent of ten entries of so many bytes, as runs of entries. */
  function runsOf(bytes: number, mostMessages: number | undefined, more: Partial<FollowerParameters> = {}) {
    const outlet = new Outlet();
    if (mostMessages !== undefined) outlet.mostMessages = mostMessages;
    follow(outlet, [['a', '1-0', '1-0']], false, more);
    const payloads = ids.map(() => Buffer.alloc(bytes));
    const read = { key: 'a', after: '1-0', trimmed: false, ids, payloads, bytes: 10 * bytes };
    hub.onEntries(new EntryBatch(packBatches([read]).batches[0]!), true);
    return outlet.runs.map(({ from, to }) => [from, to]);
  }

  const oneByOne = ids.map((_, index) => [index, index + 1]);

  test.each([
    ['as many as there are', 10, 1000, {}, [[0, 10]]],
    [
      'no more at once than the client takes',
      10,
      4,
      {},
      [
        [0, 4],
        [4, 8],
        [8, 10],
      ],
    ],
    [
      'no more than are small together',
      4 * KIB,
      1000,
      {},
      [
        [0, 3],
        [3, 6],
        [6, 9],
        [9, 10],
      ],
    ],
    [
      'of several entries each',
      10,
      2,
      { count: 4 },
      [
        [0, 8],
        [8, 10],
      ],
    ],
    [
      'of several entries each, whole ones only',
      2 * KIB,
      1000,
      { count: 4 },
      [
        [0, 4],
        [4, 10],
      ],
    ],
    ['one by one where they end at some time', 10, 1000, { until: '9999999999999-0' }, oneByOne],
    ['one by one where each is acknowledged', 10, 1000, { ack: true }, [[0, 1]]],
    ['one by one where they are not small', 13 * KIB, 1000, {}, oneByOne],
    ['one by one to a client that takes no more', 10, undefined, {}, oneByOne],
  ])('are sent together: %s', (_, bytes, most, more, runs) => {
    expect(runsOf(bytes, most, more)).toEqual(runs);
  });

  test('of several streams take turns', () => {
    const outlet = new Outlet();
    outlet.mostMessages = 1000;
    outlet.isOpen = false;
    const follower = follow(
      outlet,
      ['a', 'b'].map((key) => [key, '1-0', '1-0']),
    );
    for (const key of ['a', 'b']) bring(key, '1-0', ['2-0', '3-0']);
    outlet.isOpen = true;
    follower.pump();
    expect(outlet.sent).toEqual(['a 2-0', 'b 2-0', 'a 3-0', 'b 3-0']);
  });
});

describe('what was lost before a message', () => {
  test('by trimming, of one that keeps up', () => {
    const outlet = new Outlet();
    follow(outlet, [['k', '1-0', '1-0']]);
    bring('k', '1-0', ['2-0']);
    bring('k', '2-0', ['5-0', '6-0'], true);
    expect(outlet.sent).toEqual(['k 2-0', 'k 5-0', 'k 6-0']);
    expect(outlet.gaps).toEqual([
      undefined,
      { after: '2-0', resumedAt: '5-0', reason: 'trimmed' },
      undefined,
    ]);
    expect(counters.trimmed).toBe(1);
  });

  test('by trimming, of one that catches up', async () => {
    const outlet = new Outlet();
    const follower = follow(outlet, [['k', '1-0', '1-0']]);
    bring('k', '1-0', ['2-0']);
    outlet.isOpen = false;
    bring('k', '2-0', ['3-0']);
    // The hub has let go of what the client was not sent.
    bringLarge('k', 3, 40);
    outlet.isOpen = true;
    follower.pump();
    expect(asked[0]!.task).toMatchObject({ streams: [{ key: 'k', after: '2-0' }], proof: 'presence' });
    asked[0]!.answer(batchOf('k', '2-0', ['30-0', '31-0'], true));
    await turn();
    expect(outlet.sent.slice(0, 3)).toEqual(['k 2-0', 'k 30-0', 'k 31-0']);
    expect(outlet.gaps.slice(0, 3)).toEqual([
      undefined,
      { after: '2-0', resumedAt: '30-0', reason: 'trimmed' },
      undefined,
    ]);
    expect(counters.trimmed).toBe(1);
  });

  test('by deletion, and what comes after it', () => {
    const outlet = new Outlet();
    follow(outlet, [['k', '10-0', '10-0']]);
    bring('k', '10-0', ['11-0']);
    lose('k', '0-0');
    bring('k', '0-0', ['1-0', '2-0']);
    expect(outlet.sent).toEqual(['k 11-0', 'k 1-0', 'k 2-0']);
    expect(outlet.gaps).toEqual([
      undefined,
      { after: '11-0', resumedAt: '1-0', reason: 'deleted' },
      undefined,
    ]);
  });

  test('twice over is told once, from before the first', () => {
    const outlet = new Outlet();
    const follower = follow(outlet, [['k', '10-0', '10-0']], true);
    bring('k', '10-0', ['11-0']);
    outlet.isOpen = false;
    lose('k', '0-0');
    bring('k', '0-0', ['5-0']);
    lose('k', '1-0');
    bring('k', '0-0', ['1-0', '2-0']);
    outlet.isOpen = true;
    follower.pump();
    expect(outlet.sent).toEqual(['k 11-0', 'k 2-0']);
    expect(outlet.gaps.at(-1)).toEqual({ after: '11-0', resumedAt: '2-0', reason: 'deleted' });
  });
});

describe('a stream that is reset', () => {
  test('while the pool reads it: what was read is of the old one, and let go', async () => {
    const outlet = new Outlet();
    follow(outlet, [['k', '10-0', '5-0']]);
    lose('k', '0-0');
    asked[0]!.answer(batchOf('k', '5-0', ['6-0', '7-0']));
    await turn();
    expect(outlet.sent).toEqual([]);
    bring('k', '0-0', ['1-0', '6-0', '7-0', '8-0']);
    expect(outlet.sent).toEqual(['k 1-0', 'k 6-0', 'k 7-0', 'k 8-0']);
  });

  test('while the pool reads it from its beginning', async () => {
    const outlet = new Outlet();
    follow(outlet, [['k', '10-0', '0-0']]);
    lose('k', '0-0');
    asked[0]!.answer(batchOf('k', '0-0', ['6-0', '7-0']));
    await turn();
    expect(outlet.sent).toEqual([]);
    bring('k', '0-0', ['7-0', '8-0']);
    expect(outlet.sent).toEqual(['k 7-0', 'k 8-0']);
  });

  test('while the pool reads ahead of what is being sent', async () => {
    for (const isAnswered of [false, true]) {
      const key = `ahead ${isAnswered}`;
      const outlet = new Outlet();
      follow(outlet, [[key, '10-0', '0-0']]);
      asked.shift()!.answer(batchOf(key, '0-0', ['1-0', '2-0']));
      outlet.onSend = () => {
        outlet.isOpen = false;
      };
      await turn();
      // The first entry was sent, and with it the next were asked for.
      expect(outlet.sent).toEqual([`${key} 1-0`]);
      const { task, answer } = asked.shift()!;
      expect(task.streams).toEqual([{ key, after: '2-0' }]);
      if (isAnswered) answer(batchOf(key, '2-0', ['3-0', '4-0']));
      await turn();
      lose(key, '0-0');
      if (!isAnswered) answer(batchOf(key, '2-0', ['3-0', '4-0']));
      await turn();
      outlet.onSend = () => {};
      outlet.isOpen = true;
      bring(key, '0-0', ['1-0', '5-0']);
      expect(outlet.sent).toEqual([`${key} 1-0`, `${key} 1-0`, `${key} 5-0`]);
    }
  });

  test('while more was read ahead: that does not come after the new', async () => {
    const outlet = new Outlet();
    const follower = follow(outlet, [['k', '10-0', '0-0']]);
    outlet.onSend = () => {
      outlet.isOpen = false;
    };
    asked.shift()!.answer(batchOf('k', '0-0', ['1-0', '2-0']));
    await turn();
    asked.shift()!.answer(batchOf('k', '2-0', ['3-0', '4-0']));
    await turn();
    lose('k', '0-0');
    bringLarge('k', 0, 20);
    outlet.onSend = () => {};
    outlet.isOpen = true;
    follower.pump();
    expect(asked[0]!.task.streams).toEqual([{ key: 'k', after: '0-0' }]);
    asked.shift()!.answer(batchOf('k', '0-0', ['1-0']));
    await turn();
    expect(outlet.sent).toEqual(['k 1-0', 'k 1-0']);
    expect(asked.shift()!.task.streams).toEqual([{ key: 'k', after: '1-0' }]);
  });

  test('while its client does not read: nothing of the new one is missed, or comes twice', async () => {
    const outlet = new Outlet();
    const follower = follow(outlet, [['k', '10-0', '10-0']]);
    bring('k', '10-0', ['11-0']);
    outlet.isOpen = false;
    bring('k', '11-0', ['12-0']);
    lose('k', '2-0');
    bring('k', '0-0', ['1-0', '2-0']);
    bring('k', '2-0', ['12-0', '13-0']);
    outlet.isOpen = true;
    follower.pump();
    await turn();
    expect(asked).toEqual([]);
    expect(outlet.sent).toEqual(['k 11-0', 'k 1-0', 'k 2-0', 'k 12-0', 'k 13-0']);
  });

  test('does not move a cursor that its client has put ahead of all that there was', () => {
    const outlet = new Outlet();
    follow(outlet, [['k', '10-0', '20-0']]);
    expect(hub.resets.ahead).toBe(1);
    lose('k', '0-0');
    bring('k', '0-0', ['1-0', '20-0', '20-1']);
    expect(outlet.sent).toEqual(['k 20-1']);
    expect(outlet.gaps).toEqual([undefined]);
  });
});
