/** Tracked reads by themselves, on a clock of the test's: what is read when, and what is made of the answers. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { bulk } from '../../src/redis/resp.js';
import type { Ask, Followed } from '../../workers/followed.js';
import type { Arrival } from '../../workers/held-reads.js';
import { ReadSize } from '../../workers/read-size.js';
import { TrackedReads } from '../../workers/tracked-reads.js';
import { arrayOf, bulkOf, readCommands, replyOf } from '../support/resp-commands.js';

const SWEEP_MS = 8000;
const SWEEP_STEP_MS = 100;
const RELEASE_MS = 10;
const ALL_AGAIN_MS = 1000;
const WATCH_MS = 1000;
/** Reads that a notice may cause in vain before the next waits. */
const FREE_EMPTY_READS = 3;
const MOST_READS_AT_ONCE = 20;

let followed: Map<string, Followed>;
let asked: { readonly command: string; readonly take: Parameters<Ask>[1] }[];
let handled: string[];
let wakes: number;
let reads: TrackedReads;

function newReads(mayMove = false, isShard = false): TrackedReads {
  const ask: Ask = (command, take) => asked.push({ command: readCommands([command])[0]!.join(' '), take });
  return new TrackedReads(
    followed,
    ask,
    { mayMove, isShard },
    {
      wake: () => {
        wakes++;
      },
      suspect: (key) => handled.push(`suspect ${key}`),
      flushed: () => handled.push('flushed'),
      demoted: (role) => handled.push(`demoted ${role}`),
    },
  );
}

beforeEach(() => {
  vi.useFakeTimers();
  followed = new Map();
  [asked, handled, wakes] = [[], [], 0];
  reads = newReads();
});

