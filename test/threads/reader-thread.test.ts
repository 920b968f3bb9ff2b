/** A reader thread as main sees it: what counts of what it tells, and what becomes of one that fails. */
import { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Hub } from '../../src/follow/live/hub.js';
import type { HubListener, HubStream, Reset } from '../../src/follow/live/hub-stream.js';
import { packReply } from '../../src/protocol/packed-reply.js';
import { packBatches } from '../../src/redis/stream-reads.js';
import { createLogger } from '../../src/system/logger.js';
import { ReaderThread } from '../../src/threads/reader-thread.js';
import type { ReaderCommand, ReaderEvent } from '../../workers/messages.js';

const MIB = 1024 * 1024;

/** A thread that does what a test says. */
class FakeWorker extends EventEmitter {
  readonly commands: ReaderCommand[] = [];
  isTerminated = false;

  postMessage(command: ReaderCommand): void {
    this.commands.push(command);
  }

  async terminate(): Promise<number> {
    this.isTerminated = true;
    this.emit('exit', 1);
    return 1;
  }

  tell(event: ReaderEvent): void {
    this.emit('message', event);
  }

  /** The followings that it was told of, the last of each key. */
  get followed(): Record<string, Extract<ReaderCommand, { type: 'follow' }>> {
    const follows = this.commands.filter((command) => command.type === 'follow');
    return Object.fromEntries(follows.map((command) => [command.key, command]));
  }

  /** What it was told that was taken in, in bytes. */
  get consumed(): number[] {
    return this.commands.flatMap((command) => (command.type === 'consumed' ? [command.bytes] : []));
  }

  /** Tells of entries of a stream as of that following. */
  bring(key: string, generation: number, after: string, ...ids: string[]): void {
    const payloads = ids.map((id) => Buffer.from(`${key} ${id}`));
    const bytes = payloads.reduce((sum, { length }) => sum + length, 0);
    const { batches, buffers } = packBatches([{ key, after, trimmed: false, ids, payloads, bytes }]);
    this.tell({ type: 'entries', reply: packReply(batches, [generation], buffers), isCounted: true, bytes });
  }
}

/** What one that follows a stream is told. */
class Listener implements HubListener {
  readonly #ids: string[] = [];
  readonly failures: string[] = [];
  readonly resets: Reset[] = [];
  stream: HubStream | undefined;
  #next = 0;

  follow(hub: Hub, key: string, tail: string): this {
    this.stream = hub.follow(key, tail, this);
    this.#next = this.stream.nextNumber;
    return this;
  }

  onEntries(): void {
    for (; this.#next < this.stream!.nextNumber; this.#next++) {
      this.#ids.push(...this.stream!.batch(this.#next)!.ids);
    }
  }

  onEvicted({ code }: { code: string }): void {
    this.failures.push(code);
  }

  onReset(reset: Reset): void {
    this.resets.push(reset);
  }

  get ids(): readonly string[] {
    return this.#ids;
  }
}

let hub: Hub;
let reader: ReaderThread;
let workers: FakeWorker[];

const worker = () => workers.at(-1)!;

beforeEach(() => {
  vi.useFakeTimers();
  workers = [];
  hub = new Hub();
  reader = new ReaderThread(
    () => {
      workers.push(new FakeWorker());
      return worker() as unknown as Worker;
    },
    hub,
    createLogger('silent'),
  );
  hub.attach([reader]);
});

afterEach(async () => {
  await reader.close();
  hub.close();
  vi.useRealTimers();
});

test('what was taken in is told in steps of some size, and all of it', () => {
  const take = (bytes: number) =>
    worker().tell({ type: 'entries', reply: packReply([], [], []), isCounted: true, bytes });
  for (let reply = 0; reply < 1000; reply++) take(1000);
  expect(worker().consumed).toEqual([]);
  for (let reply = 0; reply < 2000; reply++) take(1000);
  take(MIB);
  const step = Math.ceil(MIB / 1000) * 1000;
  expect(worker().consumed).toEqual([step, step, 3_000_000 - 2 * step + MIB]);
});

