import { expect, test } from 'vitest';
import { isPassing, readRedirect } from '../../../src/redis/cluster/redirect.js';

test.each([
  ['MOVED 3999 127.0.0.1:6381', { kind: 'moved', slot: 3999, host: '127.0.0.1', port: 6381 }],
  ['ASK 0 node-2.example:6379', { kind: 'ask', slot: 0, host: 'node-2.example', port: 6379 }],
  ['MOVED 1 2001:db8::1:7000', { kind: 'moved', slot: 1, host: '2001:db8::1', port: 7000 }],
  ['MOVED 1 :7001', { kind: 'moved', slot: 1, host: undefined, port: 7001 }],
])('%s is a redirect', (error, redirect) => {
  expect(readRedirect(error)).toEqual(redirect);
});

test.each(['ERR MOVED 1 a:2', 'MOVED', 'WRONGTYPE x', 'TRYAGAIN Multiple keys'])('%s is none', (error) => {
  expect(readRedirect(error)).toBeUndefined();
});

test('only what passes by itself is asked again', () => {
  expect(isPassing('TRYAGAIN Multiple keys request during rehashing of slot')).toBe(true);
  expect(isPassing('CLUSTERDOWN Hash slot not served')).toBe(true);
  expect(isPassing('ERR CLUSTERDOWN')).toBe(false);
  expect(isPassing('READONLY You cannot write')).toBe(false);
});
