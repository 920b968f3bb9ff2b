/** That a loop which stands still is noticed, and is forgotten once it was reported. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { LoopLag } from '../../../src/server/endpoints/loop-lag.js';

const STANDSTILL_MS = 120;
/** What comes right after a scrape is looked at this often; the rest of a standstill is lag. */
const SAMPLE_MS = 10;

function standStill(): void {
  const until = performance.now() + STANDSTILL_MS;
  while (performance.now() < until);
}

test('a standstill right after a scrape is the most of the next', async () => {
  const lag = new LoopLag();
  lag.take();
  standStill();
  // Longer than a sample takes to come, once the loop runs again.
  await delay(SAMPLE_MS);
  const { max, mean, min, p99 } = lag.take();
  const least = (STANDSTILL_MS - SAMPLE_MS - 1) / 1000;
  expect(max).toBeGreaterThanOrEqual(least);
  // A percentile is one of what was seen, to the histogram's three digits.
  expect(p99).toBeGreaterThanOrEqual(least);
  expect(mean).toBeLessThanOrEqual(max);
  expect(min).toBeLessThanOrEqual(mean);
});

test('what was reported is not reported again', () => {
  const lag = new LoopLag();
  standStill();
  lag.take();
  expect(lag.take()).toEqual({ min: 0, max: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0 });
});
