import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { HeldBytes } from '../../../src/server/limits/held-bytes.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

const never = () => {
  throw new Error('nobody was to give way');
};

test('counts what is held until it is released', () => {
  const held = new HeldBytes(100);
  const [a, b] = [{}, {}];
  expect(held.hold(a, 30, never)).toBe(true);
  expect(held.hold(a, 20, never)).toBe(true);
  expect(held.hold(b, 50, never)).toBe(true);
  expect(held.bytes).toBe(100);
  held.release(a);
  held.release(a);
  expect(held.bytes).toBe(50);
  held.release(b);
  expect(held.bytes).toBe(0);
});

test('refuses what is too much, and holds none of it', () => {
  const held = new HeldBytes(100);
  expect(held.hold({}, 60, never)).toBe(true);
  expect(held.hold({}, 41, never)).toBe(false);
  expect(held.bytes).toBe(60);
  expect(held.hold({}, 40, never)).toBe(true);
});

test('one alone may hold any amount', () => {
  const held = new HeldBytes(100);
  const alone = {};
  expect(held.hold(alone, 90, never)).toBe(true);
  expect(held.hold(alone, 1000, never)).toBe(true);
  expect(held.hold({}, 1, never)).toBe(false);
});

test('who has taken long gives way to others, the slowest first, and no more than needed', () => {
  const held = new HeldBytes(100);
  const gone: string[] = [];
  const hold = (name: string, bytes: number) => held.hold({ name }, bytes, () => gone.push(name));
  expect([hold('first', 40), hold('second', 40)]).toEqual([true, true]);
  vi.advanceTimersByTime(5000);
  expect(hold('third', 20)).toBe(true);
  expect(hold('fourth', 10)).toBe(false);
  vi.advanceTimersByTime(5000);
  expect(hold('fourth', 10)).toBe(true);
  expect(gone).toEqual(['first']);
  expect(held.bytes).toBe(70);
  expect(hold('fifth', 70)).toBe(true);
  expect(gone).toEqual(['first', 'second']);
  // The third has not been at it for long.
  expect(hold('sixth', 11)).toBe(false);
  expect(gone).toEqual(['first', 'second']);
});

test('nobody gives way to itself', () => {
  const held = new HeldBytes(100);
  const slow = {};
  held.hold(slow, 60, never);
  vi.advanceTimersByTime(20_000);
  expect(held.hold(slow, 100, never)).toBe(true);
});
