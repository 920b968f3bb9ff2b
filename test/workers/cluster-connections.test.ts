/** What main is told of the connections to several shards, as if they were one. */
import { beforeEach, expect, test } from 'vitest';
import { ClusterConnections } from '../../workers/cluster-connections.js';

let told: string[];
let connections: ClusterConnections;

beforeEach(() => {
  told = [];
  connections = new ClusterConnections((event) => {
    told.push(event.type === 'disconnected' ? `disconnected: ${event.reason}` : event.type);
  });
  connections.start();
});

const since = () => told.splice(0);

test('without streams nothing is missing, nor while a first connection is being made', () => {
  expect(since()).toEqual(['connected']);
  connections.connected(1);
  connections.connected(2);
  expect(since()).toEqual([]);
});

test('one lost shard is told, further ones are not, and all must be back', () => {
  since();
  connections.connected(1);
  connections.lost(1, new Error('gone'));
  connections.lost(1, new Error('refused'));
  connections.lost(2, new Error('never there'));
  expect(since()).toEqual(['disconnected: gone']);
  connections.connected(1);
  expect(since()).toEqual([]);
  connections.connected(2);
  expect(since()).toEqual(['connected']);
});

test('a shard that nobody follows any more is not missed', () => {
  since();
  connections.lost(1, new Error('gone'));
  connections.closed(2);
  expect(since()).toEqual(['disconnected: gone']);
  connections.closed(1);
  expect(since()).toEqual(['connected']);
});
