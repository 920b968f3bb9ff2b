/** How fast reads of busy streams follow each other. */
import { expect, test } from 'vitest';
import { ReadPace } from '../../workers/read-pace.js';

test('few reads do not wait, not even a burst of them', () => {
  const pace = new ReadPace();
  for (let now = 0; now < 1000; now += 100) {
    for (let read = 0; read < 20; read++) expect(pace.count(now)).toBe(0);
  }
});

test('many wait until there is one a millisecond', () => {
  const pace = new ReadPace();
  let now = 0;
  let reads = 0;
  for (; now < 1000; reads++) now += Math.max(pace.count(now), 0.1);
  expect(reads).toBeGreaterThan(900);
  expect(reads).toBeLessThan(1050);
  // After a while a burst is free again.
  for (let read = 0; read < 20; read++) expect(pace.count(now + 100)).toBe(0);
  expect(pace.count(now + 100)).toBe(1);
});
