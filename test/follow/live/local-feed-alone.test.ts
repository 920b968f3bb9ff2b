/** A stream's feed by itself: what waits for what, and when the reader leaves the stream alone. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { HubStream } from '../../../src/follow/live/hub-stream.js';
import { type FeedTarget, LocalFeed } from '../../../src/follow/live/local-feed.js';
import { EntryBatch, type PackedBatch } from '../../../src/protocol/batch.js';

const MIB = 1024 * 1024;
/** What waits may be a little more than this. */
const MAX_WAITING_BYTES = 8 * MIB;
const RUN_BATCHES = 4;
const QUIET_MS = 1000;
const LONGEST_PAUSE_MS = 10_000;
const ZEROS = new ArrayBuffer(2 * MAX_WAITING_BYTES);

class Target implements FeedTarget {
  readonly stream = new HubStream('k', '1-0');
  isCounted = false;
  /** Ids without their sequence numbers, each batch with what was lost before it. */
  readonly taken: string[] = [];
  unread = 0;
  /** Whether the reader reads the stream, and how often that was changed. */
  isRead = true;
  changes = 0;

  take(batch: EntryBatch, isCounted: boolean): void {
    const rest = batch.restAfter(this.stream.lastId)!;
    this.stream.add(rest, isCounted);
    const lost = rest.trimmed ? `lost after ${Number.parseInt(rest.lostAfter, 10)}: ` : '';
    this.taken.push(
      `${isCounted ? '' : '?'}${lost}${rest.ids.map((id) => Number.parseInt(id, 10)).join(' ')}`,
    );
  }

  tookWithoutReading(): void {
    this.unread++;
  }

  pauseReader(): void {
    this.isRead = false;
    this.changes++;
  }

  resumeReader(): void {
    this.isRead = true;
    this.changes++;
  }
}

let target: Target;
let feed: LocalFeed;

beforeEach(() => {
  vi.useFakeTimers();
  vi.advanceTimersByTime(60_000);
  target = new Target();
  feed = new LocalFeed(target);
});

afterEach(() => {
  vi.useRealTimers();
});

interface Given {
  readonly bytes?: number;
  readonly isCounted?: boolean;
  readonly lostAfter?: number;
}

function packed(after: number, numbers: readonly number[], { bytes = 0, lostAfter }: Given): PackedBatch {
  const ends = Uint32Array.from(numbers, () => bytes);
  const ids = numbers.map((number) => `${number}-0`).join(' ');
  const loss = lostAfter === undefined ? { trimmed: false } : { trimmed: true, lostAfter: `${lostAfter}-0` };
  return { key: 'k', after: `${after}-0`, ids, ends, buffer: ZEROS, offset: 0, ...loss };
}

/** Redis has answered that entries were stored right after `after`. */
const stored = (after: number, numbers: readonly number[], given: Given = {}) =>
  feed.stored(packed(after, numbers, given), given.isCounted ?? true);

/** The reader has brought entries. */
const read = (after: number, numbers: readonly number[], given: Given = {}) =>
  feed.read(new EntryBatch(packed(after, numbers, given)), given.isCounted ?? true);

/** One write, answered. */
function store(after: number, ...numbers: number[]): void {
  feed.written();
  stored(after, numbers);
  feed.answered();
}

describe('entries of ours', () => {
  test('are taken at once where they follow the last, and what the reader brings of them is passed over', () => {
    store(1, 2, 3);
    read(1, [2, 3]);
    store(3, 4);
    expect(target.taken).toEqual(['2 3', '4']);
    expect([target.unread, feed.lastId]).toEqual([2, '4-0']);
  });

  test('wait for what lies before them', () => {
    store(3, 4);
    store(4, 5);
    expect([target.taken, target.unread]).toEqual([[], 0]);
    read(1, [2, 3]);
    expect(target.taken).toEqual(['2 3', '4', '5']);
  });

  test('come before what was read behind them, with what that had lost', () => {
    store(3, 4);
    store(4, 5);
    read(1, [7], { lostAfter: 1 });
    expect(target.taken).toEqual(['lost after 1: 4', '5', 'lost after 1: 7']);
  });

  test('go to those who want to know of losses as far as these are known of what lies before them', () => {
    stored(3, [4]);
    stored(4, [5], { isCounted: false });
    stored(5, [6]);
    read(1, [8], { isCounted: false });
    expect(target.taken).toEqual(['?4', '?5', '6', '?8']);
  });

  test('of which the reader brings some are completed', () => {
    store(3, 4, 5, 6);
    store(6, 7);
    read(1, [2, 3, 4]);
    expect(target.taken).toEqual(['2 3 4', '5 6', '7']);
  });

  test('are not waited with beyond some bytes: the reader brings them', () => {
    stored(2, [3], { bytes: MAX_WAITING_BYTES });
    stored(3, [4], { bytes: 1 });
    read(1, [2]);
    expect(target.taken).toEqual(['2']);
    read(2, [3]);
    expect(target.taken).toEqual(['2', '3', '4']);
  });

  test('that were read by then are not taken', () => {
    read(1, [2, 3, 4]);
    store(1, 2, 3);
    store(1, 2, 3, 4);
    expect(target.taken).toEqual(['2 3 4']);
  });

  test('of which it is not known what was removed before are taken as such', () => {
    stored(1, [2], { isCounted: false });
    stored(3, [4], { isCounted: false });
    read(2, [3]);
    expect(target.taken).toEqual(['?2', '3', '?4']);
  });
});

