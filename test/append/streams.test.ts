import { expect, test } from 'vitest';
import { AppendStreams } from '../../src/append/streams.js';
import { NotedFeed } from '../support/noted-feed.js';

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

test('one that was forgotten is stood for by another, and those with followers are not forgotten', () => {
  const feeds = new Map([['0', new NotedFeed('0-0')]]);
  const streams = new AppendStreams(500, feeds);
  const [first, second] = [streams.get('0'), streams.get('1')];
  for (let index = 2; index <= MOST; index++) streams.get(String(index));
  expect([streams.current(first), streams.get('0')]).toEqual([first, first]);
  const other = streams.get('1');
  expect(other).not.toBe(second);
  expect([streams.current(second), streams.current(other)]).toEqual([other, other]);
});

test('where all have followers none is forgotten', () => {
  const feeds = new Map(Array.from({ length: MOST }, (_, index) => [String(index), new NotedFeed('0-0')]));
  const streams = new AppendStreams(500, feeds);
  const all = Array.from({ length: MOST }, (_, index) => streams.get(String(index)));
  streams.get('one more');
  expect(all.filter(({ isForgotten }) => isForgotten)).toEqual([]);
  expect(streams.get('0')).toBe(all[0]);
});

test('followers that come and go are noted of streams that are written to', () => {
  const feed = new NotedFeed('0-0');
  const feeds = new Map<string, NotedFeed>();
  const streams = new AppendStreams(500, feeds);
  expect([streams.peek('a'), streams.get('a').proof.feed, streams.peek('a')]).toEqual([
    undefined,
    undefined,
    streams.get('a'),
  ]);
  feeds.set('a', feed).set('b', feed);
  streams.feedChanged('a');
  streams.feedChanged('b');
  expect([streams.get('a').proof.feed, streams.peek('b')]).toEqual([feed, undefined]);
  streams.get('a').proof.end = '1-0';
  streams.get('b').proof.end = '2-0';
  streams.proofLost();
  expect([streams.get('a').proof.end, streams.get('b').proof.end, feed.changes]).toEqual([
    undefined,
    undefined,
    2,
  ]);
  feeds.delete('a');
  streams.feedChanged('a');
  expect(streams.get('a').proof.feed).toBeUndefined();
});
