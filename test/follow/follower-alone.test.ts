/** When a follower sends: how its client, the time and its parameters hold it up, on a clock of the test's. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Follower, type FollowerOutlet, type FollowerParameters } from '../../src/follow/follower.js';
import { type FollowerCounters, followerCounters } from '../../src/follow/follower-context.js';
import { Hub } from '../../src/follow/live/hub.js';
import type { Run } from '../../src/follow/run.js';
import { EntryBatch } from '../../src/protocol/batch.js';
import { Failure } from '../../src/protocol/errors.js';
import { packBatches } from '../../src/redis/stream-reads.js';
import type { ReaderThread } from '../../src/threads/reader-thread.js';
import type { Threads } from '../../src/threads/threads.js';

const MIB = 1024 * 1024;
const LARGE_BYTES = 16 * 1024;
const TURN_BYTES = 4 * MIB;
const TURN_MESSAGES = 2000;
const STALL_MS = 250;
const MAX_TIMER_MS = 0x7fff_ffff;
const NOW = Date.parse('2030-01-01');

/** A client that notes what it is sent, and what not. */
class Outlet implements FollowerOutlet {
  /** `key id,id…`, `heartbeat`, `(` and `)` around what is corked. */
  readonly sent: string[] = [];
  readonly runs: Run[] = [];
  failure: Failure | undefined;
  completed = 0;
  isOpen = true;
  hasHeartbeats = true;
  onSend = () => {};

  isWritable = () => this.isOpen;

  send(run: Run): number {
    const { batch, from, to } = run;
    this.runs.push(run);
    this.sent.push(`${batch.key} ${batch.ids.slice(from, to).map((id) => Number.parseInt(id, 10))}`);
    this.onSend();
    return batch.start(to) - batch.start(from);
  }

  cork(send: () => void): void {
    this.sent.push('(');
    send();
    this.sent.push(')');
  }

  sendHeartbeat(): boolean {
    this.sent.push('heartbeat');
    return this.hasHeartbeats;
  }

  end(failure: Failure): void {
    this.failure = failure;
  }

  complete(): void {
    this.completed++;
  }

  /** What was sent but for the corks. */
  get messages(): string[] {
    return this.sent.filter((what) => what !== '(' && what !== ')');
  }
}

let hub: Hub;
let counters: FollowerCounters;
/** Reads that the pool was asked for, to be answered by the test. */
let asked: {
  readonly after: string;
  answer(ids: readonly number[]): Promise<void>;
  fail(f: Failure): void;
}[];
let outlet: Outlet;
let follower: Follower;

async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

function batchOf(key: string, after: number, ids: readonly number[], bytes: number): EntryBatch {
  const payloads = ids.map(() => Buffer.alloc(bytes));
  const read = { key, after: `${after}-0`, trimmed: false, ids: ids.map((id) => `${id}-0`), payloads };
  return new EntryBatch(packBatches([{ ...read, bytes: bytes * ids.length }]).batches[0]!);
}

const threads = {
  recycle: () => {},
  range: ({ streams }: Parameters<Threads['range']>[0]) =>
    new Promise<EntryBatch[]>((resolve, reject) => {
      const { key, after } = streams[0]!;
      asked.push({
        after,
        answer: (ids) => {
          resolve([batchOf(key, Number.parseInt(after, 10), ids, 1)]);
          return settle();
        },
        fail: reject,
      });
    }),
} as unknown as Threads;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  hub = new Hub();
  hub.attach([{ streams: 0, follow: () => {}, unfollow: () => {} } as unknown as ReaderThread]);
  counters = followerCounters();
  asked = [];
  outlet = new Outlet();
});

