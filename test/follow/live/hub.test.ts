/** Who follows which stream: what its reader is asked, what is held, and whose client it is counted for. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Hub } from '../../../src/follow/live/hub.js';
import type { HubListener, StreamPayer } from '../../../src/follow/live/hub-stream.js';
import { EntryBatch } from '../../../src/protocol/batch.js';
import { Failure } from '../../../src/protocol/errors.js';
import type { ReaderThread } from '../../../src/threads/reader-thread.js';

const MIB = 1024 * 1024;
const LINGER_MS = 2000;
const CHECK_MS = 1000;
/** What a batch takes besides its payloads. */
const OVERHEAD = 512;
/** What all payloads lie in: to make them would take most of the time. */
const ZEROS = new ArrayBuffer(65 * MIB);

let hub: Hub;
/** What the readers were asked, in order. */
let asked: string[];

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  hub = newHub();
});

afterEach(() => {
  hub.close();
  expect([hub.size, vi.getTimerCount()]).toEqual([0, 0]);
  vi.useRealTimers();
});

/** A reader that notes what it is asked, and has so many streams. */
function newReader(streams: number, name = ''): ReaderThread {
  const note =
    (what: string) =>
    (...words: unknown[]) =>
      asked.push([`${name}${what}`, ...words].join(' '));
  return {
    streams,
    follow: note('follow'),
    unfollow: note('unfollow'),
    check: note('check'),
    count: note('count'),
  } as unknown as ReaderThread;
}

function newHub(maxStreams?: number, ...readers: ReaderThread[]): Hub {
  const made = new Hub(maxStreams);
  made.attach(readers.length === 0 ? [newReader(0)] : readers);
  return made;
}

function newListener(more: Pick<HubListener, 'payer' | 'countsLosses'> = {}) {
  return { onEntries: vi.fn(), onReset: vi.fn(), onEvicted: vi.fn(), ...more } satisfies HubListener;
}

/** A client, and how many streams are counted for it. */
class Payer implements StreamPayer {
  streams = 0;
  take(streams: number): void {
    this.streams += streams;
  }
  give(streams: number): void {
    this.streams -= streams;
  }
}

function packed(key: string, after: number, bytes: number, entries = 1) {
  const ids = Array.from({ length: entries }, (_, index) => `${after + 1 + index}-0`).join(' ');
  const ends = Uint32Array.from({ length: entries }, (_, index) => (bytes / entries) * (index + 1));
  return { key, after: `${after}-0`, ids, ends, buffer: ZEROS, offset: 0, trimmed: false };
}

/** Brings a batch of entries after `after`-0, as a reader does. */
function bring(key: string, after: number, bytes = 1, entries = 1): void {
  hub.onEntries(new EntryBatch(packed(key, after, bytes, entries)), true);
}