describe('what the reader brings', () => {
  test('is taken at once where nothing is under way', () => {
    read(1, [2], { isCounted: false });
    store(2, 3);
    read(3, [4]);
    expect(target.taken).toEqual(['?2', '3', '4']);
  });

  test('waits for the answer of what is under way, which holds more', () => {
    feed.written();
    read(1, [5]);
    expect(target.taken).toEqual([]);
    stored(1, [2, 3, 4, 5]);
    feed.answered();
    expect(target.taken).toEqual(['2 3 4 5']);
  });

  test('goes on waiting while more of ours is under way that follows', () => {
    feed.written();
    feed.written();
    stored(1, [2]);
    feed.answered();
    read(2, [4]);
    expect(target.taken).toEqual(['2']);
    stored(2, [3, 4]);
    feed.answered();
    expect(target.taken).toEqual(['2', '3 4']);
  });

  test('is what others wrote, if the answer does not hold it', () => {
    feed.written();
    read(1, [2]);
    read(2, [3]);
    stored(1, [2]);
    expect(target.taken).toEqual(['2']);
    feed.answered();
    expect(target.taken).toEqual(['2', '3']);
  });

  test('waits no more once an answer says that ours does not follow', () => {
    for (let times = 0; times < 4; times++) feed.written();
    read(1, [2]);
    feed.answered();
    expect(target.taken).toEqual(['2']);
    read(2, [3]);
    expect(target.taken).toEqual(['2', '3']);
    // The next follows again, and the one after it does not.
    stored(3, [4]);
    feed.answered();
    read(4, [5]);
    expect(target.taken).toEqual(['2', '3', '4']);
    feed.answered();
    expect(target.taken).toEqual(['2', '3', '4', '5']);
  });

  test('waits no more once others have changed the stream', () => {
    feed.written();
    read(1, [2]);
    feed.changedByOthers();
    expect(target.taken).toEqual(['2']);
    read(2, [3]);
    expect(target.taken).toEqual(['2', '3']);
  });

  test('does not wait where ours waits for it', () => {
    feed.written();
    feed.written();
    stored(2, [3]);
    feed.answered();
    read(1, [2]);
    expect(target.taken).toEqual(['2', '3']);
  });

  test('is taken before what is read next, once ours waits for it', () => {
    feed.written();
    feed.written();
    read(1, [2]);
    stored(3, [4]);
    read(2, [3]);
    expect(target.taken).toEqual(['2', '3', '4']);
  });

  test('does not wait beyond some bytes', () => {
    feed.written();
    read(1, [2], { bytes: MAX_WAITING_BYTES });
    read(2, [3], { bytes: 1 });
    expect(target.taken).toEqual([]);
    read(3, [4], { bytes: 1 });
    expect(target.taken).toEqual(['2', '3']);
  });

  test('and waits is forgotten with the stream, as is what is ours', () => {
    feed.written();
    read(1, [9]);
    feed.reset();
    feed.answered();
    expect(target.taken).toEqual([]);
    store(8, 9);
    feed.reset();
    read(1, [8]);
    expect(target.taken).toEqual(['8']);
  });
});

