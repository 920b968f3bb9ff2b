/** How long Redis is not asked again, on a clock of the test's. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TrackingAttempts } from '../../src/redis/tracking-attempts.js';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** Ms until it may be tried again, to 1 s. */
function waitOf(attempts: TrackingAttempts): number {
  let waited = 0;
  for (; !attempts.mayTry; waited += 1000) vi.advanceTimersByTime(1000);
  return waited;
}

test('it is asked at first, after each failure twice as long later, and soon again once it worked', () => {
  const attempts = new TrackingAttempts();
  expect(attempts.mayTry).toBe(true);
  const waits = Array.from({ length: 8 }, () => {
    attempts.failed();
    return waitOf(attempts);
  });
  expect(waits).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000]);
  attempts.failed();
  attempts.succeeded();
  expect(attempts.mayTry).toBe(true);
  attempts.failed();
  expect(waitOf(attempts)).toBe(10_000);
});