describe('what was under way of an earlier following', () => {
  test('comes too late for the next: a batch is not delivered twice', () => {
    // The stream's last follower has left, and its time is over while entry 11-0 is on its way. Who follows
    // next has asked for the stream's end before that entry was stored.
    const first = new Listener().follow(hub, 'k', '10-0');
    const { generation } = worker().followed.k!;
    hub.unfollow(first.stream!, first);
    vi.advanceTimersByTime(2000);
    expect(worker().commands.at(-1)).toEqual({ type: 'unfollow', key: 'k' });
    const second = new Listener().follow(hub, 'k', '10-0');
    worker().bring('k', generation, '10-0', '11-0');
    expect(second.ids).toEqual([]);
    const again = worker().followed.k!;
    expect(again).toMatchObject({ after: '10-0' });
    expect(again.generation).not.toBe(generation);
    worker().bring('k', again.generation, '10-0', '11-0', '12-0');
    expect(second.ids).toEqual(['11-0', '12-0']);
  });

  test('counts as taken in all the same: whatever it was for, the thread may bring more', () => {
    const listener = new Listener().follow(hub, 'k', '10-0');
    const { generation } = worker().followed.k!;
    hub.unfollow(listener.stream!, listener);
    vi.advanceTimersByTime(2000);
    const payload = Buffer.alloc(3 * MIB);
    const { batches, buffers } = packBatches([
      { key: 'k', after: '10-0', trimmed: false, ids: ['11-0'], payloads: [payload], bytes: payload.length },
    ]);
    const reply = packReply(batches, [generation], buffers);
    worker().tell({ type: 'entries', reply, isCounted: true, bytes: payload.length });
    expect(worker().consumed).toEqual([3 * MIB]);
  });

  test('does not end or reset the next', () => {
    const first = new Listener().follow(hub, 'k', '10-0');
    const { generation } = worker().followed.k!;
    hub.unfollow(first.stream!, first);
    vi.advanceTimersByTime(2000);
    const second = new Listener().follow(hub, 'k', '10-0');
    const failure = { error: 'of another type', code: 'wrong_type' as const };
    worker().tell({ type: 'evicted', key: 'k', generation, failure });
    worker().tell({ type: 'lost', end: { key: 'k', generation, last: '0-0', newest: undefined } });
    expect([second.failures, second.resets]).toEqual([[], []]);
    worker().tell({ type: 'evicted', key: 'k', generation: worker().followed.k!.generation, failure });
    expect(second.failures).toEqual(['wrong_type']);
    expect(hub.size).toBe(0);
  });
});

describe('a stream that ends before what was read of it', () => {
  test('is followed anew from its beginning, and what was read of it before comes too late', () => {
    const listener = new Listener().follow(hub, 'k', '10-0');
    const { generation } = worker().followed.k!;
    worker().bring('k', generation, '10-0', '11-0');
    worker().tell({ type: 'lost', end: { key: 'k', generation, last: '3-0', newest: undefined } });
    expect(listener.resets).toEqual([{ key: 'k', reason: 'recreated', base: '0-0', lastId: '11-0' }]);
    expect(worker().followed.k!).toMatchObject({ after: '0-0' });
    worker().bring('k', generation, '11-0', '12-0');
    worker().bring('k', worker().followed.k!.generation, '0-0', '1-0', '3-0', '12-0');
    expect(listener.ids).toEqual(['11-0', '1-0', '3-0', '12-0']);
    expect([hub.keptBytes > 0, hub.resets.recreated]).toEqual([true, 1]);
  });

  test.each([
    ['an entry that was had', 'k 11-0', 'shortened', '11-0'],
    ['another entry of an id that was had', 'k 11-1', 'recreated', '0-0'],
  ])('after Redis was away, with %s as its last', (_words, text, reason, base) => {
    const listener = new Listener().follow(hub, 'k', '10-0');
    const { generation } = worker().followed.k!;
    worker().bring('k', generation, '10-0', '11-0', '12-0');
    const payload = Buffer.from(text);
    const [newest] = packBatches([
      { key: 'k', after: '12-0', trimmed: false, ids: ['11-0'], payloads: [payload], bytes: payload.length },
    ]).batches;
    worker().tell({ type: 'lost', end: { key: 'k', generation, last: '11-0', newest } });
    expect(listener.resets).toEqual([{ key: 'k', reason, base, lastId: '12-0' }]);
    expect(worker().followed.k!).toMatchObject({ after: base });
  });

  test('is looked at when somebody has reason to', async () => {
    new Listener().follow(hub, 'k', '10-0');
    let isChecked = false;
    const check = Promise.all([hub.check('k'), hub.check('k'), hub.check('not followed')]).then(() => {
      isChecked = true;
    });
    expect(worker().commands.filter(({ type }) => type === 'check')).toEqual([{ type: 'check', key: 'k' }]);
    await Promise.resolve();
    expect(isChecked).toBe(false);
    worker().tell({ type: 'checked', key: 'k' });
    await check;
    // A reader without a connection does not answer, and nobody waits for ever.
    const vain = hub.check('k');
    vi.advanceTimersByTime(1000);
    await vain;
  });
});