afterEach(() => {
  follower.close();
  hub.close();
  // None that would go on with the follower gone.
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** Follows `a` from its end `1-0` on, and others. */
function follow(parameters: Partial<FollowerParameters> = {}, keys = ['a'], cursor = '1-0'): Follower {
  follower = new Follower(
    { hub, threads, counters },
    keys.map((key) => ({ key, tail: '1-0', cursor })),
    { latest: false, count: 1, block: 0, ack: false, maxFps: 0, ...parameters },
    outlet,
  );
  follower.pump();
  return follower;
}

/** The hub has entries `from` to `to` of a stream, the first of which comes after the one before it. */
function bring(from: number, to = from, bytes = 1, key = 'a'): void {
  const ids = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  hub.onEntries(batchOf(key, from - 1, ids, bytes), true);
}

describe('a client', () => {
  test('is sent what comes, at once', () => {
    follow();
    bring(2, 3);
    bring(4);
    expect(outlet.messages).toEqual(['a 2', 'a 3', 'a 4']);
    expect([counters.bytes, counters.entries]).toEqual([3, 3]);
  });

  test('that takes nothing is sent it when it does', () => {
    follow();
    outlet.isOpen = false;
    bring(2, 3);
    expect(outlet.messages).toEqual([]);
    outlet.isOpen = true;
    follower.pump();
    expect(outlet.messages).toEqual(['a 2', 'a 3']);
  });

  test('that is full after a message is sent no more', () => {
    follow();
    outlet.onSend = () => {
      outlet.isOpen = false;
    };
    bring(2, 4);
    expect(outlet.sent).toEqual(['(', 'a 2', ')']);
  });

  test('that asks for more while it is sent something is sent it in order', () => {
    follow();
    outlet.onSend = () => follower.pump();
    bring(2, 4);
    expect(outlet.messages).toEqual(['a 2', 'a 3', 'a 4']);
  });

  test('is sent more after a message that could not be made', () => {
    follow();
    outlet.onSend = () => {
      throw new Error('no memory');
    };
    expect(() => bring(2)).toThrow('no memory');
    outlet.onSend = () => {};
    follower.pump();
    bring(3);
    expect(outlet.messages).toEqual(['a 2', 'a 2', 'a 3']);
  });

  test('is told that a stream cannot be followed', async () => {
    follow({}, ['a'], '0-0');
    const failure = new Failure('wrong_type', 'no stream');
    asked[0]!.fail(failure);
    await settle();
    expect(outlet.failure).toBe(failure);
  });

  test('that is gone is sent nothing, and nothing is left of it', async () => {
    follow({ block: 1000, maxFps: 1, until: `${NOW + 5000}-0` });
    bring(2, 3);
    outlet.isOpen = false;
    expect(outlet.messages).toEqual(['a 2']);
    expect(counters.followers.size).toBe(1);
    follower.close();
    follower.close();
    expect([counters.followers.size, hub.followers('a')]).toEqual([0, 0]);
    outlet.isOpen = true;
    follower.pump();
    follower.acknowledge();
    hub.close();
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(outlet.messages).toEqual(['a 2']);
  });

  test('that is gone with a message is sent no other', () => {
    follow();
    outlet.onSend = () => follower.close();
    bring(2, 4);
    expect(outlet.messages).toEqual(['a 2']);
  });
});

describe('messages leave', () => {
  test('together while they are small, and by themselves where they are large', () => {
    follow();
    outlet.isOpen = false;
    bring(2, 3);
    bring(4, 5, LARGE_BYTES);
    bring(6, 6, LARGE_BYTES - 1);
    outlet.isOpen = true;
    follower.pump();
    expect(outlet.sent).toEqual(['(', 'a 2', 'a 3', ')', 'a 4', 'a 5', '(', 'a 6', ')']);
    expect(counters.bytes).toBe(2 + 3 * LARGE_BYTES - 1);
  });

  test('a large one behind small ones once only', () => {
    follow();
    outlet.isOpen = false;
    bring(2);
    bring(3, 3, LARGE_BYTES);
    bring(4);
    outlet.isOpen = true;
    follower.pump();
    expect(outlet.sent).toEqual(['(', 'a 2', ')', 'a 3', '(', 'a 4', ')']);
  });

  test.each([
    ['so many small', 1, TURN_MESSAGES],
    ['so many bytes of small', LARGE_BYTES / 2, TURN_BYTES / (LARGE_BYTES / 2)],
    ['so many bytes of large', MIB, TURN_BYTES / MIB],
  ])('in turns with those of others: %s ones at a time', async (_, bytes, most) => {
    follow();
    outlet.isOpen = false;
    const last = 1 + most + 1;
    for (let id = 2; id <= last; id += 500) bring(id, Math.min(id + 499, last), bytes);
    outlet.isOpen = true;
    follower.pump();
    expect(outlet.messages).toHaveLength(most);
    vi.advanceTimersToNextTimer();
    expect(outlet.messages).toHaveLength(most + 1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('in turns with those of others: large ones behind small ones count, too', () => {
    follow();
    outlet.isOpen = false;
    const pairs = TURN_BYTES / MIB;
    for (let pair = 0; pair <= pairs; pair++) {
      bring(2 + 2 * pair);
      bring(3 + 2 * pair, 3 + 2 * pair, MIB);
    }
    outlet.isOpen = true;
    follower.pump();
    expect(outlet.messages).toHaveLength(2 * pairs);
    vi.advanceTimersToNextTimer();
    expect(outlet.messages).toHaveLength(2 * pairs + 2);
  });

  test('of several streams in turn', () => {
    follow({}, ['a', 'b']);
    outlet.isOpen = false;
    bring(2, 3);
    bring(2, 3, 1, 'b');
    outlet.isOpen = true;
    follower.pump();
    expect(outlet.messages).toEqual(['a 2', 'b 2', 'a 3', 'b 3']);
  });

  test('of several streams in turn, large ones too', () => {
    follow({}, ['a', 'b']);
    outlet.isOpen = false;
    bring(2, 3);
    bring(2, 2, LARGE_BYTES, 'b');
    outlet.isOpen = true;
    follower.pump();
    expect(outlet.sent).toEqual(['(', 'a 2', ')', 'b 2', '(', 'a 3', ')']);
  });

  test('one at a time where each is acknowledged', () => {
    follow({ ack: true, count: 2 });
    bring(2, 4);
    expect([outlet.messages, follower.state]).toEqual([['a 2,3'], 'behind']);
    follower.pump();
    expect(outlet.messages).toHaveLength(1);
    follower.acknowledge();
    expect(outlet.messages).toEqual(['a 2,3', 'a 4']);
    follower.acknowledge();
    expect([outlet.messages.length, follower.state]).toEqual([2, 'live']);
  });

  test('so many a second, and no sooner', () => {
    follow({ maxFps: 10 });
    vi.advanceTimersByTime(1000);
    bring(2, 9);
    expect(outlet.messages).toHaveLength(1);
    for (let sent = 2; sent <= 4; sent++) {
      vi.advanceTimersByTime(sent === 2 ? 98 : 99);
      follower.pump();
      expect(outlet.messages).toHaveLength(sent - 1);
      vi.advanceTimersByTime(1);
      expect(outlet.messages).toHaveLength(sent);
    }
  });

  test('so many a second, though there were none for a while', () => {
    follow({ maxFps: 10 });
    bring(2);
    vi.advanceTimersByTime(5000);
    bring(3, 9);
    expect(outlet.messages).toHaveLength(2);
    vi.advanceTimersByTime(98);
    expect(outlet.messages).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(outlet.messages).toHaveLength(3);
  });
});

test('a follower is live, catches up or is behind', async () => {
  follow({}, ['a', 'b'], '0-0');
  expect(follower.state).toBe('catching_up');
  await asked[0]!.answer([1]);
  expect(follower.state).toBe('catching_up');
  await asked[1]!.answer([1]);
  expect(follower.state).toBe('live');
  outlet.isOpen = false;
  expect(follower.state).toBe('behind');
});

describe('what was read for a client alone', () => {
  async function holdOne(parameters: Partial<FollowerParameters> = {}): Promise<void> {
    follow(parameters, ['a'], '0-0');
    outlet.isOpen = false;
    await asked.shift()!.answer([1]);
    expect(follower.slots.used).toBe(1);
  }

  test('is let go where it takes nothing for a while, and read again when it does', async () => {
    await holdOne();
    follower.pump();
    vi.advanceTimersByTime(STALL_MS - 1);
    follower.pump();
    outlet.isOpen = true;
    vi.advanceTimersByTime(0);
    outlet.isOpen = false;
    vi.advanceTimersByTime(1);
    outlet.isOpen = true;
    follower.pump();
    expect([outlet.messages, asked.map(({ after }) => after)]).toEqual([[], ['0-0']]);
    await asked.shift()!.answer([1]);
    expect(outlet.messages).toEqual(['a 1']);
  });

  test('is sent where it takes something by then', async () => {
    await holdOne();
    outlet.isOpen = true;
    vi.advanceTimersByTime(STALL_MS);
    follower.pump();
    expect([outlet.messages, asked.length]).toEqual([['a 1'], 0]);
  });

  test('is let go each time', async () => {
    await holdOne();
    for (let time = 0; time < 2; time++) {
      vi.advanceTimersByTime(STALL_MS);
      outlet.isOpen = true;
      follower.pump();
      outlet.isOpen = false;
      await asked.shift()!.answer([1]);
    }
    expect(outlet.messages).toEqual([]);
    outlet.isOpen = true;
    follower.pump();
    expect(outlet.messages).toEqual(['a 1']);
  });

  test('is let go in a replay too, where it keeps no slot', async () => {
    follow({ speed: 1 }, ['a'], '0-0');
    outlet.onSend = () => {
      outlet.isOpen = false;
    };
    await asked.shift()!.answer([1, 2]);
    expect([outlet.messages, follower.slots.used]).toEqual([['a 1'], 0]);
    vi.advanceTimersByTime(STALL_MS);
    outlet.isOpen = true;
    follower.pump();
    expect(outlet.messages).toEqual(['a 1']);
    // It comes from the hub then, which has it by now.
    outlet.onSend = () => {};
    bring(2);
    expect(outlet.messages).toEqual(['a 1', 'a 2']);
  });

  test('is held while its client has a message to acknowledge', async () => {
    follow({ ack: true }, ['a'], '0-0');
    await asked.shift()!.answer([1, 2]);
    expect(outlet.messages).toEqual(['a 1']);
    vi.advanceTimersByTime(4 * STALL_MS);
    follower.acknowledge();
    expect(outlet.messages).toEqual(['a 1', 'a 2']);
  });

  test('of one that is fed from the hub there is none: nothing is waited for', () => {
    follow();
    outlet.isOpen = false;
    bring(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a heartbeat', () => {
  test('comes after so much time without data', () => {
    follow({ block: 1000 });
    vi.advanceTimersByTime(999);
    expect(outlet.messages).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(outlet.messages).toEqual(['heartbeat']);
    vi.advanceTimersByTime(500);
    bring(2);
    vi.advanceTimersByTime(999);
    expect(outlet.messages).toEqual(['heartbeat', 'a 2']);
    vi.advanceTimersByTime(1);
    expect(outlet.messages).toEqual(['heartbeat', 'a 2', 'heartbeat']);
  });

  test('is put off by data, not by a look for some', () => {
    follow({ block: 1000 });
    vi.advanceTimersByTime(500);
    follower.pump();
    vi.advanceTimersByTime(500);
    expect(outlet.messages).toEqual(['heartbeat']);
  });

  test('does not come where there is none to come', () => {
    follow();
    vi.advanceTimersByTime(100_000);
    expect(outlet.messages).toEqual([]);
  });

  test('does not come to a client that takes nothing', () => {
    follow({ block: 1000 });
    outlet.isOpen = false;
    vi.advanceTimersByTime(1500);
    expect(outlet.messages).toEqual([]);
  });

  test('is acknowledged as a message is, before any other', () => {
    follow({ block: 1000, ack: true });
    vi.advanceTimersByTime(5000);
    bring(2);
    expect(outlet.messages).toEqual(['heartbeat']);
    follower.acknowledge();
    expect(outlet.messages).toEqual(['heartbeat', 'a 2']);
    vi.advanceTimersByTime(5000);
    expect(outlet.messages).toEqual(['heartbeat', 'a 2']);
  });

  test('is not acknowledged where nothing was sent for it, or where nothing is', () => {
    outlet.hasHeartbeats = false;
    follow({ block: 1000, ack: true });
    vi.advanceTimersByTime(1000);
    bring(2);
    expect(outlet.messages).toEqual(['heartbeat', 'a 2']);
    follower.close();
    outlet = new Outlet();
    follow({ block: 1000 });
    vi.advanceTimersByTime(1000);
    bring(3);
    expect(outlet.messages.slice(-2)).toEqual(['heartbeat', 'a 3']);
  });

  test('comes at once where all was sent that there was, and once only', async () => {
    follow({ block: -1 }, ['a'], '0-0');
    expect(outlet.messages).toEqual([]);
    await asked[0]!.answer([1]);
    expect(outlet.messages).toEqual(['a 1', 'heartbeat']);
    follower.pump();
    expect(outlet.messages).toHaveLength(2);
    bring(2);
    expect(outlet.messages.slice(2)).toEqual(['a 2', 'heartbeat']);
    follower.acknowledge();
    expect(outlet.messages.slice(4)).toEqual(['heartbeat']);
  });

  test('waits for what another stream still has to be read', async () => {
    follow({ block: -1 }, ['a', 'b'], '0-0');
    await asked[0]!.answer([1]);
    expect(outlet.messages).toEqual(['a 1']);
    await asked[1]!.answer([1]);
    expect(outlet.messages).toEqual(['a 1', 'b 1', 'heartbeat']);
  });
});

describe('no entry after an id', () => {
  const until = `${NOW + 5000}-0`;

  /** Answers whatever Redis is asked with nothing. */
  async function answerNothing(): Promise<void> {
    for (let question = asked.shift(); question !== undefined; question = asked.shift()) {
      await question.answer([]);
    }
  }

  test('is waited for: the follower is done once Redis has none either', async () => {
    follow({ until }, ['a', 'b']);
    bring(2);
    await vi.advanceTimersByTimeAsync(5000);
    expect([asked.length, outlet.completed]).toEqual([0, 0]);
    await vi.advanceTimersByTimeAsync(1);
    expect([asked.length, outlet.completed]).toEqual([2, 0]);
    await asked.shift()!.answer([]);
    expect(outlet.completed).toBe(0);
    await answerNothing();
    expect([outlet.messages, outlet.completed]).toEqual([['a 2'], 1]);
  });

  test('that has passed is not waited for', async () => {
    follow({ until: `${NOW - 1}-0` }, ['a'], '0-0');
    await asked.shift()!.answer([1]);
    await answerNothing();
    expect([outlet.messages, outlet.completed]).toEqual([['a 1'], 1]);
  });

  test('of a time that is further than a timer goes is waited for all the same', async () => {
    const far = NOW + 2 * MAX_TIMER_MS;
    follow({ until: `${far}-0` });
    await vi.advanceTimersByTimeAsync(2 * MAX_TIMER_MS);
    expect(asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    await answerNothing();
    expect(outlet.completed).toBe(1);
  });

  test('is no matter to an outlet that has no word for it', async () => {
    Object.assign(outlet, { complete: undefined });
    follow({ until: `${NOW - 1}-0` });
    await answerNothing();
    expect([outlet.messages, outlet.failure]).toEqual([[], undefined]);
  });

  test('that has passed ends it: there is no heartbeat behind that', async () => {
    follow({ until: `${NOW - 1}-0`, block: -1 });
    await answerNothing();
    expect([outlet.completed, outlet.messages]).toEqual([1, []]);
  });

  test('does not keep a heartbeat back', () => {
    follow({ until, block: -1 });
    expect(outlet.messages).toEqual(['heartbeat']);
  });
});