describe('a stream', () => {
  test('is read once, however many follow it, by the reader that has the fewest', () => {
    hub = newHub(undefined, newReader(2, 'a '), newReader(1, 'b '), newReader(1, 'c '));
    const stream = hub.follow('k', '5-0', newListener());
    expect(hub.follow('k', '6-0', newListener())).toBe(stream);
    expect(asked).toEqual(['b follow k 5-0  false']);
    expect([hub.size, hub.followers('k'), hub.lastId('k')]).toEqual([1, 2, '5-0']);
    expect([hub.followers('other'), hub.lastId('other')]).toEqual([0, undefined]);
  });

  test('has its entries told to all that follow it, and counted once', () => {
    const listeners = [newListener(), newListener()];
    for (const listener of listeners) hub.follow('k', '1-0', listener);
    const other = newListener();
    hub.follow('other', '1-0', other);
    bring('k', 1, 60, 3);
    bring('nobody’s', 1, 60, 3);
    expect(listeners.map(({ onEntries }) => onEntries.mock.calls.length)).toEqual([1, 1]);
    expect(other.onEntries).not.toHaveBeenCalled();
    expect(hub).toMatchObject({ entriesRead: 3, bytesRead: 60, keptBytes: 60 + OVERHEAD });
    expect(hub.lastId('k')).toBe('4-0');
  });

  test('is read on for a while once nobody follows it, since clients that poll come back', () => {
    const [first, second] = [newListener(), newListener()];
    const stream = hub.follow('k', '1-0', first);
    hub.unfollow(stream, first);
    vi.advanceTimersByTime(LINGER_MS - 1);
    expect(hub.follow('k', '9-0', second)).toBe(stream);
    vi.advanceTimersByTime(LINGER_MS);
    expect(hub.size).toBe(1);
    hub.unfollow(stream, second);
    bring('k', 1);
    vi.advanceTimersByTime(LINGER_MS - 1);
    expect([hub.size, hub.followers('k'), asked.length]).toEqual([1, 0, 1]);
    vi.advanceTimersByTime(1);
    expect([hub.size, hub.keptBytes]).toEqual([0, 0]);
    expect(asked.slice(1)).toEqual(['unfollow k']);
  });

  test('is read on while one follower is left', () => {
    const [first, second] = [newListener(), newListener()];
    const stream = hub.follow('k', '1-0', first);
    hub.follow('k', '1-0', second);
    hub.unfollow(stream, first);
    vi.advanceTimersByTime(LINGER_MS);
    expect(hub.size).toBe(1);
    bring('k', 1);
    expect([first.onEntries.mock.calls.length, second.onEntries.mock.calls.length]).toEqual([0, 1]);
  });

  test('that cannot be read is given up, and may be followed again', () => {
    const listeners = [newListener(), newListener()];
    const [stream] = listeners.map((listener) => hub.follow('k', '1-0', listener));
    bring('k', 1);
    const failure = new Failure('wrong_type', 'no stream');
    hub.onEvicted('k', failure);
    hub.onEvicted('other', failure);
    for (const { onEvicted } of listeners) expect(onEvicted.mock.calls).toEqual([[failure]]);
    expect([hub.size, hub.keptBytes]).toEqual([0, 0]);
    const again = newListener();
    hub.follow('k', '2-0', again);
    // The old ones leave late, and take nothing of the new one with them.
    for (const listener of listeners) hub.unfollow(stream!, listener);
    vi.advanceTimersByTime(LINGER_MS);
    expect([hub.size, hub.followers('k')]).toEqual([1, 1]);
    expect(asked).toEqual(['follow k 1-0  false', 'follow k 2-0  false']);
  });

  test('that cannot be read while it lingers is given up at once', () => {
    const listener = newListener();
    hub.unfollow(hub.follow('k', '1-0', listener), listener);
    hub.onEvicted('k', new Failure('wrong_type', 'no stream'));
    expect([hub.size, vi.getTimerCount()]).toEqual([0, 0]);
  });
});

describe('how many streams are followed at once', () => {
  test('is bounded, and those followed already need no room', () => {
    hub = newHub(2);
    hub.checkRoom(['a', 'b']);
    hub.follow('a', '1-0', newListener());
    hub.checkRoom(['a', 'b']);
    hub.checkRoom(['a']);
    expect(() => hub.checkRoom(['b', 'a', 'c'])).toThrow(
      expect.objectContaining({
        code: 'overloaded',
        message: expect.stringContaining('MAX_FOLLOWED_STREAMS=2'),
      }),
    );
  });

  test('is bounded for each client by those that are not followed yet', () => {
    hub.follow('a', '1-0', newListener());
    const check = vi.fn();
    hub.checkRoom(['a'], check);
    expect(check).not.toHaveBeenCalled();
    hub.checkRoom(['a', 'b', 'c'], check);
    expect(check.mock.calls).toEqual([[2]]);
  });
});

describe('where a stream was seen to end', () => {
  test('its reader counts from there, if it begins there', () => {
    hub.noteEnd('k', { id: '5-0', added: 7 });
    hub.noteEnd('other', { id: '5-0', added: 7 });
    hub.follow('k', '5-0', newListener());
    hub.follow('other', '6-0', newListener());
    expect(asked).toEqual(['follow k 5-0 7 false', 'follow other 6-0  false']);
  });

  test('is remembered for one reading, and not of a stream that is read', () => {
    const listener = newListener();
    hub.noteEnd('k', { id: '5-0', added: 7 });
    const stream = hub.follow('k', '5-0', listener);
    hub.noteEnd('k', { id: '5-0', added: 8 });
    hub.unfollow(stream, listener);
    vi.advanceTimersByTime(LINGER_MS);
    hub.follow('k', '5-0', listener);
    expect(asked.at(-1)).toBe('follow k 5-0  false');
  });

  test('is remembered of so many streams only', () => {
    for (const [last, isKnown] of [
      [4095, true],
      [4096, false],
    ] as const) {
      asked = [];
      hub = newHub();
      for (let index = 0; index <= last; index++) hub.noteEnd(`k${index}`, { id: '5-0', added: index });
      for (const key of ['k0', `k${last}`]) hub.follow(key, '5-0', newListener());
      expect(asked).toEqual([
        `follow k0 5-0 ${isKnown ? '0' : ''} false`,
        `follow k${last} 5-0 ${last} false`,
      ]);
    }
  });
});

