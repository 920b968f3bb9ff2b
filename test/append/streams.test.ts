import { expect, test } from 'vitest';
import { AppendStreams } from '../../src/append/streams.js';

const MOST = 16_384;

test('a stream is prepared once, with its length', () => {
  const streams = new AppendStreams(500);
  expect(streams.get('a')).toBe(streams.get('a'));
  expect(streams.get('a')).not.toBe(streams.get('b'));
  expect(streams.get('a').head('*').toString()).toContain('\r\n500\r\n');
  expect(streams.get('a')).toMatchObject({ isCountAsked: false, isShared: false });
});

test('beyond 16 384 the first are forgotten, and the count of new ones is not asked for', () => {
  const streams = new AppendStreams(500);
  const [first, second] = [streams.get('0'), streams.get('1')];
  for (let index = 2; index < MOST; index++) streams.get(String(index));
  expect(streams.get(String(MOST - 1)).isCountAsked).toBe(false);
  expect([streams.get('0'), streams.get('1')]).toEqual([first, second]);
  expect(streams.get('one more').isCountAsked).toBe(true);
  expect(streams.get('1')).toBe(second);
  expect(streams.get('0')).not.toBe(first);
});
