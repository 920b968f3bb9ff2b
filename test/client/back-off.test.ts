import { expect, test } from 'vitest';
import { pause, reconnectBackOff } from '../../src/client/back-off.js';

test('a gateway that is back is found within ten seconds, and soon at first', () => {
  const backOff = reconnectBackOff();
  const waits = Array.from({ length: 12 }, () => backOff.next(0, 1));
  expect([waits[0], waits[1], waits.at(-1)]).toEqual([200, 400, 10_000]);
  expect(reconnectBackOff().next(0, 0)).toBe(100);
});

test('a pause ends with the signal', async () => {
  const stop = new AbortController();
  const paused = pause(60_000, stop.signal);
  stop.abort();
  await expect(paused).resolves.toBeUndefined();
  await expect(pause(60_000, stop.signal)).resolves.toBeUndefined();
});
