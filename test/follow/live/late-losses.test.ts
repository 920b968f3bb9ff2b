import { beforeEach, expect, test } from 'vitest';
import { LateLosses } from '../../../src/follow/live/late-losses.js';
import { EntryBatch } from '../../../src/protocol/batch.js';

let losses: LateLosses;

beforeEach(() => {
  losses = new LateLosses();
});

function batch(after: number, last: number, lostAfter?: number): EntryBatch {
  return new EntryBatch({
    key: 'k',
    after: `${after}-0`,
    ids: `${last}-0`,
    ends: Uint32Array.of(0),
    buffer: new ArrayBuffer(0),
    offset: 0,
    trimmed: lostAfter !== undefined,
    ...(lostAfter !== undefined && { lostAfter: `${lostAfter}-0` }),
  });
}

/** After which entry the next batch lacks some; undefined: it lacks none. */
function told(next = batch(90, 91)): string | undefined {
  const { trimmed, lostAfter, ids } = losses.tellWith(next);
  expect(ids).toEqual(next.ids);
  return trimmed ? lostAfter : undefined;
}

test('a loss before entries that were had already is told with the next, once', () => {
  losses.proven(batch(5, 7), true);
  losses.passedOver(batch(5, 7, 3));
  expect([told(), told()]).toEqual(['3-0', undefined]);
});

test('of several the first counts', () => {
  for (const lostAfter of [4, 3, 6]) losses.passedOver(batch(7, 8, lostAfter));
  expect(told(batch(8, 9, 5))).toBe('3-0');
  losses.passedOver(batch(7, 8, 6));
  expect(told(batch(8, 9, 5))).toBe('5-0');
});

test('where nothing is missing none is told', () => {
  losses.passedOver(batch(5, 7));
  const next = batch(7, 8);
  expect(losses.tellWith(next)).toBe(next);
});

test('nor where the reader only came too late for what was stored here', () => {
  losses.proven(batch(5, 7), true);
  losses.proven(batch(7, 9), true);
  losses.passedOver(batch(5, 9, 5));
  losses.passedOver(batch(6, 9, 6));
  expect(told()).toBeUndefined();
});

test('what is stored here proves nothing of what lay before that', () => {
  losses.proven(batch(5, 7), true);
  // Another's came in between.
  losses.proven(batch(8, 9), true);
  losses.passedOver(batch(7, 9, 7));
  expect(told()).toBe('7-0');
  losses.passedOver(batch(8, 9, 8));
  expect(told()).toBeUndefined();
});

test('nor of what may have been there and removed again', () => {
  losses.proven(batch(5, 7), false);
  losses.proven(batch(7, 9), true);
  losses.passedOver(batch(5, 9, 5));
  expect(told()).toBe('5-0');
  losses.passedOver(batch(7, 9, 7));
  expect(told()).toBeUndefined();
});

test('a stream that begins anew has lost nothing yet', () => {
  losses.proven(batch(5, 7), true);
  losses.passedOver(batch(5, 7, 3));
  losses.clear();
  expect(told()).toBeUndefined();
  losses.passedOver(batch(5, 7, 6));
  expect(told()).toBe('6-0');
  losses.proven(batch(2, 3), true);
  losses.passedOver(batch(2, 3, 2));
  expect(told()).toBeUndefined();
});
