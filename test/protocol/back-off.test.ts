import { expect, test } from 'vitest';
import { BackOff } from '../../src/protocol/back-off.js';

test('waits get longer up to a bound, and short again after a success', () => {
  const backOff = new BackOff(20, 500);
  expect(backOff.isFresh).toBe(true);
  const waits = Array.from({ length: 8 }, () => backOff.next());
  expect(waits).toEqual([20, 40, 80, 160, 320, 500, 500, 500]);
  expect(backOff.isFresh).toBe(false);
  backOff.reset();
  expect(backOff.isFresh).toBe(true);
  expect(backOff.next()).toBe(20);
});

test('a part of a wait is drawn, so that not all come at once', () => {
  const wait = (random: number) => new BackOff(200, 10_000, 0.5).next(0, random);
  expect([wait(0), wait(0.5), wait(1)]).toEqual([100, 150, 200]);
});

test('a wait is never shorter than the other side has asked for', () => {
  expect(new BackOff(200, 10_000, 0.5).next(7000, 0)).toBe(7000);
});
