/** A replay by itself, on a clock of the test's: what it holds while nothing is due, and what is read when. */
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FollowedStream } from '../../../src/follow/followed-stream.js';
import { Follower, type FollowerOutlet, type FollowerParameters } from '../../../src/follow/follower.js';
import { type FollowerCounters, followerCounters } from '../../../src/follow/follower-context.js';
import { Hub } from '../../../src/follow/live/hub.js';
import type { Run } from '../../../src/follow/run.js';
import { EntryBatch } from '../../../src/protocol/batch.js';
import { compareEntryIds, entryTime } from '../../../src/protocol/entry-id.js';
import { Failure } from '../../../src/protocol/errors.js';
import type { ReaderThread } from '../../../src/threads/reader-thread.js';
import type { Threads } from '../../../src/threads/threads.js';

type RangeTask = Parameters<Threads['range']>[0];

const HOUR_MS = 3_600_000;
const MIB = 1024 * 1024;
const SLOW_MS = 50;
/** What all payloads lie in: to make and copy them would take most of the time. */
const ZEROS = new ArrayBuffer(256 * MIB);

interface Stored {
  readonly id: string;
  readonly bytes: number;
}

/** What Redis would hold, and how the pool was asked for it. */
const held = new Map<string, Stored[]>();
let asked: RangeTask[];
let readBytes = 0;
/** Reads fail while it is set. */
let failure: Failure | undefined;
/** Reads of it take a while. */
let slowKey: string | undefined;
let hub: Hub;
let counters: FollowerCounters;
let followers: Follower[];

function batchOf(key: string, after: string, entries: readonly Stored[]): EntryBatch {
  const ids = entries.map(({ id }) => id).join(' ');
  let end = 0;
  const ends = Uint32Array.from(entries, ({ bytes }) => {
    end += bytes;
    return end;
  });
  return new EntryBatch({ key, after, ids, ends, buffer: ZEROS, offset: 0, trimmed: false });
}

/** As the pool reads: at most so many bytes, though never before an entry. */
function readRange({ streams, count, latest, until, maxBytes }: RangeTask): EntryBatch {
  const { key, after } = streams[0]!;
  const found = (held.get(key) ?? []).filter(
    ({ id }) => compareEntryIds(id, after) > 0 && (until === undefined || compareEntryIds(id, until) <= 0),
  );
  let bytes = 0;
  const taken = latest
    ? found.slice(-1)
    : found.slice(0, count).filter((entry) => {
        const fits = bytes < maxBytes;
        bytes += entry.bytes;
        return fits;
      });
  const batch = batchOf(key, after, taken);
  readBytes += batch.bytes.length;
  return batch;
}

const threads = {
  recycle: () => {},
  range: async (task: RangeTask) => {
    asked.push(task);
    if (task.streams[0]!.key === slowKey) await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    else await Promise.resolve();
    if (failure !== undefined) throw failure;
    return [readRange(task)];
  },
} as unknown as Threads;

class Outlet implements FollowerOutlet {
  readonly runs: Run[] = [];
  /** When each was sent. */
  readonly times: number[] = [];
  failure: Failure | undefined;
  isOpen = true;
  isComplete = false;
  isWritable = () => this.isOpen;
  cork = (send: () => void) => send();
  sendHeartbeat = () => false;

  send(run: Run): number {
    this.runs.push(run);
    this.times.push(performance.now());
    return run.batch.start(run.to) - run.batch.start(run.from);
  }

  end(failure: Failure): void {
    this.failure = failure;
  }

  complete(): void {
    this.isComplete = true;
  }

  get sent(): string[] {
    return this.runs.flatMap(({ batch, from, to }) =>
      batch.ids.slice(from, to).map((id) => `${batch.key} ${id}`),
    );
  }
}

beforeEach(() => {
  // Some day long after what is replayed.
  vi.useFakeTimers({ now: Date.parse('2030-01-01') });
  held.clear();
  asked = [];
  readBytes = 0;
  failure = undefined;
  slowKey = undefined;
  hub = new Hub();
  hub.attach([
    { streams: 0, follow: () => {}, unfollow: () => {}, check: () => {} } as unknown as ReaderThread,
  ]);
  counters = followerCounters();
  followers = [];
});

