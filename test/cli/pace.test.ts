import { expect, test } from 'vitest';
import { Pace } from '../../src/cli/pace.js';

const NEVER = new AbortController().signal;

test('never exceeds its rate', async () => {
  const pace = new Pace(200);
  const start = performance.now();
  for (let turn = 0; turn < 20; turn++) await pace.wait(NEVER);
  // Nineteen intervals of 5 ms, less what Node's whole-millisecond timers fire early.
  expect(performance.now() - start).toBeGreaterThan(93);
});

test('makes up for a late turn', async () => {
  const pace = new Pace(10);
  await pace.wait(NEVER);
  const late = performance.now() + 300;
  while (performance.now() < late);
  const start = performance.now();
  for (let turn = 0; turn < 3; turn++) await pace.wait(NEVER);
  // All three were due already: none set a timer of its own 100 ms.
  expect(performance.now() - start).toBeLessThan(100);
});

test('a signal ends the wait', async () => {
  const pace = new Pace(0.001);
  const stop = new AbortController();
  await pace.wait(stop.signal);
  const wait = pace.wait(stop.signal);
  stop.abort();
  await expect(wait).resolves.toBeUndefined();
});
