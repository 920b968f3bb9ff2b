import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StreamChecks } from '../../../src/follow/live/stream-checks.js';

const LONGEST_MS = 1000;

let checks: StreamChecks;
let done: string[];
let begun: string[];

beforeEach(() => {
  vi.useFakeTimers();
  checks = new StreamChecks();
  [done, begun] = [[], []];
});

afterEach(() => {
  checks.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function wait(key: string, name: string): void {
  void checks.wait(key, () => begun.push(name)).then(() => done.push(name));
}

const settle = () => vi.advanceTimersByTimeAsync(0);

test('all who wait for a look at a stream share one', async () => {
  wait('a', 'first');
  wait('a', 'second');
  wait('b', 'other');
  expect(begun).toEqual(['first', 'other']);
  checks.done('a');
  await settle();
  expect(done).toEqual(['first', 'second']);
  wait('a', 'third');
  expect(begun).toEqual(['first', 'other', 'third']);
  await settle();
  expect(done).toEqual(['first', 'second']);
});

test('they wait for a second at most', async () => {
  wait('a', 'first');
  await vi.advanceTimersByTimeAsync(LONGEST_MS - 1);
  expect(done).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(done).toEqual(['first']);
  wait('a', 'second');
  expect(begun).toEqual(['first', 'second']);
});

test('a look that nobody waits for is no matter', () => {
  checks.done('a');
  expect(begun).toEqual([]);
});

test('it may be over before it has begun in earnest', async () => {
  void checks.wait('a', () => checks.done('a')).then(() => done.push('a'));
  await settle();
  expect(done).toEqual(['a']);
});

test('nobody waits any more at the end', async () => {
  wait('a', 'first');
  wait('b', 'second');
  checks.close();
  await settle();
  expect(done).toEqual(['first', 'second']);
});