describe('a thread', () => {
  test('that has ended is replaced: the new one goes on after what the old one brought', () => {
    const listener = new Listener().follow(hub, 'k', '10-0');
    new Listener().follow(hub, 'other', '5-0');
    const gone = new Listener().follow(hub, 'gone', '5-0');
    const { generation } = worker().followed.k!;
    worker().bring('k', generation, '10-0', '11-0');
    hub.unfollow(gone.stream!, gone);
    vi.advanceTimersByTime(2000);
    worker().emit('exit', 0);
    // Follows that come meanwhile are not lost.
    new Listener().follow(hub, 'new', '7-0');
    vi.advanceTimersByTime(1000);
    expect(workers).toHaveLength(2);
    expect(Object.values(worker().followed)).toEqual([
      { type: 'follow', key: 'k', after: '11-0', isCounted: false, generation },
      expect.objectContaining({ key: 'other', after: '5-0' }),
      expect.objectContaining({ key: 'new', after: '7-0' }),
    ]);
    worker().bring('k', generation, '11-0', '12-0');
    expect(listener.ids).toEqual(['11-0', '12-0']);
    expect(reader.replacements).toBe(1);
  });

  test('that follows a stream and does not beat is ended, and one that does is not', async () => {
    new Listener().follow(hub, 'k', '1-0');
    const beat = async (ms: number) => {
      for (let at = 0; at < ms; at += 250) {
        worker().tell({ type: 'beat', bytes: 0 });
        await vi.advanceTimersByTimeAsync(250);
      }
    };
    await beat(10_000);
    expect(worker().isTerminated).toBe(false);
    await vi.advanceTimersByTimeAsync(2000);
    expect(workers[0]!.isTerminated).toBe(true);
    await vi.advanceTimersByTimeAsync(1000);
    expect(workers).toHaveLength(2);
  });

  test('that follows nothing is not asked for a beat, and not ended', async () => {
    const asked = () => worker().commands.filter(({ type }) => type === 'beat').length;
    worker().tell({ type: 'beat', bytes: 0 });
    await vi.advanceTimersByTimeAsync(1000);
    worker().tell({ type: 'beat', bytes: 7 });
    const before = asked();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked()).toBe(before);
    expect(worker().isTerminated).toBe(false);
    expect(reader.ownBytes).toBe(7);
  });

  test('may take its time to start', async () => {
    await vi.advanceTimersByTimeAsync(20_000);
    expect(worker().isTerminated).toBe(false);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(workers[0]!.isTerminated).toBe(true);
  });

  test('that fails again and again is replaced ever less hastily, until it has settled', async () => {
    const replacedAfter = async () => {
      const count = workers.length;
      worker().emit('exit', 1);
      let ms = 0;
      for (; workers.length === count; ms += 50) await vi.advanceTimersByTimeAsync(50);
      return ms;
    };
    const waits: number[] = [];
    for (let time = 0; time < 7; time++) waits.push(await replacedAfter());
    expect(waits).toEqual([50, 100, 200, 400, 800, 1000, 1000]);
    for (let at = 0; at < 11_000; at += 250) {
      worker().tell({ type: 'beat', bytes: 0 });
      await vi.advanceTimersByTimeAsync(250);
    }
    expect(await replacedAfter()).toBe(50);
  });
});