describe('a stream is counted for', () => {
  test('the first client that follows it, then another that does, then nobody', () => {
    const [first, second] = [new Payer(), new Payer()];
    const listeners = [first, second].map((payer) => newListener({ payer }));
    const streams = () => [first.streams, second.streams];
    const [stream] = listeners.map((listener) => hub.follow('k', '1-0', listener));
    expect(streams()).toEqual([1, 0]);
    hub.unfollow(stream!, listeners[0]!);
    expect(streams()).toEqual([0, 1]);
    hub.unfollow(stream!, listeners[1]!);
    // It is still read.
    expect(streams()).toEqual([0, 1]);
    vi.advanceTimersByTime(LINGER_MS);
    expect(streams()).toEqual([0, 0]);
  });

  test('the first, while another comes and goes', () => {
    const [first, second] = [new Payer(), new Payer()];
    const stream = hub.follow('k', '1-0', newListener({ payer: first }));
    const other = newListener({ payer: second });
    hub.follow('k', '1-0', other);
    hub.unfollow(stream, other);
    expect([first.streams, second.streams]).toEqual([1, 0]);
  });

  test('the one that comes while it lingers', () => {
    const [first, second] = [new Payer(), new Payer()];
    const listener = newListener({ payer: first });
    hub.unfollow(hub.follow('k', '1-0', listener), listener);
    hub.follow('k', '1-0', newListener({ payer: second }));
    expect([first.streams, second.streams]).toEqual([0, 1]);
  });

  test('nobody once it cannot be read', () => {
    const payer = new Payer();
    hub.follow('k', '1-0', newListener({ payer }));
    hub.onEvicted('k', new Failure('wrong_type', 'no stream'));
    expect(payer.streams).toBe(0);
  });
});

test('its reader looks for losses while any follower wants to know of them', () => {
  const [first, second, other] = [
    newListener({ countsLosses: true }),
    newListener({ countsLosses: true }),
    newListener({ countsLosses: false }),
  ];
  const stream = hub.follow('k', '1-0', other);
  expect(asked.splice(0)).toEqual(['follow k 1-0  false']);
  hub.follow('k', '1-0', first);
  expect(asked.splice(0)).toEqual(['count k true']);
  hub.follow('k', '1-0', second);
  expect(asked).toEqual([]);
  hub.unfollow(stream, other);
  hub.unfollow(stream, first);
  expect(asked).toEqual([]);
  hub.onLost({ key: 'k', generation: 0, last: '0-0', newest: undefined });
  expect(asked.splice(0)).toEqual(['follow k 0-0 0 true']);
  hub.unfollow(stream, second);
  expect(asked.splice(0)).toEqual(['count k false']);
  hub.onLost({ key: 'k', generation: 0, last: '0-0', newest: undefined });
  expect(asked).toEqual(['follow k 0-0 0 false']);
});

describe('a stream that ends before what was read of it', () => {
  test.each([
    ['deleted', '0-0', undefined, '0-0', '0'],
    ['recreated', '2-0', undefined, '0-0', '0'],
    // It holds what we read under that id, or something else.
    ['shortened', '3-0', packed('k', 2, 1), '3-0', ''],
    ['recreated', '3-0', packed('k', 2, 2), '0-0', '0'],
  ])('was %s, if it ends at %s', (reason, last, newest, base, added) => {
    const listeners = [newListener(), newListener()];
    for (const listener of listeners) hub.follow('k', '1-0', listener);
    for (const after of [1, 2, 3]) bring('k', after);
    hub.onLost({ key: 'k', generation: 0, last, newest });
    const reset = { key: 'k', reason, base, lastId: '4-0' };
    for (const { onReset } of listeners) expect(onReset.mock.calls).toEqual([[reset]]);
    expect(hub.resets).toEqual({ deleted: 0, recreated: 0, shortened: 0, ahead: 0, [reason]: 1 });
    expect(asked.slice(1)).toEqual([`follow k ${base} ${added} false`]);
    expect([hub.keptBytes, hub.lastId('k')]).toEqual([0, base]);
  });

  test('is none of ours if nobody follows it', () => {
    hub.onLost({ key: 'k', generation: 0, last: '0-0', newest: undefined });
    expect([asked, hub.resets.deleted]).toEqual([[], 0]);
  });
});

