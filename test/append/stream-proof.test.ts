import { beforeEach, expect, test, vi } from 'vitest';
import { StreamProof } from '../../src/append/stream-proof.js';
import { NotedFeed } from '../support/noted-feed.js';
import { readCommands } from '../support/resp-commands.js';

const REFUSED_MS = 60_000;
const SHARED_MS = 5000;
const CHANGES_MS = 1000;

let feed: NotedFeed;
let proof: StreamProof;

beforeEach(() => {
  vi.useFakeTimers();
  feed = new NotedFeed('0-0');
  proof = new StreamProof('é');
  proof.feed = feed;
  return () => vi.useRealTimers();
});

test('Redis tells of the next change once it was asked for the length', () => {
  expect(readCommands([proof.lengthCommand])).toEqual([['XLEN', 'é']]);
  expect(proof.lengthCommand).toBe(proof.lengthCommand);
});

test('entries are wanted while somebody follows', () => {
  expect([proof.isWanted, new StreamProof('k').isWanted]).toEqual([true, false]);
  proof.feed = undefined;
  expect([proof.isWanted, proof.feed]).toEqual([false, undefined]);
});

test('followers that come know nothing of what was there before', () => {
  proof.end = '1-0';
  const { breaks } = proof;
  proof.feed = feed;
  expect([proof.end, proof.breaks]).toEqual([undefined, breaks + 1]);
});

test('what is written apart breaks the proof, and the followers know of it', () => {
  proof.end = '1-0';
  const { breaks } = proof;
  proof.writtenApart();
  expect([proof.end, proof.breaks, feed.changes]).toEqual([undefined, breaks + 1, 1]);
});

test('so does a change by others, for what comes next', () => {
  proof.end = '1-0';
  const { breaks } = proof;
  proof.changedByOthers();
  expect([proof.end, proof.breaks, feed.changes, proof.isWanted]).toEqual([undefined, breaks, 1, true]);
});

test('what Redis refuses is left out for a minute', () => {
  proof.end = '1-0';
  proof.refused();
  expect([proof.isWanted, proof.end]).toEqual([false, undefined]);
  vi.advanceTimersByTime(REFUSED_MS);
  expect(proof.isWanted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(proof.isWanted).toBe(true);
});

function change(times: number, everyMs: number): void {
  for (; times > 0; times--) {
    vi.advanceTimersByTime(everyMs);
    proof.changedByOthers();
  }
}

test('what others change again and again is left out for five seconds', () => {
  change(3, CHANGES_MS - 1);
  expect(proof.isWanted).toBe(true);
  change(1, CHANGES_MS - 1);
  expect(proof.isWanted).toBe(false);
  vi.advanceTimersByTime(SHARED_MS);
  expect(proof.isWanted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(proof.isWanted).toBe(true);
  // One more is no reason.
  change(1, 0);
  expect(proof.isWanted).toBe(true);
});

test('what others change now and then is not', () => {
  change(20, CHANGES_MS);
  expect([proof.isWanted, feed.changes]).toEqual([true, 20]);
});

test('without followers nobody is told', () => {
  const alone = new StreamProof('k');
  alone.end = '1-0';
  alone.lost();
  alone.changedByOthers();
  expect(alone.end).toBeUndefined();
});
