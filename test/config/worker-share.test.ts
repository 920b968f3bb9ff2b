import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/settings.js';
import { shareOf } from '../../src/config/worker-share.js';

const MIB = 1024 * 1024;

test('one that is alone has all', () => {
  const config = loadConfig({});
  expect(shareOf(config)).toEqual(config);
});

test('of several each has a part, and a third more of what is counted by address', () => {
  const config = loadConfig({ WORKERS: '2' });
  expect(shareOf(config)).toEqual({
    ...config,
    MAX_BUFFERED_BYTES: 128 * MIB,
    MAX_UNREAD_BYTES: 128 * MIB,
    MAX_CONNECTIONS: 5000,
    MAX_CONNECTIONS_PER_ADDRESS: 1334,
    MAX_WAITING_READS: 1000,
    MAX_FOLLOWED_STREAMS: 8192,
  });
});

test('no part is nothing, and what has no limit has none', () => {
  const few = { WORKERS: '3', MAX_CONNECTIONS: '1', MAX_FOLLOWED_STREAMS: '2', MAX_WAITING_READS: '0' };
  expect(shareOf(loadConfig({ ...few, MAX_CONNECTIONS_PER_ADDRESS: '0' }))).toMatchObject({
    MAX_CONNECTIONS: 1,
    MAX_FOLLOWED_STREAMS: 1,
    MAX_WAITING_READS: 0,
    MAX_CONNECTIONS_PER_ADDRESS: 0,
  });
});

test('the largest message of one client finds room in each part, where it does in the whole', () => {
  expect(shareOf(loadConfig({ WORKERS: '8' })).MAX_BUFFERED_BYTES).toBe(128 * MIB);
  const little = { WORKERS: '8', MAX_BUFFERED_BYTES: String(16 * MIB) };
  expect(shareOf(loadConfig(little)).MAX_BUFFERED_BYTES).toBe(16 * MIB);
  const small = { WORKERS: '8', MAX_PAYLOAD_BYTES: String(MIB), MAX_CLIENT_SHARE: '100' };
  expect(shareOf(loadConfig(small)).MAX_BUFFERED_BYTES).toBe(32 * MIB);
});
