/** What a follower's cursor says of what was lost, by all that can become of a stream. */
import { describe, expect, test } from 'vitest';
import { Progress, type ProgressStart } from '../../src/follow/progress.js';
import { EntryBatch } from '../../src/protocol/batch.js';
import { packBatches } from '../../src/redis/stream-reads.js';

function newProgress(start: Partial<ProgressStart>): Progress {
  return new Progress({
    cursor: '5-0',
    tail: '5-0',
    isResumed: false,
    countsLosses: false,
    until: undefined,
    ...start,
  });
}

function batchOf(ids: readonly string[], more: { trimmed?: boolean; after?: string } = {}): EntryBatch {
  const { trimmed = false, after = '5-0' } = more;
  const payloads = ids.map(() => Buffer.from('x'));
  const read = { key: 'k', after, trimmed, ids: [...ids], payloads, bytes: ids.length };
  return new EntryBatch(packBatches([read]).batches[0]!);
}

describe('its client has had the entry at the cursor', () => {
  test.each([
    ['at the end', {}, true],
    ['before the end, where it does not say that it read so far', { cursor: '4-0' }, false],
    ['before the end, where it has read so far', { cursor: '4-0', isResumed: true }, true],
    ['ahead of the end', { cursor: '6-0' }, false],
    ['at the end of an empty stream', { cursor: '0-0', tail: '0-0' }, false],
    [
      'at the end of an empty stream, of which it wants to know losses',
      { cursor: '0-0', tail: '0-0', countsLosses: true },
      true,
    ],
    ['before the end, of which it wants to know losses', { cursor: '4-0', countsLosses: true }, false],
  ])('%s', (_, start, had) => {
    expect(newProgress(start).hadCursor).toBe(had);
  });

  test('once it was sent one', () => {
    const progress = newProgress({ cursor: '0-0' });
    progress.moveTo('3-0');
    expect(progress).toMatchObject({ cursor: '3-0', hadCursor: true });
  });

  test('not because nothing is held up to there any more', () => {
    const progress = newProgress({ cursor: '0-0' });
    progress.passOver('3-0', false);
    expect(progress).toMatchObject({ cursor: '3-0', hadCursor: false });
    expect(progress.gapBefore(batchOf(['6-0']), 0)).toBeUndefined();
  });
});

describe('a client that resumes ahead of the end', () => {
  test('had read another stream: it is told that what it had not read is lost', () => {
    const progress = newProgress({ cursor: '9-0', isResumed: true });
    expect(progress.gapBefore(batchOf(['10-0']), 0)).toEqual({
      after: '9-0',
      resumedAt: '10-0',
      reason: 'deleted',
    });
  });

  test.each(['5-0', '4-0'])('is none at %s', (cursor) => {
    expect(newProgress({ cursor, isResumed: true }).gapBefore(batchOf(['6-0']), 0)).toBeUndefined();
  });
});

describe('a gap', () => {
  test('lies before the first entry of a batch that was torn off, and no other', () => {
    const progress = newProgress({});
    const torn = batchOf(['8-0', '9-0'], { trimmed: true });
    expect(progress.gapBefore(torn, 0)).toEqual({ after: '5-0', resumedAt: '8-0', reason: 'trimmed' });
    expect(progress.gapBefore(torn, 1)).toBeUndefined();
    expect(progress.gapBefore(batchOf(['8-0']), 0)).toBeUndefined();
  });

  test('begins where the reader lost its place, if the cursor is further', () => {
    const progress = newProgress({ cursor: '7-0', tail: '7-0' });
    const torn = batchOf(['8-0'], { trimmed: true, after: '5-0' });
    expect(progress.gapBefore(torn, 0)!.after).toBe('5-0');
    const later = batchOf(['8-0'], { trimmed: true, after: '7-5' });
    expect(progress.gapBefore(later, 0)!.after).toBe('7-0');
  });

  test('is remembered until it was reported, from before the first loss', () => {
    const progress = newProgress({});
    progress.passOver('6-0', true);
    progress.passOver('8-0', true);
    const gap = { after: '5-0', reason: 'trimmed' };
    expect(progress.cursor).toBe('8-0');
    expect(progress.gapBefore(batchOf(['9-0', '10-0']), 1)).toEqual({ ...gap, resumedAt: '10-0' });
    expect(progress.gapBeforeNewest('11-0')).toEqual({ ...gap, resumedAt: '11-0' });
    progress.gapReported();
    expect(progress.gapBefore(batchOf(['9-0']), 0)).toBeUndefined();
    expect(progress.gapBeforeNewest('11-0')).toBeUndefined();
  });

  test('is remembered with a batch that was torn off by itself: it ends where that says', () => {
    const progress = newProgress({});
    progress.passOver('6-0', true);
    const packed = packBatches([
      {
        key: 'k',
        after: '6-0',
        trimmed: true,
        ids: ['7-0', '8-0'],
        payloads: [Buffer.from('x'), Buffer.from('x')],
        bytes: 2,
      },
    ]).batches[0]!;
    const torn = new EntryBatch({ ...packed, deletedUpTo: '7-5' });
    expect(progress.gapBefore(torn, 0)).toEqual({ after: '5-0', resumedAt: '8-0', reason: 'trimmed' });
  });
});

