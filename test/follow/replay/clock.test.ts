/** The time that a replay has come to. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ReplayClock } from '../../../src/follow/replay/clock.js';

beforeEach(() => {
  vi.useFakeTimers({ now: 100_000 });
});

afterEach(() => {
  vi.useRealTimers();
});

test.each([
  [4, 1400, '1400-18446744073709551615', 25],
  [0.5, 1050, '1050-18446744073709551615', 900],
])('goes on from its first entry, %f times as fast as ours', (speed, time, reached, dueIn) => {
  const clock = new ReplayClock(speed);
  vi.advanceTimersByTime(700);
  clock.start('1000-5');
  expect([clock.time, clock.dueIn('1000-9')]).toEqual([1000, 0]);
  vi.advanceTimersByTime(100);
  expect([clock.time, clock.reached, clock.dueIn('1500-0')]).toEqual([time, reached, dueIn]);
});

test('has reached whole milliseconds only', () => {
  const clock = new ReplayClock(0.1);
  clock.start('1000-0');
  vi.advanceTimersByTime(19);
  expect(clock.reached).toBe('1001-18446744073709551615');
});

test('has caught up once it comes to the present, and not before it was started', () => {
  const clock = new ReplayClock(2);
  expect([clock.isStarted, clock.hasCaughtUp]).toEqual([false, false]);
  clock.start(`${Date.now() - 100}-0`);
  expect([clock.isStarted, clock.hasCaughtUp]).toEqual([true, false]);
  vi.advanceTimersByTime(99);
  expect(clock.hasCaughtUp).toBe(false);
  vi.advanceTimersByTime(1);
  expect(clock.hasCaughtUp).toBe(true);
});
