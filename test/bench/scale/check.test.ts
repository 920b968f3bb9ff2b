/** What is measured is held against what is predicted for the same size. */
import { expect, test } from 'vitest';
import { compare, isNear } from '../../../bench/scale/check.js';
import type { Costs, EntryCosts } from '../../../bench/scale/costs.js';

const ENTRY: EntryCosts = {
  bytes: 100,
  pushMain: 100,
  pushOthers: 0,
  readMain: 50,
  readOthers: 200,
  deliverMain: 25,
  redisWrite: 40,
  redisRead: 20,
};
const COSTS: Costs = {
  measuredOn: 'paper',
  entries: [ENTRY, { ...ENTRY, bytes: 1000 }],
  rest: { gateway: 1000, redis: 2000, follower: 10, followerBytes: 5000, gatewayBytes: 0 },
};

test('is compared in percent of a core', () => {
  const size = { cameras: 10, rate: 100, bytes: 500, followers: 2 };
  const used = {
    entries: 2000,
    seconds: 2,
    pushing: { main: 0.2, others: 0 },
    following: { main: 0.4, others: 0.4 },
    redis: 0.1,
    byOthers: 0,
  };
  const compared = compare(COSTS, size, used).map(({ predicted, measured }) => [
    Number(predicted.toFixed(3)),
    Number(measured.toFixed(3)),
  ]);
  expect(compared).toEqual([
    [10.1, 10],
    [10.12, 20],
    [20, 20],
    [6.2, 5],
  ]);
});

test('a third more or less is not near', () => {
  const what = 'Redis';
  expect(isNear({ what, predicted: 12, measured: 10 })).toBe(true);
  expect(isNear({ what, predicted: 8, measured: 10 })).toBe(true);
  expect(isNear({ what, predicted: 13.5, measured: 10 })).toBe(false);
  expect(isNear({ what, predicted: 6.5, measured: 10 })).toBe(false);
});