describe('a stream that is read again from an id on', () => {
  const reset = (progress: Progress, base: string, lastId: string) =>
    progress.reset({ key: 'k', reason: 'deleted', base, lastId });

  test('goes back to it, and what was not read by then may be lost', () => {
    const progress = newProgress({});
    progress.moveTo('8-0');
    reset(progress, '3-0', '8-0');
    expect(progress).toMatchObject({ cursor: '3-0', tail: '3-0', hadCursor: true });
    expect(progress.gapBefore(batchOf(['4-0']), 0)).toEqual({
      after: '8-0',
      resumedAt: '4-0',
      reason: 'deleted',
    });
  });

  test('does not go forward to it', () => {
    const progress = newProgress({ cursor: '2-0' });
    progress.moveTo('3-0');
    reset(progress, '4-0', '5-0');
    expect(progress.cursor).toBe('3-0');
  });

  test('from its beginning: nothing of it was read', () => {
    const progress = newProgress({});
    reset(progress, '0-0', '5-0');
    expect(progress).toMatchObject({ cursor: '0-0', tail: '0-0', hadCursor: false });
    // So that a second time nothing is made of the cursor.
    reset(progress, '0-0', '0-0');
    expect(progress.gapBeforeNewest('1-0')!.after).toBe('5-0');
  });

  test.each([
    ['ahead of all that there was', '9-0', '9-0', false],
    ['behind what was read meanwhile', '9-0', '3-0', true, '9-0'],
    ['at what was read meanwhile', '9-0', '3-0', true, '9-1'],
  ])('a cursor that its client put %s', (_, cursor, expected, isLost, lastId = '8-0') => {
    const progress = newProgress({ cursor });
    reset(progress, '3-0', lastId);
    expect(progress.cursor).toBe(expected);
    expect(progress.gapBeforeNewest('10-0') !== undefined).toBe(isLost);
    expect(progress.tail).toBe('3-0');
  });

  test('a cursor within what there was at the request goes back, though less was read since', () => {
    const progress = newProgress({ cursor: '7-0', tail: '8-0' });
    reset(progress, '3-0', '6-0');
    expect(progress.cursor).toBe('3-0');
    const same = newProgress({ cursor: '8-0', tail: '8-0' });
    reset(same, '3-0', '6-0');
    expect(same.cursor).toBe('3-0');
  });

  test('a cursor ahead goes back as well once something was sent', () => {
    const progress = newProgress({ cursor: '9-0' });
    progress.moveTo('10-0');
    reset(progress, '3-0', '8-0');
    expect(progress.cursor).toBe('3-0');
  });
});

test('that nothing more can come up to the end, and that all was sent, are known once they are so', () => {
  const progress = newProgress({ until: '9-0' });
  expect(progress).toMatchObject({ until: '9-0', isPastUntil: false, isFinished: false });
  progress.passUntil();
  expect(progress).toMatchObject({ isPastUntil: true, isFinished: false });
  progress.finish();
  expect(progress.isFinished).toBe(true);
});