describe('a look at a stream', () => {
  const settled = async (promise: Promise<void>): Promise<boolean> => {
    let is = false;
    void promise.then(() => {
      is = true;
    });
    await vi.advanceTimersByTimeAsync(0);
    return is;
  };

  test('is shared by those that wait for it', async () => {
    hub.follow('k', '1-0', newListener());
    const looks = [hub.check('k'), hub.check('k')];
    expect(asked.slice(1)).toEqual(['check k']);
    for (const look of looks) expect(await settled(look)).toBe(false);
    hub.onChecked('k');
    for (const look of looks) expect(await settled(look)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
    void hub.check('k');
    expect(asked.slice(1)).toEqual(['check k', 'check k']);
  });

  test('ends after a while where its reader does not answer', async () => {
    hub.follow('k', '1-0', newListener());
    const look = hub.check('k');
    await vi.advanceTimersByTimeAsync(CHECK_MS - 1);
    expect(await settled(look)).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await settled(look)).toBe(true);
    // Its answer comes late.
    hub.onChecked('k');
  });

  test('is not taken at one that nobody follows, and ends with the hub', async () => {
    expect(await settled(hub.check('k'))).toBe(true);
    expect(asked).toEqual([]);
    hub.follow('k', '1-0', newListener());
    const look = hub.check('k');
    hub.close();
    expect(await settled(look)).toBe(true);
  });
});

describe('what is held for followers that are behind', () => {
  test('is bounded for each stream, but for its newest batch', () => {
    const stream = hub.follow('k', '1-0', newListener());
    for (const after of [1, 2]) bring('k', after, 4 * MIB - OVERHEAD);
    expect(stream.length).toBe(2);
    bring('k', 3, 1);
    expect([stream.length, stream.startAfter]).toEqual([2, '2-0']);
    bring('k', 4, 16 * MIB);
    expect([stream.length, hub.keptBytes]).toEqual([1, 16 * MIB + OVERHEAD]);
  });

  test('is the newest batch, were it larger than all that may be held', () => {
    const stream = hub.follow('k', '1-0', newListener());
    bring('k', 1, 65 * MIB);
    expect(stream.length).toBe(1);
    bring('k', 2, 1);
    expect([stream.length, hub.keptBytes]).toEqual([1, 1 + OVERHEAD]);
  });

  test('is bounded for all streams together: what came first goes first', () => {
    const keys = Array.from({ length: 9 }, (_, index) => `k${index}`);
    const streams = keys.map((key) => hub.follow(key, '1-0', newListener()));
    const lengths = () => streams.map(({ length }) => length);
    const half = 4 * MIB - OVERHEAD;
    for (const after of [1, 2]) for (const key of keys.slice(0, 8)) bring(key, after, half);
    expect([lengths(), hub.keptBytes]).toEqual([[2, 2, 2, 2, 2, 2, 2, 2, 0], 64 * MIB]);
    bring('k8', 1, half);
    expect(lengths()).toEqual([1, 2, 2, 2, 2, 2, 2, 2, 1]);
    // Its own bound has let go of what would be the next of all.
    bring('k1', 3, half);
    expect(lengths()).toEqual([1, 2, 2, 2, 2, 2, 2, 2, 1]);
    bring('k8', 2, half);
    expect([lengths(), hub.keptBytes]).toEqual([[1, 2, 1, 2, 2, 2, 2, 2, 2], 64 * MIB]);
  });

  test('does not forget what came first, however many batches came and went', () => {
    const keys = Array.from({ length: 8 }, (_, index) => `k${index}`);
    const [first] = keys.map((key) => hub.follow(key, '1-0', newListener()));
    const small = hub.follow('small', '0-0', newListener());
    const half = 4 * MIB - OVERHEAD;
    for (const key of keys) bring(key, 1, half);
    // Each drops the one before.
    for (let after = 0; after < 3000; after++) bring('small', after, 16 * MIB);
    expect([small.length, first!.length]).toEqual([1, 1]);
    bring('k1', 2, half);
    for (const key of keys.slice(2)) bring(key, 2, half);
    expect([first!.length, hub.keptBytes <= 64 * MIB]).toEqual([0, true]);
  });
});

test('how late entries are is measured by their own time, which may be ahead of our clock', () => {
  vi.setSystemTime(10_000);
  const lastAt = (ms: number) => new EntryBatch(packed('k', ms - 1, 2, 2));
  hub.onReply(300, lastAt(9_000));
  hub.onReply(200, lastAt(10_500));
  hub.onReply(100, undefined);
  expect([hub.deliveryLag.sum, hub.deliveryLag.counts.reduce((sum, count) => sum + count)]).toEqual([1, 2]);
  expect(hub.replyBytes.sum).toBe(600);
});