afterEach(() => {
  for (const follower of followers) follower.close();
  hub.close();
  // None that would go on with the follower gone.
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Stores entries of these times in ms, and follows the streams from their beginning. */
async function replay(
  streams: Readonly<Record<string, readonly number[]>>,
  parameters: Partial<FollowerParameters> = {},
  bytes = 1,
): Promise<{ outlet: Outlet; follower: Follower }> {
  for (const [key, times] of Object.entries(streams)) {
    held.set(
      key,
      times.map((time) => ({ id: `${time}-0`, bytes })),
    );
  }
  const outlet = new Outlet();
  const follower = new Follower(
    { hub, threads, counters },
    Object.entries(streams).map(([key, times]) => ({ key, tail: `${times.at(-1)}-0`, cursor: '0-0' })),
    { latest: false, count: 1, block: 0, ack: false, maxFps: 0, speed: 1, ...parameters },
    outlet,
  );
  followers.push(follower);
  follower.pump();
  await vi.advanceTimersByTimeAsync(0);
  return { outlet, follower };
}

test('entries are sent when they are due by the clock, and not before', async () => {
  const { outlet } = await replay({ a: [1000, 1040, 1100], b: [1020, 1040, 5000] }, { speed: 2 });
  expect(outlet.sent).toEqual(['a 1000-0']);
  await vi.advanceTimersByTimeAsync(9);
  expect(outlet.sent).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(outlet.sent).toEqual(['a 1000-0', 'b 1020-0']);
  await vi.advanceTimersByTimeAsync(40);
  expect(new Set(outlet.sent.slice(2, 4))).toEqual(new Set(['a 1040-0', 'b 1040-0']));
  expect(outlet.sent.slice(4)).toEqual(['a 1100-0']);
  await vi.advanceTimersByTimeAsync(1949);
  expect(outlet.sent).toHaveLength(5);
  await vi.advanceTimersByTimeAsync(1);
  expect(outlet.sent.at(-1)).toBe('b 5000-0');
});

test('a message holds what is due and no more, up to count', async () => {
  const times = [1000, 1001, 1002, 1003, 1004, 1005, 1050, 1051];
  const { outlet, follower } = await replay({ a: times }, { count: 3, ack: true });
  for (const passed of [4, 0, 20, 26]) {
    await vi.advanceTimersByTimeAsync(passed);
    follower.acknowledge();
  }
  const messages = outlet.runs.map(({ batch, from, to }) => batch.ids.slice(from, to).map(entryTime));
  expect(messages).toEqual([[1000], [1001, 1002, 1003], [1004], [1005], [1050]]);
});

test('what is not due for long is not held meanwhile, and read again in time', async () => {
  const { outlet } = await replay({ a: [1000, 1000 + HOUR_MS, 1001 + HOUR_MS] }, {}, 100_000);
  expect(outlet.sent).toEqual(['a 1000-0']);
  const reads = asked.length;
  await vi.advanceTimersByTimeAsync(HOUR_MS - 1);
  expect([outlet.sent.length, asked.length]).toEqual([1, reads]);
  await vi.advanceTimersByTimeAsync(2);
  expect(outlet.sent).toEqual(['a 1000-0', `a ${1000 + HOUR_MS}-0`, `a ${1001 + HOUR_MS}-0`]);
  // Read anew: it was not held.
  expect(asked[reads]!.streams).toEqual([{ key: 'a', after: '1000-0' }]);
});

test('what many streams hold together is bounded, however large their entries are', async () => {
  const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);
  const streams = Object.fromEntries(keys.map((key, index) => [key, [1000 + index, 1500 + index]]));
  const peek = vi.spyOn(FollowedStream.prototype, 'peek');
  const { outlet } = await replay(streams, {}, MIB);
  expect(outlet.sent).toEqual(['k0 1000-0']);
  const followed = [...new Set(peek.mock.contexts as FollowedStream[])];
  expect(followed).toHaveLength(100);
  expect(followed.reduce((sum, { heldBytes }) => sum + heldBytes, 0)).toBeLessThanOrEqual(16 * MIB);
  await vi.advanceTimersByTimeAsync(700);
  const ordered = keys.map((key, index) => `${key} ${1000 + index}-0`);
  const later = keys.map((key, index) => `${key} ${1500 + index}-0`);
  expect(outlet.sent).toEqual([...ordered, ...later]);
  // Each was read to know of it, and once more when it was due.
  expect(readBytes).toBeLessThanOrEqual(2 * 200 * MIB);
  expect(Math.max(...asked.map(({ maxBytes }) => maxBytes))).toBeLessThanOrEqual((16 * MIB) / 100);
});

test('small entries of many streams are read in batches, and once', async () => {
  const keys = Array.from({ length: 50 }, (_, index) => `k${index}`);
  const times = Array.from({ length: 40 }, (_, index) => 1000 + 20 * index);
  const { outlet } = await replay(Object.fromEntries(keys.map((key) => [key, times])));
  await vi.advanceTimersByTimeAsync(1000);
  expect(outlet.sent).toHaveLength(50 * 40);
  expect(readBytes).toBe(50 * 40);
  // Once for all of it, and to see that there is no more.
  expect(asked.length).toBeLessThanOrEqual(2 * 50);
});

test('a client that is slow is sent what became due meanwhile, in the order of time', async () => {
  const { outlet, follower } = await replay({ a: [1000, 1010, 1020], b: [1005, 1015, 9000] });
  outlet.isOpen = false;
  await vi.advanceTimersByTimeAsync(4000);
  expect(outlet.sent).toEqual(['a 1000-0']);
  outlet.isOpen = true;
  follower.pump();
  await vi.advanceTimersByTimeAsync(0);
  expect(outlet.sent).toEqual(['a 1000-0', 'b 1005-0', 'a 1010-0', 'b 1015-0', 'a 1020-0']);
});

test('latest: of what became due meanwhile the newest, however much that is', async () => {
  const times = Array.from({ length: 1000 }, (_, index) => 1000 + 10 * index);
  // Far more than is read at once.
  const { outlet, follower } = await replay({ a: times }, { latest: true, ack: true }, 10_000);
  expect(outlet.sent).toEqual(['a 1000-0']);
  for (const passed of [35, 7000, 20]) {
    await vi.advanceTimersByTimeAsync(passed);
    follower.acknowledge();
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(outlet.sent).toEqual(['a 1000-0', 'a 1030-0', 'a 8030-0', 'a 8050-0']);
});

test('a read that fails holds the replay up, and no entry is passed over', async () => {
  const { outlet } = await replay({ a: [1000, 3000], b: [1001, 3001] });
  failure = new Failure('redis_unavailable', 'away');
  await vi.advanceTimersByTimeAsync(5000);
  expect(outlet.sent).toEqual(['a 1000-0', 'b 1001-0']);
  failure = undefined;
  await vi.advanceTimersByTimeAsync(200);
  expect(outlet.sent).toEqual(['a 1000-0', 'b 1001-0', 'a 3000-0', 'b 3001-0']);
  expect(outlet.failure).toBeUndefined();
});

test('once it has caught up entries come as they are stored, whatever their ids say', async () => {
  const now = Date.now();
  const { outlet } = await replay({ a: [now - 1000, now - 500] }, { speed: 2 });
  await vi.advanceTimersByTimeAsync(250);
  expect(outlet.sent).toHaveLength(2);
  const bring = (after: number, id: number) =>
    hub.onEntries(batchOf('a', `${after}-0`, [{ id: `${id}-0`, bytes: 1 }]), true);
  // Not due yet, and due by the time that the present is reached.
  bring(now - 500, now + 900);
  expect(outlet.sent).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(760);
  expect(outlet.sent.at(-1)).toBe(`a ${now + 900}-0`);
  bring(now + 900, now + HOUR_MS);
  expect(outlet.sent.at(-1)).toBe(`a ${now + HOUR_MS}-0`);
});

test('a stream that is made anew is replayed from its new beginning', async () => {
  const { outlet } = await replay({ a: [1000, 1100] });
  await vi.advanceTimersByTimeAsync(50);
  hub.onLost({ key: 'a', generation: 0, last: '0-0', newest: undefined });
  held.set('a', []);
  hub.onEntries(
    batchOf(
      'a',
      '0-0',
      [900, 1060].map((ms) => ({ id: `${ms}-0`, bytes: 1 })),
    ),
    true,
  );
  expect(outlet.sent).toEqual(['a 1000-0', 'a 900-0']);
  await vi.advanceTimersByTimeAsync(10);
  expect(outlet.sent.at(-1)).toBe('a 1060-0');
  expect(outlet.runs.map(({ gap }) => gap?.reason)).toEqual([undefined, 'deleted', undefined]);
});

test('until: complete once all of it was sent, and not while any was not acknowledged', async () => {
  const { outlet, follower } = await replay({ a: [1000, 1010, 1020] }, { until: '1010-5', ack: true });
  await vi.advanceTimersByTimeAsync(10_000);
  follower.acknowledge();
  await vi.advanceTimersByTimeAsync(0);
  expect([outlet.sent, outlet.isComplete]).toEqual([['a 1000-0', 'a 1010-0'], false]);
  follower.acknowledge();
  await vi.advanceTimersByTimeAsync(0);
  expect(outlet.isComplete).toBe(true);
  expect(asked.every(({ until }) => until === '1010-5')).toBe(true);
});

test('until in a far future is waited for, and what Redis holds then is sent first', async () => {
  const now = Date.now();
  const until = now + 40 * 24 * HOUR_MS;
  const { outlet } = await replay({ a: [1000] }, { until: `${until}-18446744073709551615`, speed: 0 });
  await vi.advanceTimersByTimeAsync(until - now);
  expect([outlet.sent, outlet.isComplete]).toEqual([['a 1000-0'], false]);
  // The hub has not heard of it.
  held.get('a')!.push({ id: `${until}-7`, bytes: 1 });
  await vi.advanceTimersByTimeAsync(1);
  expect([outlet.sent, outlet.isComplete]).toEqual([['a 1000-0', `a ${until}-7`], true]);
});

test('until in the future: a stream of which nothing is left is waited for, too', async () => {
  const until = Date.now() + 1000;
  const begun = replay({ a: [1000] }, { until: `${until}-0`, speed: 0 });
  held.set('a', []);
  const { outlet } = await begun;
  hub.onEntries(batchOf('a', '1000-0', [{ id: '2000-0', bytes: 1 }]), true);
  await vi.advanceTimersByTimeAsync(1000);
  expect([outlet.sent, outlet.isComplete]).toEqual([['a 2000-0'], false]);
  await vi.advanceTimersByTimeAsync(1);
  expect(outlet.isComplete).toBe(true);
});

test('a message that ends sooner than those of others is not shared with them', async () => {
  const [all, some] = [
    await replay({ a: [1000] }, { speed: 0, count: 9 }),
    await replay(
      { a: [1000] },
      {
        speed: 0,
        count: 9,
        until: `${Date.now()}-2`,
      },
    ),
  ];
  const now = Date.now();
  const entries = [1, 2, 3].map((seq) => ({ id: `${now}-${seq}`, bytes: 1 }));
  hub.onEntries(batchOf('a', '1000-0', entries), true);
  const [whole, part] = [all, some].map(({ outlet }) => outlet.runs.at(-1)!);
  expect([whole!.isShared, whole!.to - whole!.from]).toEqual([true, 3]);
  expect([part!.isShared, part!.to - part!.from]).toEqual([false, 2]);
});

test('an entry that was read before the readers came to it, and let go, comes once they have', async () => {
  const begun = replay({ a: [1000], b: [2000] });
  held.get('a')!.push({ id: '11000-0', bytes: 1 });
  const { outlet } = await begun;
  await vi.advanceTimersByTimeAsync(10_500);
  expect(outlet.sent).toEqual(['a 1000-0', 'b 2000-0']);
  hub.onEntries(batchOf('a', '1000-0', [{ id: '11000-0', bytes: 1 }]), true);
  expect(outlet.sent.at(-1)).toBe('a 11000-0');
});

test('nothing is sent while it is not known whether another stream has something older', async () => {
  slowKey = 'b';
  const { outlet } = await replay({ a: [1000], b: [999] });
  await vi.advanceTimersByTimeAsync(SLOW_MS - 1);
  expect(outlet.sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(2);
  expect(outlet.sent).toEqual(['b 999-0', 'a 1000-0']);
});

/** Streams of some past, what is written while they are replayed, and a client of its own habits. */
const scene = fc.record({
  streams: fc.array(fc.array(fc.nat(3000), { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 6 }),
  written: fc.array(fc.tuple(fc.nat(5), fc.nat(4000)), { maxLength: 10 }),
  bytes: fc.constantFrom(1, 1, 50_000, 3 * MIB),
  speed: fc.constantFrom(0.5, 1, 4, 100),
  count: fc.constantFrom(1, 1, 3),
  ack: fc.boolean(),
  latest: fc.boolean(),
  steps: fc.array(fc.nat(900), { minLength: 5, maxLength: 30 }),
});

test('whatever the streams, the speed and the client: each entry in its time and order, once', async () => {
  await fc.assert(
    fc.asyncProperty(scene, async ({ streams, written, bytes, speed, count, ack, latest, steps }) => {
      hub.close();
      hub = new Hub();
      hub.attach([
        { streams: 0, follow: () => {}, unfollow: () => {}, check: () => {} } as unknown as ReaderThread,
      ]);
      const rising = (times: readonly number[]) =>
        [...new Set(times)].sort((a, b) => a - b).map((ms) => 10_000 + ms);
      const keys = streams.map((_, index) => `k${index}`);
      const past = Object.fromEntries(streams.map((times, index) => [keys[index]!, rising(times)]));
      const begun = performance.now();
      const { outlet, follower } = await replay(past, { speed, count, ack, latest }, bytes);
      const writes = [...written];
      for (const step of [...steps, ...Array.from({ length: 20 }, () => 2000)]) {
        await vi.advanceTimersByTimeAsync(step);
        const write = writes.shift();
        if (write !== undefined) {
          const entries = held.get(keys[write[0] % keys.length]!)!;
          const last = entries.at(-1)!.id;
          const entry = { id: `${entryTime(last) + 1 + write[1]}-0`, bytes };
          entries.push(entry);
          hub.onEntries(batchOf(keys[write[0] % keys.length]!, last, [entry]), true);
        }
        for (let acks = 0; ack && acks < 3; acks++) {
          follower.acknowledge();
          await vi.advanceTimersByTimeAsync(0);
        }
      }
      // All that has become due by now, and is waited for.
      for (let acks = 0; acks < 200; acks++) {
        follower.acknowledge();
        await vi.advanceTimersByTimeAsync(speed < 1 ? 500 : 50);
      }
      const first = entryTime(outlet.runs[0]!.batch.ids[0]!);
      outlet.runs.forEach(({ batch, from, to }, index) => {
        expect(to - from).toBeLessThanOrEqual(latest ? 1 : count);
        const due = (entryTime(batch.ids[to - 1]!) - first) / speed;
        expect(outlet.times[index]! - begun).toBeGreaterThanOrEqual(due - 1);
      });
      for (const key of keys) {
        const sent = outlet.sent.filter((entry) => entry.startsWith(`${key} `));
        const all = held.get(key)!.map(({ id }) => `${key} ${id}`);
        if (latest) expect(sent).toEqual(all.filter((entry) => sent.includes(entry)));
        else expect(sent).toEqual(all);
        expect(sent.at(-1)).toBe(all.at(-1));
      }
      follower.close();
    }),
    { numRuns: 15 },
  );
});
