import { expect, test } from 'vitest';
import { BackOff, pause } from '../../src/client/back-off.js';

const ASKED_NOTHING = { retryAfterMs: undefined };

test('waits get longer up to a bound, and short again after a success', () => {
  const backOff = new BackOff();
  const waits = Array.from({ length: 12 }, () => backOff.next(ASKED_NOTHING, 1));
  expect(waits).toEqual([...waits].sort((a, b) => a - b));
  expect([waits[0], waits[1], waits.at(-1)]).toEqual([200, 400, 10_000]);
  backOff.reset();
  expect(backOff.next(ASKED_NOTHING, 1)).toBe(200);
});

test('half of a wait is drawn, so that not all come at once', () => {
  expect(new BackOff().next(ASKED_NOTHING, 0)).toBe(100);
  expect(new BackOff().next(ASKED_NOTHING, 0.5)).toBe(150);
});

test('a wait is never shorter than the gateway asked for', () => {
  expect(new BackOff().next({ retryAfterMs: 7000 }, 0)).toBe(7000);
});

test('a pause ends with the signal', async () => {
  const stop = new AbortController();
  const paused = pause(60_000, stop.signal);
  stop.abort();
  await paused;
  await pause(60_000, stop.signal);
});
