import { expect, test } from 'vitest';
import { ShardNumbers } from '../../../src/redis/cluster/shard-numbers.js';
import type { NamedMaster } from '../../../src/redis/cluster/slot-replies.js';
import { NO_SHARD } from '../../../src/redis/cluster/slot-table.js';

const master = (ids: string, ...ranges: [number, number][]): NamedMaster => ({
  ids: ids.split(' '),
  address: { host: ids.split(' ')[0]!, port: 1 },
  ranges,
});

const numberOf = (numbers: ShardNumbers, masters: NamedMaster[]) => {
  const { shards, addresses } = numbers.number(masters, (address) => address);
  return { first: [shards[0], shards[9000], shards[16_383]], at: addresses.map((each) => each?.host) };
};

const A = master('a ra', [0, 5000]);
const B = master('b rb', [5001, 16_383]);

test('masters are counted, and each slot has the number of its master', () => {
  expect(numberOf(new ShardNumbers(), [A, B])).toEqual({ first: [0, 1, 1], at: ['a', 'b'] });
});

test('a replica that takes over has the number of its master, and keeps it when that is back', () => {
  const numbers = new ShardNumbers();
  numberOf(numbers, [A, B]);
  const failedOver = [master('rb', [5001, 16_383]), A];
  expect(numberOf(numbers, failedOver)).toEqual({ first: [0, 1, 1], at: ['a', 'rb'] });
  expect(numberOf(numbers, [A, master('rb b', [5001, 16_383])])).toEqual({
    first: [0, 1, 1],
    at: ['a', 'rb'],
  });
});

test('slots without a master have no number', () => {
  expect(numberOf(new ShardNumbers(), [A])).toEqual({ first: [0, NO_SHARD, NO_SHARD], at: ['a'] });
});

test('a shard that is gone leaves its number, which nobody else gets', () => {
  const numbers = new ShardNumbers();
  numberOf(numbers, [A, B]);
  const all = master('b rb', [0, 16_383]);
  expect(numberOf(numbers, [all])).toEqual({ first: [1, 1, 1], at: [undefined, 'b'] });
  expect(numberOf(numbers, [all, master('c')]).at).toEqual([undefined, 'b', 'c']);
  expect(numberOf(numbers, [A, B]).at).toEqual(['a', 'b', undefined]);
});

test('two masters that were one shard have two numbers', () => {
  const numbers = new ShardNumbers();
  numberOf(numbers, [A, B]);
  const split = [master('ra', [0, 2000]), master('a', [2001, 5000]), B];
  expect(numberOf(numbers, split)).toEqual({ first: [2, 1, 1], at: ['a', 'b', 'ra'] });
});

test('a master that has just given its slots to its replica leaves it the number', () => {
  const numbers = new ShardNumbers();
  numberOf(numbers, [A, B]);
  const handedOver = [A, master('b'), master('rb', [5001, 16_383])];
  expect(numberOf(numbers, handedOver)).toEqual({ first: [0, 1, 1], at: ['a', 'rb', 'b'] });
  const settled = [A, master('rb b', [5001, 16_383])];
  expect(numberOf(numbers, settled)).toEqual({ first: [0, 1, 1], at: ['a', 'rb', undefined] });
});

test('a replica that was not told of has the number of the master whose slots it has, if that is gone', () => {
  const numbers = new ShardNumbers();
  numberOf(numbers, [A, B]);
  expect(numberOf(numbers, [A, master('new', [5001, 16_383])])).toEqual({
    first: [0, 1, 1],
    at: ['a', 'new'],
  });
  // One that took some slots of a master that goes on has none of its own.
  const some = [master('other', [0, 100]), master('a ra', [101, 5000]), master('new', [5001, 16_383])];
  expect(numberOf(numbers, some)).toEqual({ first: [2, 1, 1], at: ['a', 'new', 'other'] });
});