afterEach(() => {
  reads.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** Follows streams, perhaps anew. */
function follow(...keys: string[]): void {
  for (const key of keys) {
    followed.set(key, { key, word: bulk(key), after: '1-0', isLost: false, isCounted: true } as Followed);
    reads.changed(key);
  }
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`);

const next = () => reads.next(new ReadSize());

/** Sends the next read. @returns the streams that it reads */
const read = () => next()?.keys() ?? [];

/** Answers the read under way: with entries of some streams, which may have more. */
function answer(some: readonly string[] = [], full: readonly string[] = []): number {
  const arrivals = [...some, ...full].map(
    (key, index) => ({ step: { key, followed: followed.get(key), isFull: index >= some.length } }) as Arrival,
  );
  return reads.answered(arrivals);
}

/** Reads whatever there is to read, and nothing comes. @returns the streams */
function readAll(): string[] {
  const all: string[] = [];
  for (let keys = read(); keys.length > 0; keys = read()) {
    all.push(...keys);
    answer();
  }
  return all;
}

function push(...keys: string[]): void {
  reads.push(replyOf(`>2\r\n${bulkOf('invalidate')}${arrayOf(...keys.map(bulkOf))}`));
}

const pushAll = () => reads.push(replyOf(`>2\r\n${bulkOf('invalidate')}_\r\n`));

function begin(...keys: string[]): void {
  follow(...keys);
  reads.begin();
  readAll();
  wakes = 0;
}

describe('what is read', () => {
  test('is all once tracking begins, a part at a time, and then nothing', () => {
    const keys = names(12);
    follow(...keys);
    expect([read(), wakes]).toEqual([[], 0]);
    reads.begin();
    expect(wakes).toBe(1);
    const { streams } = new ReadSize();
    expect(streams).toBeLessThan(12);
    expect(read()).toEqual(keys.slice(0, streams));
    answer();
    expect(read()).toEqual(keys.slice(streams));
    answer();
    expect([next(), handled]).toEqual([undefined, []]);
  });

  test('is what Redis tells of, from its cursor on', () => {
    begin('a', 'b', 'c');
    followed.get('b')!.after = '7-0';
    push('b', 'other', 'a');
    expect(wakes).toBe(1);
    const size = new ReadSize();
    const { command } = reads.next(size)!;
    expect(readCommands(command)).toEqual([
      ['XREAD', 'COUNT', `${size.count}`, 'STREAMS', 'b', 'a', '7-0', '1-0'],
    ]);
    const forTwo = new ReadSize();
    forTwo.settle(2);
    expect(size.count).toBe(forTwo.count);
    answer(['a', 'b']);
    expect(read()).toEqual([]);
  });

  test('is nothing where Redis tells of streams that are not followed', () => {
    begin('a');
    push('other');
    expect([wakes, read()]).toEqual([0, []]);
  });

  test('is a stream that has more, once more', () => {
    begin('a');
    push('a');
    read();
    answer([], ['a']);
    expect(read()).toEqual(['a']);
    answer(['a']);
    expect([read(), handled]).toEqual([[], []]);
  });

  test('is again what was refused', () => {
    begin('a');
    push('a');
    read();
    reads.failed();
    expect(read()).toEqual(['a']);
  });

  test('is a stream that came, and not one that went', () => {
    begin('a', 'b');
    follow('c');
    push('a', 'b');
    followed.delete('a');
    reads.changed('a');
    expect(read()).toEqual(['c', 'b']);
  });

  test('is not a stream whose end is lost, and all behind it', () => {
    const { streams } = new ReadSize();
    const keys = names(streams + 1);
    begin(...keys);
    push(...keys);
    for (const key of keys.slice(0, -1)) followed.get(key)!.isLost = true;
    expect(read()).toEqual(keys.slice(-1));
    answer();
    expect(next()).toBeUndefined();
  });

  test('is not a stream that went without a word', () => {
    begin('a', 'b');
    push('a', 'b');
    followed.delete('a');
    expect(read()).toEqual(['b']);
  });

  test('is a stream that was followed anew during the read, from its new cursor on', () => {
    begin('a', 'b');
    push('a', 'b');
    read();
    follow('a');
    answer();
    expect(handled).toEqual(['suspect b']);
    expect(read()).toEqual(['a']);
  });

  test('is nothing before tracking begins, or once it has ended', () => {
    follow('a');
    push('a');
    pushAll();
    expect([read(), wakes]).toEqual([[], 0]);
    begin();
    push('a');
    reads.close();
    follow('a');
    push('a');
    pushAll();
    expect([read(), handled]).toEqual([[], []]);
  });
});

describe('entries are likely', () => {
  test('of streams whose losses count and of which Redis told a change', () => {
    begin('a', 'b', 'c');
    followed.get('b')!.isCounted = false;
    push('b', 'c');
    follow('a');
    const { keys, likely } = next()!;
    expect([keys(), likely]).toEqual([['b', 'c', 'a'], ['c']]);
  });

  test('not of one that is followed anew since', () => {
    begin('a');
    push('a');
    follow('a');
    expect(next()!.likely).toEqual([]);
  });
});

describe('a notice that brings nothing', () => {
  test('makes the stream suspect, and only a notice does', () => {
    begin('a', 'b');
    push('a');
    follow('b');
    read();
    answer();
    expect(handled).toEqual(['suspect a']);
  });

  test('again and again has the next wait a little', () => {
    begin('a');
    for (let time = 0; time < FREE_EMPTY_READS; time++) {
      push('a');
      expect(readAll()).toEqual(['a']);
    }
    wakes = 0;
    push('a');
    expect([read(), wakes]).toEqual([[], 0]);
    vi.advanceTimersByTime(RELEASE_MS);
    expect([readAll(), wakes]).toEqual([['a'], 1]);
    // Twice as long then.
    push('a');
    vi.advanceTimersByTime(RELEASE_MS);
    expect([read(), wakes]).toEqual([[], 1]);
    vi.advanceTimersByTime(RELEASE_MS);
    expect([readAll(), wakes]).toEqual([['a'], 2]);
  });

  test('does not wait for ever once tracking began again', () => {
    begin('a');
    const pushInVain = () => {
      for (let time = 0; time < FREE_EMPTY_READS; time++) {
        push('a');
        expect(readAll()).toEqual(['a']);
      }
      push('a');
      expect(readAll()).toEqual([]);
    };
    pushInVain();
    reads.begin();
    expect(readAll()).toEqual(['a']);
    pushInVain();
    vi.advanceTimersByTime(RELEASE_MS);
    expect(readAll()).toEqual(['a']);
  });
});

describe('where Redis says that all keys have changed', () => {
  test('all are read at once', () => {
    begin('a', 'b');
    vi.advanceTimersByTime(ALL_AGAIN_MS);
    readAll();
    pushAll();
    expect([readAll(), handled]).toEqual([['a', 'b'], ['flushed']]);
  });

  test('again and again, they are read once a second', () => {
    begin(...names(3));
    let streams = 0;
    for (let ms = 0; ms < 3 * ALL_AGAIN_MS; ms += 10) {
      pushAll();
      streams += readAll().length;
      vi.advanceTimersByTime(10);
    }
    const swept = Math.ceil((3 * ALL_AGAIN_MS) / SWEEP_STEP_MS);
    expect(streams).toBeGreaterThanOrEqual(2 * 3);
    expect(streams).toBeLessThanOrEqual(3 * 3 + swept);
  });

  test('soon after they were read, they are read a second later, once', () => {
    const keys = names(1000);
    begin(...keys);
    vi.advanceTimersByTime(ALL_AGAIN_MS - SWEEP_STEP_MS);
    readAll();
    pushAll();
    expect(read()).toEqual([]);
    vi.advanceTimersByTime(SWEEP_STEP_MS);
    expect(readAll()).toHaveLength(keys.length);
    vi.advanceTimersByTime(2 * ALL_AGAIN_MS);
    expect(readAll().length).toBeLessThan(keys.length / 2);
  });
});

describe('what Redis does not tell of', () => {
  test('is read in eight seconds, a few streams at a time, again and again', () => {
    const keys = names(160);
    begin(...keys);
    for (let round = 0; round < 3; round++) {
      const seen: string[] = [];
      // One more, in which the streams begin anew.
      for (let ms = 0; ms <= SWEEP_MS; ms += SWEEP_STEP_MS) {
        wakes = 0;
        vi.advanceTimersByTime(SWEEP_STEP_MS);
        const part = readAll();
        expect([part.length, wakes]).toEqual(ms < SWEEP_MS ? [2, 1] : [0, 0]);
        seen.push(...part);
      }
      expect(seen).toEqual(keys);
    }
    expect(handled).toEqual([]);
  });

  test('is nothing where nothing is followed', () => {
    begin();
    vi.advanceTimersByTime(10 * SWEEP_STEP_MS);
    expect([wakes, next()]).toEqual([0, undefined]);
  });
});

describe('an idle connection', () => {
  const watch = (): string[] => {
    vi.advanceTimersByTime(WATCH_MS);
    return asked.map(({ command }) => command);
  };

  test('is asked something each second, and no more while it does not answer', () => {
    begin();
    expect([watch(), watch()]).toEqual([['PING'], ['PING']]);
    asked.shift()!.take(replyOf('+PONG\r\n'));
    expect(watch()).toEqual(['PING']);
    // Another one owes no answer.
    reads.begin();
    asked.length = 0;
    expect(watch()).toEqual(['PING']);
    asked.shift()!.take(replyOf('-ERR no\r\n'));
    expect([watch(), handled]).toEqual([['PING'], []]);
  });

  test.each([
    ['master', arrayOf(bulkOf('master'), ':1\r\n', arrayOf()), []],
    ['slave', arrayOf(bulkOf('slave'), bulkOf('10.0.0.1'), ':6379\r\n'), ['demoted slave']],
    ['no answer to that', '-NOPERM no\r\n', []],
  ])('beside Sentinels is asked whether it is the master: %s', (_, role, said) => {
    reads = newReads(true);
    begin();
    expect(watch()).toEqual(['ROLE']);
    asked.shift()!.take(replyOf(role));
    expect(handled).toEqual(said);
    expect(watch()).toEqual(['ROLE']);
  });
});

test('many reads in a row wait for entries of more streams', () => {
  begin('a');
  vi.advanceTimersByTime(1000);
  readAll();
  vi.advanceTimersByTime(50);
  const waits: number[] = [];
  for (let time = 0; time <= MOST_READS_AT_ONCE; time++) {
    follow('a');
    read();
    waits.push(answer(['a']));
  }
  expect(waits).toEqual([...Array(MOST_READS_AT_ONCE).fill(0), 1]);
});

describe('at a node of a cluster', () => {
  beforeEach(() => {
    reads = newReads(true, true);
  });

  test('each stream is read by a command of its own', () => {
    follow('a', 'b');
    followed.get('b')!.asks = true;
    reads.begin();
    const { command, apart } = next()!;
    const words = (key: string) => expect.arrayContaining(['XREAD', key]);
    expect(readCommands(command)).toEqual([words('a'), ['ASKING'], words('b')]);
    expect(apart).toEqual([...followed.values()]);
  });

  test('one that could not be read is read again a little later, while others are read', () => {
    begin('a', 'b');
    push('a', 'b');
    expect(read()).toEqual(['a', 'b']);
    reads.answered([], { streams: new Set([followed.get('a')!]), againMs: 100 });
    expect(handled).toEqual(['suspect b']);
    expect(read()).toEqual([]);
    vi.advanceTimersByTime(100 - RELEASE_MS);
    expect(read()).toEqual([]);
    vi.advanceTimersByTime(2 * RELEASE_MS);
    expect(read()).toEqual(['a']);
  });
});