describe('a loss', () => {
  test('that the reader finds before entries that were had by then is told with the next', () => {
    target.isCounted = true;
    store(3, 4);
    read(1, [2, 3]);
    read(1, [2, 3], { lostAfter: 1 });
    store(4, 5);
    expect(target.taken).toEqual(['2 3', '4', 'lost after 1: 5']);
  });

  test('is not forgotten over an answer that holds nothing new', () => {
    target.isCounted = true;
    read(1, [2, 3]);
    read(1, [2, 3], { lostAfter: 1 });
    store(1, 2, 3);
    store(3, 4);
    expect(target.taken).toEqual(['2 3', 'lost after 1: 4']);
  });

  test('is told also where what the reader brought had waited', () => {
    target.isCounted = true;
    read(1, [2]);
    feed.written();
    read(2, [3], { lostAfter: 1 });
    stored(2, [3]);
    feed.answered();
    store(3, 4);
    expect(target.taken).toEqual(['2', '3', 'lost after 1: 4']);
  });

  test('is none where Redis has said that nothing was removed', () => {
    target.isCounted = true;
    store(1, 2);
    read(1, [2], { lostAfter: 1 });
    store(2, 3);
    expect(target.taken).toEqual(['2', '3']);
  });

  test.each([
    ['nobody wants to know', false, true],
    ['the reader has not looked', true, false],
  ])('is not told where %s', (_, isWanted, isCounted) => {
    target.isCounted = isWanted;
    read(1, [2]);
    read(1, [2], { lostAfter: 1, isCounted });
    target.isCounted = true;
    store(2, 3);
    expect(target.taken).toEqual(['2', '3']);
  });

  test('waits for an entry that goes to those who want to know', () => {
    target.isCounted = true;
    read(1, [2]);
    read(1, [2], { lostAfter: 1 });
    read(2, [3], { isCounted: false });
    store(3, 4);
    expect(target.taken).toEqual(['2', '?3', 'lost after 1: 4']);
  });

  test('is forgotten with the stream', () => {
    target.isCounted = true;
    read(1, [2]);
    read(1, [2], { lostAfter: 1 });
    feed.reset();
    store(2, 3);
    expect(target.taken).toEqual(['2', '3']);
  });
});

describe('the reader', () => {
  let last: number;

  beforeEach(() => {
    last = 1;
  });

  /** So many batches of ours, one after the other. */
  function run(batches: number): void {
    for (let batch = 0; batch < batches; batch++) store(last, ++last);
  }

  /** Has the stream left alone. */
  function pause(): void {
    run(RUN_BATCHES);
    expect([target.isRead, feed.isPaused]).toEqual([false, true]);
  }

  test('leaves a stream alone whose entries all come from here', () => {
    run(RUN_BATCHES - 1);
    expect(target.isRead).toBe(true);
    run(1);
    expect([target.isRead, feed.isPaused]).toEqual([false, true]);
    run(10);
    expect([target.isRead, target.changes]).toEqual([false, 1]);
  });

  test.each([
    ['soon enough', [250, 250, 499], false],
    ['too slowly', [250, 250, 500], true],
  ])('where they come %s', (_, pauses, isRead) => {
    run(1);
    for (const ms of pauses) {
      vi.advanceTimersByTime(ms);
      run(1);
    }
    expect(target.isRead).toBe(isRead);
    // Those count that come from then on.
    if (isRead) run(RUN_BATCHES - 1);
    expect(target.isRead).toBe(isRead);
    if (isRead) run(1);
    expect(target.isRead).toBe(false);
  });

  test('reads on where losses count', () => {
    target.isCounted = true;
    run(2 * RUN_BATCHES);
    expect(target.isRead).toBe(true);
  });

  test('reads on where others change the stream now and then', () => {
    for (let times = 0; times < 3; times++) {
      run(RUN_BATCHES - 1);
      feed.changedByOthers();
    }
    expect(target.changes).toBe(0);
    pause();
  });

  test('takes it on again when others change it', () => {
    pause();
    feed.changedByOthers();
    expect([target.isRead, feed.isPaused]).toEqual([true, false]);
    run(RUN_BATCHES - 1);
    expect(target.isRead).toBe(true);
  });

  test('takes it on again when an answer does not follow', () => {
    pause();
    feed.written();
    feed.answered();
    expect([target.isRead, feed.isPaused]).toEqual([true, false]);
    run(RUN_BATCHES - 1);
    expect(target.isRead).toBe(true);
    run(1);
    expect(target.isRead).toBe(false);
  });

  test('takes it on again once nothing came for a while', () => {
    pause();
    vi.advanceTimersByTime(QUIET_MS);
    feed.look(performance.now());
    expect(target.isRead).toBe(false);
    vi.advanceTimersByTime(1);
    feed.look(performance.now());
    feed.look(performance.now());
    expect([target.isRead, target.changes]).toEqual([true, 2]);
  });

  test('takes it on again now and then in any case', () => {
    pause();
    for (let ms = 0; ms < LONGEST_PAUSE_MS; ms += QUIET_MS / 2) {
      vi.advanceTimersByTime(QUIET_MS / 2);
      run(1);
      feed.look(performance.now());
      expect(target.isRead).toBe(false);
    }
    vi.advanceTimersByTime(1);
    feed.look(performance.now());
    expect(target.isRead).toBe(true);
  });

  test('is not asked to read a stream again that was reset: it does', () => {
    pause();
    feed.reset();
    expect(feed.isPaused).toBe(false);
    feed.resume();
    expect(target.changes).toBe(1);
    run(RUN_BATCHES - 1);
    expect(target.changes).toBe(1);
  });
});

test('what is known of the stream is what those who store entries go by', () => {
  read(1, [2, 3], { bytes: 10 });
  target.isCounted = true;
  expect([feed.lastId, feed.entryBytes, feed.isCounted]).toEqual(['3-0', 5, true]);
});
