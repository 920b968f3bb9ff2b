/** Which batches of a stream are held, and where in them a cursor is. */
import { beforeEach, describe, expect, test } from 'vitest';
import { HubStream } from '../../../src/follow/live/hub-stream.js';
import { EntryBatch } from '../../../src/protocol/batch.js';
import { packBatches } from '../../../src/redis/stream-reads.js';

/** What a batch takes besides its payloads. */
const OVERHEAD = 512;

/** Entries whose payloads are their ids. */
function batchOf(after: string, ...ids: string[]): EntryBatch {
  const payloads = ids.map((id) => Buffer.from(id));
  const bytes = payloads.reduce((sum, { length }) => sum + length, 0);
  return new EntryBatch(packBatches([{ key: 'k', after, trimmed: false, ids, payloads, bytes }]).batches[0]!);
}

let stream: HubStream;

beforeEach(() => {
  stream = new HubStream('k', '1-0');
});

/** Three batches: of two entries, of one, of three. */
function fill(): void {
  stream.add(batchOf('1-0', '2-0', '3-0'), true);
  stream.add(batchOf('3-0', '4-0'), true);
  stream.add(batchOf('4-0', '5-0', '6-0', '8-0'), true);
}

describe('a batch that is added', () => {
  test('is counted with its overhead, and is the newest', () => {
    expect(stream).toMatchObject({
      key: 'k',
      lastId: '1-0',
      newest: undefined,
      nextNumber: 0,
      bytes: 0,
      length: 0,
    });
    const batch = batchOf('1-0', '2-0', '3-0');
    expect(stream.add(batch, true)).toBe(6 + OVERHEAD);
    expect(stream).toMatchObject({ lastId: '3-0', nextNumber: 1, bytes: 6 + OVERHEAD, length: 1 });
    expect(stream.newest).toBe(batch);
    expect(stream).toMatchObject({ entries: 2, entryBytes: 3 });
    stream.add(batchOf('3-0', '10-0'), true);
    expect(stream).toMatchObject({ entries: 3, entryBytes: 4, bytes: 6 + 4 + 2 * OVERHEAD });
  });

  test('has the one before it forget its messages, which only followers that keep up share', () => {
    const [older, newer] = [batchOf('1-0', '2-0'), batchOf('2-0', '3-0')];
    stream.add(older, true);
    const made = { of: 'older' };
    older.message('json', 0, () => made);
    newer.message('json', 0, () => made);
    stream.add(newer, true);
    expect(older.message('json', 0, () => 'made again')).toBe('made again');
    expect(newer.message('json', 0, () => 'made again')).toBe(made);
  });

  test('says from where on losses are known', () => {
    stream.add(batchOf('1-0', '2-0'), true);
    expect(stream.countedAfter).toBe('1-0');
    stream.add(batchOf('2-0', '3-0'), false);
    expect(stream.countedAfter).toBe('3-0');
    stream.add(batchOf('3-0', '4-0'), true);
    expect(stream.countedAfter).toBe('3-0');
    for (let batch = 0; batch < 3; batch++) stream.dropOldest();
    expect(stream.countedAfter).toBe('4-0');
  });
});

test('the oldest batch goes first', () => {
  fill();
  const [first, second] = [stream.batch(0), stream.batch(1)];
  expect(stream.dropOldest()).toBe(6 + OVERHEAD);
  expect(stream).toMatchObject({
    firstNumber: 1,
    nextNumber: 3,
    startAfter: '3-0',
    lastId: '8-0',
    length: 2,
  });
  expect(stream.bytes).toBe(3 + 9 + 2 * OVERHEAD);
  expect(first!.ids).toEqual(['2-0', '3-0']);
  expect([stream.batch(0), stream.batch(1), stream.batch(3)]).toEqual([undefined, second, undefined]);
  stream.dropOldest();
  stream.dropOldest();
  expect([stream.dropOldest(), stream.firstNumber, stream.startAfter]).toEqual([0, 3, '8-0']);
});

test('a reset starts again after an id, and the numbers go on', () => {
  fill();
  while (stream.length > 0) stream.dropOldest();
  stream.reset('0-0');
  expect(stream).toMatchObject({ startAfter: '0-0', countedAfter: '0-0', lastId: '0-0', nextNumber: 3 });
});

describe('a cursor', () => {
  test.each([
    ['0-9', undefined],
    ['1-0', { number: 0, index: 0 }],
    ['1-5', { number: 0, index: 0 }],
    ['2-0', { number: 0, index: 1 }],
    ['3-0', { number: 1, index: 0 }],
    ['3-5', { number: 1, index: 0 }],
    ['4-0', { number: 2, index: 0 }],
    ['6-0', { number: 2, index: 2 }],
    ['7-0', { number: 2, index: 2 }],
    ['8-0', { number: 3, index: 0 }],
    ['8-1', undefined],
  ])('at %s goes on at %j', (cursor, position) => {
    fill();
    expect(stream.locate(cursor)).toEqual(position);
  });

  test('before what is held is not found any more', () => {
    fill();
    stream.dropOldest();
    expect([stream.locate('2-0'), stream.locate('3-0')]).toEqual([undefined, { number: 1, index: 0 }]);
  });

  test('at the end is found where nothing is held', () => {
    expect(stream.locate('1-0')).toEqual({ number: 0, index: 0 });
  });
});

describe('the newest entry up to a limit', () => {
  test.each([
    ['1-0', undefined],
    ['2-0', { number: 0, index: 0 }],
    ['3-0', { number: 0, index: 1 }],
    ['4-9', { number: 1, index: 0 }],
    ['5-0', { number: 2, index: 0 }],
    ['7-0', { number: 2, index: 1 }],
    ['8-0', { number: 2, index: 2 }],
    ['9-0', { number: 2, index: 2 }],
    ['0-5', undefined],
  ])('%s is at %j', (limit, position) => {
    fill();
    expect(stream.newestUpTo(limit)).toEqual(position);
  });

  test('is none where nothing is held', () => {
    expect(stream.newestUpTo('9-0')).toBeUndefined();
  });
});

describe('the stream may be the one that it was, if it holds the entry that Redis has last', () => {
  test.each([
    ['the same', batchOf('3-0', '4-0'), true],
    ['of another id', batchOf('3-0', '4-1'), false],
  ])('%s', (_, newest, is) => {
    fill();
    expect(stream.holds(newest)).toBe(is);
  });

  test('with other bytes', () => {
    fill();
    const payloads = [Buffer.from('x')];
    const other = { key: 'k', after: '3-0', trimmed: false, ids: ['4-0'], payloads, bytes: 1 };
    expect(stream.holds(new EntryBatch(packBatches([other]).batches[0]!))).toBe(false);
  });
});
