/** How many streams are read for one client at once, and which is the next. */
import { expect, test } from 'vitest';
import { ReadSlots } from '../../../src/follow/catch-up/read-slots.js';

test('four are read for at once; the others have their slots in the order in which they asked', () => {
  const slots = new ReadSlots();
  const given: number[] = [];
  const users = Array.from({ length: 8 }, (_, index) => ({ onSlot: () => given.push(index) }));
  expect(users.map((user) => slots.take(user))).toEqual([...Array(4).fill(true), ...Array(4).fill(false)]);
  expect(slots.used).toBe(4);
  slots.leave(users[5]!);
  for (let slot = 0; slot < 3; slot++) slots.give();
  expect([given, slots.used]).toEqual([[4, 6, 7], 4]);
  // Nobody waits any more.
  for (let slot = 0; slot < 4; slot++) slots.give();
  expect([given.length, slots.used]).toEqual([3, 0]);
  expect(slots.take(users[0]!)).toBe(true);
});
