/** Which of the streams that Redis tells of are read, and when. */
import { beforeEach, describe, expect, test } from 'vitest';
import { ChangedStreams } from '../../workers/changed-streams.js';

let changed: ChangedStreams;

beforeEach(() => {
  changed = new ChangedStreams();
});

const next = (most = 100) => changed.next(most).map(([key]) => key);

test('all are read in the order in which they changed, as many at once as may be', () => {
  for (const key of ['a', 'b', 'c']) changed.noticed(key, 0);
  changed.noticed('a', 1);
  expect(next(2)).toEqual(['a', 'b']);
  // Until they are read they stay: a read may be refused.
  expect(next(2)).toEqual(['a', 'b']);
  changed.read('a', 'some', true, 2);
  changed.read('b', 'none', true, 2);
  expect(next(2)).toEqual(['c']);
});

test('one that has more waits for the others', () => {
  for (const key of ['a', 'b', 'c']) changed.add(key);
  changed.read('a', 'full', false, 0);
  expect(next()).toEqual(['b', 'c', 'a']);
});

test('a notice is remembered, whatever else asks for the read', () => {
  changed.add('a');
  changed.add('b');
  changed.noticed('b', 0);
  changed.noticed('c', 0);
  changed.add('c');
  expect([...changed.next(3)]).toEqual([
    ['a', false],
    ['b', true],
    ['c', true],
  ]);
});

describe('a stream whose notices bring nothing', () => {
  const readEmpty = (now: number) => {
    changed.noticed('a', now);
    expect(next()).toEqual(['a']);
    changed.read('a', 'none', true, now);
  };

  test('is read at once two times, then later and later', () => {
    readEmpty(0);
    readEmpty(0);
    readEmpty(0);
    let now = 0;
    for (const wait of [10, 20, 40, 80, 160, 320, 500, 500]) {
      changed.noticed('a', now);
      expect(next()).toEqual([]);
      expect(changed.hasDelayed).toBe(true);
      changed.release(now + wait - 1);
      expect(next()).toEqual([]);
      now += wait;
      changed.release(now);
      expect([...changed.next(1)]).toEqual([['a', true]]);
      expect(changed.hasDelayed).toBe(false);
      changed.read('a', 'none', true, now);
    }
  });

  test('is read at once where the last empty read is long ago', () => {
    for (let time = 0; time < 20; time++) {
      changed.noticed('a', time * 500);
      expect(next()).toEqual(['a']);
      changed.read('a', 'none', true, time * 500);
    }
  });

  test('is read at once again after it brought entries', () => {
    for (let now = 0; now < 3; now++) readEmpty(0);
    changed.add('a');
    changed.read('a', 'some', false, 1);
    readEmpty(1);
  });

  test('is read before its time where that is asked for', () => {
    for (let now = 0; now < 3; now++) readEmpty(0);
    changed.noticed('a', 0);
    changed.add('a');
    expect(next()).toEqual(['a']);
    expect(changed.hasDelayed).toBe(false);
  });

  test('counts those reads only that a notice caused', () => {
    for (let time = 0; time < 10; time++) {
      changed.add('a');
      changed.read('a', 'none', false, 0);
    }
    readEmpty(0);
  });
});

test('what is forgotten is not read', () => {
  for (const key of ['a', 'b']) changed.noticed(key, 0);
  changed.delete('a');
  expect([next(), changed.size]).toEqual([['b'], 1]);
  changed.clear();
  expect([next(), changed.size]).toEqual([[], 0]);
});

test('one that could not be read is due later, unless it changes before', () => {
  for (const key of ['a', 'b']) changed.add(key);
  changed.later('a', 100);
  changed.later('b', 100);
  expect([next(), changed.hasDelayed]).toEqual([[], true]);
  changed.noticed('b', 50);
  changed.release(99);
  expect(next()).toEqual(['b']);
  changed.release(100);
  expect(next()).toEqual(['b', 'a']);
});
