/** When a connection counts as silent, and when nobody looks. Connections are tested in `reconnecting-connection.test.ts`. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SilenceWatch } from '../../src/redis/silence-watch.js';

const LIMIT_MS = 800;

const connection = { movedBytes: 0 };
let isOwed = false;
const giveUp = vi.fn();
let watch: SilenceWatch;

beforeEach(() => {
  vi.useFakeTimers();
  isOwed = false;
  giveUp.mockClear();
  watch = new SilenceWatch(connection, LIMIT_MS, () => isOwed, giveUp);
});
afterEach(() => {
  watch.stop();
  vi.useRealTimers();
});

/** Asks something, which sends bytes. */
function ask(): void {
  watch.begin();
  connection.movedBytes += 10;
  isOwed = true;
}

describe('a connection that owes an answer', () => {
  test('is given up once nothing has moved for the limit', () => {
    ask();
    vi.advanceTimersByTime(LIMIT_MS);
    expect(giveUp).not.toHaveBeenCalled();
    vi.advanceTimersByTime(LIMIT_MS / 8);
    expect(giveUp).toHaveBeenCalled();
    expect(watch.silentMs).toBe(LIMIT_MS);
  });

  test('is not while something moves', () => {
    ask();
    for (let time = 0; time < 20; time++) {
      vi.advanceTimersByTime(LIMIT_MS / 2);
      connection.movedBytes++;
    }
    expect(giveUp).not.toHaveBeenCalled();
  });

  test('is given up as well if it was asked before, and answered', () => {
    ask();
    vi.advanceTimersByTime(LIMIT_MS / 2);
    isOwed = false;
    vi.advanceTimersByTime(10 * LIMIT_MS);
    expect(watch.silentMs).toBe(0);
    ask();
    vi.advanceTimersByTime(LIMIT_MS);
    expect(giveUp).not.toHaveBeenCalled();
    vi.advanceTimersByTime(LIMIT_MS / 4);
    expect(giveUp).toHaveBeenCalled();
  });
});

test('a connection that owes nothing has no timer, neither before it is asked nor after it has answered', () => {
  expect(vi.getTimerCount()).toBe(0);
  ask();
  expect(vi.getTimerCount()).toBe(1);
  isOwed = false;
  vi.advanceTimersByTime(LIMIT_MS / 4);
  expect(vi.getTimerCount()).toBe(0);
});
