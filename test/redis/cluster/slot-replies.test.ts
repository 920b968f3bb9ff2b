import { expect, test } from 'vitest';
import { readEmptyMasters, readSlots } from '../../../src/redis/cluster/slot-replies.js';

const ASKED = { host: 'asked', port: 1 };

test('masters have their ranges together, with the ids of their replicas', () => {
  const reply = [
    [0, 10, ['a', 1, 'ida', []], ['r', 2, 'idr', []]],
    [11, 20, ['b', 3, 'idb', ['hostname', 'b']]],
    [30, 40, ['a', 1, 'ida', []], ['r', 2, 'idr', []]],
  ] as const;
  expect(readSlots(reply, ASKED)).toEqual([
    {
      ids: ['ida', 'idr'],
      address: { host: 'a', port: 1 },
      ranges: [
        [0, 10],
        [30, 40],
      ],
    },
    { ids: ['idb'], address: { host: 'b', port: 3 }, ranges: [[11, 20]] },
  ]);
});

test('a node without a name of its own is at the host that was asked; an unknown one is passed over', () => {
  const reply = [
    [0, 1, ['', 1, 'x']],
    [2, 3, [null, 2, 'y']],
    [4, 5, ['?', 3, 'z']],
    [6, 7],
  ] as const;
  expect(readSlots(reply, ASKED).map(({ address }) => address)).toEqual([
    { host: 'asked', port: 1 },
    { host: 'asked', port: 2 },
  ]);
});

test('masters without slots are read from CLUSTER SHARDS, and no others', () => {
  const node = (id: string, role: string, health = 'online') => [
    ...['id', id, 'port', 7, 'ip', '10.0.0.1', 'endpoint', 'host', 'role', role],
    ...['replication-offset', 0, 'health', health],
  ];
  const reply = [
    ['slots', [0, 5], 'nodes', [node('a', 'master')]],
    ['slots', [], 'nodes', [node('b', 'master'), node('c', 'replica')]],
    ['slots', [], 'nodes', [node('d', 'master', 'fail')]],
  ];
  expect(readEmptyMasters(reply, ASKED)).toEqual([
    { ids: ['b'], address: { host: 'host', port: 7 }, ranges: [] },
  ]);
});
