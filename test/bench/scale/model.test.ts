/** The model of how many gateways and shards a load takes. */
import { describe, expect, test } from 'vitest';
import { type Costs, costsOf } from '../../../bench/scale/costs.js';
import { type Capacity, cpuOf, predict, readersOf, type Workload } from '../../../bench/scale/model.js';
import { describe as inWords } from '../../../bench/scale/report.js';

const COSTS: Costs = {
  measuredOn: 'paper',
  entries: [
    {
      bytes: 0,
      pushMain: 10,
      pushOthers: 0,
      readMain: 5,
      readOthers: 10,
      deliverMain: 2,
      redisWrite: 5,
      redisRead: 5,
    },
    {
      bytes: 100_000,
      pushMain: 110,
      pushOthers: 20,
      readMain: 25,
      readOthers: 110,
      deliverMain: 52,
      redisWrite: 105,
      redisRead: 55,
    },
  ],
  rest: { gateway: 1000, redis: 1000, follower: 0, followerBytes: 5000, gatewayBytes: 100_000_000 },
};
const CAPACITY: Capacity = {
  busy: 0.5,
  network: 10e9,
  gatewayMemory: 4e9,
  shardMemory: 16e9,
  connections: 50_000,
};
const LOAD: Workload = {
  cameras: 100,
  rate: 30,
  bytes: 50_000,
  followers: 0,
  kept: 100,
  routing: 'any',
};

describe('the costs of an entry', () => {
  test('grow evenly with its size', () => {
    expect(costsOf(COSTS, 50_000)).toEqual({
      bytes: 50_000,
      pushMain: 60,
      pushOthers: 10,
      readMain: 15,
      readOthers: 60,
      deliverMain: 27,
      redisWrite: 55,
      redisRead: 30,
    });
    expect(costsOf(COSTS, 200_000).pushMain).toBe(210);
  });
});

describe('the gateways that read a stream', () => {
  test('are as many as there are, where enough follow it at any', () => {
    expect(readersOf({ ...LOAD, followers: 100_000 }, 8)).toBeCloseTo(8);
    expect(readersOf({ ...LOAD, followers: 100 }, 8)).toBeCloseTo(1);
    expect(readersOf({ ...LOAD, followers: 200 }, 2)).toBeCloseTo(1.5);
    expect(readersOf(LOAD, 8)).toBe(0);
  });

  test('are one, where all its followers come to the same', () => {
    const load: Workload = { ...LOAD, followers: 100_000, routing: 'by stream' };
    expect(readersOf(load, 8)).toBe(1);
    // Or more, where one gateway has not even one stream.
    expect(readersOf(load, 300)).toBe(3);
  });
});

test('CPU time is that of pushes, reads and deliveries', () => {
  // 3000 entries a second; each of 2 gateways reads all; 30 000 deliveries.
  const { main, others, redis } = cpuOf(COSTS, { ...LOAD, followers: 1_000_000, followRate: 0.03 }, 2);
  expect(main).toBeCloseTo(3000 * 60e-6 + 6000 * 15e-6 + 30_000 * 27e-6 + 2 * 1e-3);
  expect(others).toBeCloseTo(3000 * 10e-6 + 6000 * 60e-6);
  expect(redis).toBeCloseTo(3000 * 55e-6 + 6000 * 30e-6);
});

describe('a prediction', () => {
  test('has as many machines as the main threads need', () => {
    const load = { ...LOAD, cameras: 1000, rate: 100, bytes: 100 };
    // 100 000 × 10.1 µs are 1.01 cores, of which half may be used.
    expect(predict(COSTS, load, CAPACITY).gateways).toMatchObject({ count: 3, limit: 'main thread' });
    expect(predict(COSTS, { ...load, rate: 200 }, CAPACITY).gateways?.count).toBe(5);
    expect(predict(COSTS, load, CAPACITY).shards).toMatchObject({ count: 2, limit: 'Redis' });
  });

  test('has as many as the network needs', () => {
    const { gateways, bitsFromProducers } = predict(
      COSTS,
      { ...LOAD, rate: 60 },
      { ...CAPACITY, network: 1e9 },
    );
    expect(bitsFromProducers).toBe(2.4e9);
    expect(gateways).toMatchObject({ count: 3, limit: 'network in' });
  });

  test('has as many shards as hold what is kept', () => {
    const { shards } = predict(COSTS, { ...LOAD, kept: 10_000 }, CAPACITY);
    expect(shards).toMatchObject({ count: 4, limit: 'memory' });
  });

  test('has as many gateways as their memory needs', () => {
    const load = { ...LOAD, bytes: 100, followers: 1_000_000, followRate: 0.001 };
    expect(predict(COSTS, load, { ...CAPACITY, connections: 1e6 }).gateways).toMatchObject({
      count: 2,
      limit: 'memory',
    });
    expect(predict(COSTS, load, CAPACITY).gateways).toMatchObject({ count: 21, limit: 'connections' });
  });

  test('has far fewer gateways where all that follow a stream come to the same', () => {
    const load = { ...LOAD, cameras: 1000, followers: 1_000_000, followRate: 0.1 };
    const spread = predict(COSTS, load, CAPACITY);
    const routed = predict(COSTS, { ...load, routing: 'by stream' }, CAPACITY);
    // Each gateway reads nearly all 12 Gbit/s, until there are more gateways than followers of one stream.
    expect(spread.gateways!.count).toBeGreaterThan(1000);
    expect(spread.gateways!.limit).toBe('reader');
    expect(routed.gateways!.count).toBeLessThan(25);
    expect(routed.bitsFromShards).toBe(12e9);
  });

  test('says where no number will do', () => {
    const load = { ...LOAD, cameras: 1, rate: 1_000_000 };
    const prediction = predict(COSTS, load, { ...CAPACITY, gatewayMemory: 1 });
    expect(prediction.gateways).toBeUndefined();
    expect(inWords(load, prediction)).toContain('no number of gateways would do');
  });
});
