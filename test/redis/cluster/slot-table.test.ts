import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { NO_SHARD, SLOTS, SlotTable } from '../../../src/redis/cluster/slot-table.js';

const A = { host: 'a', port: 1 };
const B = { host: 'b', port: 2 };

function slots(of: Record<number, number>): Uint16Array {
  const shards = new Uint16Array(SLOTS).fill(NO_SHARD);
  for (const [slot, shard] of Object.entries(of)) shards[Number(slot)] = shard;
  return shards;
}

test('knows nothing at first', () => {
  const table = new SlotTable({});
  expect(table.version).toBe(0);
  expect(table.shardOf(0)).toBe(NO_SHARD);
  expect(table.addressOf(0)).toBeUndefined();
  expect(table.shards).toEqual([]);
});

test('another table of the same memory knows what was written', () => {
  const table = new SlotTable({});
  const other = SlotTable.of(table);
  table.write(slots({ 5: 0, 6: 1 }), [A, B]);
  expect([other.shardOf(4), other.shardOf(5), other.shardOf(6)]).toEqual([NO_SHARD, 0, 1]);
  expect(other.addressOf(1)).toEqual(B);
  const { version } = other;
  table.write(slots({ 5: 1 }), [null, A]);
  expect(other.version).toBeGreaterThan(version);
  expect(other.addressOf(0)).toBeUndefined();
  expect(other.addressOf(1)).toEqual(A);
  expect(other.shards).toEqual([1]);
});

test('a redirect leads to the shard at its address, on the host that was asked where it names none', () => {
  const table = new SlotTable({});
  table.write(slots({}), [A, { host: 'a', port: 7 }, B]);
  const redirect = { kind: 'moved', slot: 1 } as const;
  expect(table.shardOfRedirect({ ...redirect, host: 'b', port: 2 }, 0)).toBe(2);
  expect(table.shardOfRedirect({ ...redirect, host: undefined, port: 7 }, 0)).toBe(1);
  expect(table.shardOfRedirect({ ...redirect, host: 'c', port: 2 }, 0)).toBeUndefined();
});

test('addresses are those of the map where it has them', () => {
  const table = new SlotTable({ '10.0.0.1:6379': 'gate:7001', '[fd00::1]:6379': '[fd00::2]:7002' });
  expect(table.reached({ host: '10.0.0.1', port: 6379 })).toEqual({ host: 'gate', port: 7001 });
  expect(table.reached({ host: 'fd00::1', port: 6379 })).toEqual({ host: 'fd00::2', port: 7002 });
  expect(table.reached(A)).toEqual(A);
  table.write(slots({}), [{ host: 'gate', port: 7001 }]);
  expect(table.shardOfRedirect({ kind: 'ask', slot: 1, host: '10.0.0.1', port: 6379 }, 0)).toBe(0);
});

test('a wish of another thread is noticed without asking again and again', async () => {
  const table = new SlotTable({});
  const seen = table.wishes;
  const next = table.nextWish(seen);
  const code = `const { workerData } = require('node:worker_threads');
    const head = new Int32Array(workerData, 0, 3);
    Atomics.add(head, 1, 1);
    Atomics.notify(head, 1);`;
  new Worker(code, { eval: true, workerData: table.shared });
  expect(await next).toBe(seen + 1);
});
