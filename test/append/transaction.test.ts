/** What followers here are given of each answer of Redis to a transaction, and what the producers are told. */
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { AppendBatch, type Receipt, SLAB_BYTES } from '../../src/append/batch.js';
import { AppendStream } from '../../src/append/command.js';
import { Failure } from '../../src/protocol/errors.js';
import { SpareBuffers } from '../../src/redis/spare-buffers.js';
import { NotedFeed } from '../support/noted-feed.js';
import { arrayOf, bulkOf, readCommands, replyOf } from '../support/resp-commands.js';

const LARGE_BYTES = 16 * 1024;
const OK = '+OK\r\n';
const QUEUED = '+QUEUED\r\n';
/** RESP3, which the connection speaks then. */
const NIL = '_\r\n';
const LENGTH = ':1\r\n';
const WRONG_TYPE = '-WRONGTYPE not a stream\r\n';
const NO_PERMISSION = '-NOPERM no\r\n';
const DISCARDED = '-EXECABORT Transaction discarded because of previous errors.\r\n';
const REFUSED_MS = 60_000;

let feed: NotedFeed;
let stream: AppendStream;
let outcomes: string[];

const receipt: Receipt = {
  stored: (token, reply) => outcomes.push(`${token} ${reply.text()}`),
  refused: (token, { message }) => outcomes.push(`${token} refused: ${message}`),
};

beforeEach(() => {
  outcomes = [];
  feed = new NotedFeed('5-0');
  stream = followed('k', feed);
  return () => vi.useRealTimers();
});

function followed(key: string, by?: NotedFeed): AppendStream {
  const made = new AppendStream(key, 1000);
  made.proof.feed = by;
  return made;
}

/** A batch of one entry of each stream, whose payload is its number or so many bytes. */
function batchOf(...entries: (AppendStream | [AppendStream, number])[]): AppendBatch {
  const batch = new AppendBatch(Buffer.alloc(SLAB_BYTES), new SpareBuffers());
  entries.forEach((entry, index) => {
    const [of, bytes] = Array.isArray(entry) ? entry : [entry];
    batch.add(of, '*', bytes === undefined ? Buffer.from(`${index}`) : Buffer.alloc(bytes), receipt, index);
  });
  return batch;
}

const failureOf = (error: string) => new Failure('redis_error', error);
const written = (batch: AppendBatch) => readCommands(batch.writtenParts(true));

/** Has Redis answer. @returns the bytes that each answer says are no longer in flight */
const answer = (batch: AppendBatch, ...replies: string[]) =>
  replies.map((reply) => batch.take(replyOf(reply), failureOf));

/** Has Redis carry out a transaction, with these results. */
function execute(batch: AppendBatch, ...results: string[]): number[] {
  return answer(batch, OK, ...results.map(() => QUEUED), arrayOf(...results));
}

/** Writes a transaction and has it carried out. */
function roundTrip(batch: AppendBatch, ...results: string[]): void {
  written(batch);
  execute(batch, ...results);
}

const ids = (...all: string[]) => all.map(bulkOf);
const found = (id: string) =>
  arrayOf(arrayOf(bulkOf('k'), arrayOf(arrayOf(bulkOf(id), arrayOf(bulkOf('d'), bulkOf('x'))))));
const info = (lastId: string) =>
  `%2\r\n${bulkOf('length')}:1\r\n${bulkOf('last-generated-id')}${bulkOf(lastId)}`;

/** Has it known that nothing lies behind `7-0`. */
function prove(): void {
  roundTrip(batchOf(stream), NIL, ...ids('7-0'), LENGTH);
  feed.given.length = 0;
  outcomes.length = 0;
}

describe('what is written', () => {
  const xadd = (key: string, payload: string) => ['XADD', key, 'MAXLEN', '~', '1000', '*', 'd', payload];

  test('the first time asks what lies behind the last entry that the followers have', () => {
    expect(written(batchOf(stream, stream))).toEqual([
      ['MULTI'],
      ['XREAD', 'COUNT', '1', 'STREAMS', 'k', '5-0'],
      xadd('k', '0'),
      xadd('k', '1'),
      ['XLEN', 'k'],
      ['EXEC'],
    ]);
  });

  test('no more once that is known, or while an answer is to come', () => {
    const first = batchOf(stream);
    written(first);
    expect(written(batchOf(stream)).map(([name]) => name)).toEqual(['MULTI', 'XADD', 'XLEN', 'EXEC']);
    execute(first, NIL, ...ids('7-0'), LENGTH);
    expect(written(batchOf(stream)).map(([name]) => name)).toEqual(['MULTI', 'XADD', 'XLEN', 'EXEC']);
  });

  test.each([
    ['losses count, and entries are small', true, 4096, 'XINFO'],
    ['losses count, and entries are large', true, 4097, 'XREAD'],
    ['losses do not count', false, 10, 'XREAD'],
  ])('where %s', (_, isCounted, entryBytes, question) => {
    Object.assign(feed, { isCounted, entryBytes });
    expect(written(batchOf(stream))[1]![0]).toBe(question);
  });

  test('names each followed stream once, and no other', () => {
    const [other, unfollowed] = [followed('o', new NotedFeed('0-0')), followed('u')];
    const commands = written(batchOf(stream, other, unfollowed, stream));
    expect(commands.map(([name, ...words]) => [name, words[name === 'XREAD' ? 3 : 0]])).toEqual([
      ['MULTI', undefined],
      ['XREAD', 'k'],
      ['XREAD', 'o'],
      ['XADD', 'k'],
      ['XADD', 'o'],
      ['XADD', 'u'],
      ['XADD', 'k'],
      ['XLEN', 'k'],
      ['XLEN', 'o'],
      ['EXEC', undefined],
    ]);
  });

  test('counts as in flight until the last answer', () => {
    const batch = batchOf(stream);
    const bytes = Buffer.concat(batch.writtenParts(true)).length;
    expect(batch.unansweredBytes).toBe(bytes);
    expect(bytes - batch.frameBytes).toBe(batch.bytes);
    expect(execute(batch, NIL, ...ids('7-0'), LENGTH)).toEqual([0, 0, 0, 0, batch.bytes]);
    expect(batch.unanswered).toBe(0);
  });
});

describe('nothing lay behind the last entry', () => {
  test('what is stored goes to the followers, and its producers are told', () => {
    roundTrip(batchOf(stream, stream), NIL, ...ids('7-0', '7-1'), LENGTH);
    expect(feed.given).toEqual(['?5-0: 7-0=0 7-1=1']);
    expect(outcomes).toEqual(['0 7-0', '1 7-1']);
    roundTrip(batchOf(stream), ...ids('8-0'), LENGTH);
    expect(feed.given.slice(1)).toEqual(['7-1: 8-0=0']);
    expect(stream.lastId).toBe('8-0');
  });

  test('by XINFO it is certain that nothing was removed, either', () => {
    feed.isCounted = true;
    roundTrip(batchOf(stream), info('5-0'), ...ids('7-0'), LENGTH);
    expect(feed.given).toEqual(['5-0: 7-0=0']);
  });

  test('nor was there a stream', () => {
    Object.assign(feed, { isCounted: true, lastId: '0-0' });
    roundTrip(batchOf(stream), '-ERR no such key\r\n', ...ids('7-0'), LENGTH);
    expect(feed.given).toEqual(['0-0: 7-0=0']);
  });

  test('of several streams each has its own', () => {
    const others = new NotedFeed('0-0');
    const [other, unfollowed] = [followed('o', others), followed('u')];
    const batch = batchOf(stream, other, unfollowed, stream);
    roundTrip(batch, NIL, NIL, ...ids('7-0', '7-1', '7-2', '7-3'), LENGTH, LENGTH);
    expect([feed.given, others.given]).toEqual([['?5-0: 7-0=0 7-3=3'], ['?0-0: 7-1=1']]);
    expect(outcomes).toEqual(['0 7-0', '1 7-1', '2 7-2', '3 7-3']);
  });

  test('entries that Redis refuses are left out', () => {
    const refusal = '-ERR equal or smaller\r\n';
    roundTrip(batchOf(stream, stream, stream), NIL, refusal, ...ids('7-0'), refusal, LENGTH);
    expect(feed.given).toEqual(['?5-0: 7-0=1']);
    expect(outcomes).toEqual(['0 refused: ERR equal or smaller', '1 7-0', '2 refused: ERR equal or smaller']);
    roundTrip(batchOf(stream), refusal, LENGTH);
    expect(feed.given).toHaveLength(1);
    roundTrip(batchOf(stream), ...ids('8-0'), LENGTH);
    expect(feed.given.slice(1)).toEqual(['7-0: 8-0=0']);
  });

  test('a large payload is given away, small ones are copied', () => {
    const batch = batchOf([stream, 5], [stream, LARGE_BYTES], [stream, LARGE_BYTES + 1], stream);
    const large = batch
      .writtenParts(true)
      .filter(({ length }) => length === LARGE_BYTES || length === LARGE_BYTES + 1);
    execute(batch, NIL, ...ids('7-0', '7-1', '7-2', '7-3'), LENGTH);
    expect(feed.given).toEqual([
      '?5-0: 7-0=\0\0\0\0\0',
      `?7-0: 7-1=${LARGE_BYTES}`,
      `?7-1: 7-2=${LARGE_BYTES + 1}`,
      '?7-2: 7-3=3',
    ]);
    expect(feed.buffers.slice(1, 3)).toEqual(large.map(({ buffer }) => buffer));
    expect(feed.buffers.map((buffer) => buffer === batch.slab.buffer)).toEqual(new Array(4).fill(false));
  });

  test('the buffers of large payloads that were given away are not used again, those of others are', () => {
    const spares = new SpareBuffers();
    const batch = new AppendBatch(Buffer.alloc(SLAB_BYTES), spares);
    for (const of of [stream, followed('u')]) batch.add(of, '*', Buffer.alloc(LARGE_BYTES), receipt, 0);
    written(batch);
    execute(batch, NIL, ...ids('7-0', '7-1'), LENGTH);
    batch.retire();
    const back = spares.take(LARGE_BYTES);
    expect([back !== undefined, back === feed.buffers[0], spares.take(LARGE_BYTES)]).toEqual([
      true,
      false,
      undefined,
    ]);
  });
});

describe('the followers are given nothing', () => {
  test('where losses count and it is not certain that nothing was removed, until they have the first', () => {
    Object.assign(feed, { isCounted: true, entryBytes: 10_000 });
    roundTrip(batchOf(stream), NIL, ...ids('7-0'), LENGTH);
    expect(feed.given).toEqual([]);
    roundTrip(batchOf(stream), ...ids('8-0'), LENGTH);
    expect(feed.given).toEqual(['7-0: 8-0=0']);
  });

  test.each([
    ['something lies behind their last entry', false, found('6-0')],
    ['Redis does not say what lies there', false, NO_PERMISSION],
    ['something was added behind it, and may be gone', true, info('6-0')],
    ['Redis does not say what was added', true, NO_PERMISSION],
    ['there is no stream any more', true, '-ERR no such key\r\n'],
  ])('where %s', (_, isCounted, start) => {
    feed.isCounted = isCounted;
    roundTrip(batchOf(stream), start, ...ids('7-0'), LENGTH);
    expect(feed.given).toEqual([]);
    expect(outcomes).toEqual(['0 7-0']);
    // What comes next follows on that.
    roundTrip(batchOf(stream), ...ids('8-0'), LENGTH);
    expect(feed.given).toEqual(['7-0: 8-0=0']);
  });

  test('where others changed the stream between two transactions, told before the answer', () => {
    prove();
    const batch = batchOf(stream);
    written(batch);
    stream.proof.changedByOthers();
    execute(batch, ...ids('8-0'), LENGTH);
    expect([feed.given, feed.changes]).toEqual([[], 1]);
    expect(outcomes).toEqual(['0 8-0']);
    roundTrip(batchOf(stream), ...ids('9-0'), LENGTH);
    expect(feed.given).toEqual(['8-0: 9-0=0']);
  });

  test('before it is asked again, where that is told between them', () => {
    prove();
    stream.proof.changedByOthers();
    const batch = batchOf(stream);
    expect(written(batch)[1]).toEqual(['XREAD', 'COUNT', '1', 'STREAMS', 'k', '7-0']);
    execute(batch, found('7-1'), ...ids('8-0'), LENGTH);
    expect(feed.given).toEqual([]);
  });

  test('where the stream is another one by now, with lower ids', () => {
    prove();
    roundTrip(batchOf(stream, stream), ...ids('7-0', '7-1'), LENGTH);
    expect([feed.given, feed.changes]).toEqual([[], 1]);
    expect(outcomes).toEqual(['0 7-0', '1 7-1']);
    expect(stream.proof.end).toBeUndefined();
  });

  test('nor next time, where Redis has not looked at the stream behind the last entry', () => {
    prove();
    roundTrip(batchOf(stream), ...ids('8-0'), NO_PERMISSION);
    expect(feed.given).toEqual(['7-0: 8-0=0']);
    expect(stream.proof.end).toBeUndefined();
    const other = followed('o', new NotedFeed('5-0'));
    roundTrip(batchOf(stream, other), NIL, NIL, ...ids('9-0', '9-1'), NO_PERMISSION, LENGTH);
    expect([stream.proof.end, other.proof.end]).toEqual([undefined, '9-1']);
  });

  test('where they came or went meanwhile', () => {
    prove();
    const batch = batchOf(stream);
    written(batch);
    const others = new NotedFeed('5-0');
    stream.proof.feed = others;
    execute(batch, ...ids('8-0'), LENGTH);
    expect([feed.given, others.given, stream.proof.end]).toEqual([[], [], undefined]);
    expect([feed.underway, others.underway]).toEqual([0, 0]);
  });

  test('and none are there any more', () => {
    const batch = batchOf(stream);
    written(batch);
    stream.proof.feed = undefined;
    execute(batch, NIL, ...ids('8-0'), LENGTH);
    expect([feed.given, outcomes]).toEqual([[], ['0 8-0']]);
  });

  test('where they came once the entry was waiting to be written', () => {
    const other = followed('o');
    const batch = batchOf(stream, other);
    const others = new NotedFeed('5-0');
    other.proof.feed = others;
    written(batch);
    execute(batch, NIL, NIL, ...ids('7-0', '7-1'), LENGTH, LENGTH);
    expect([feed.given, others.given]).toEqual([['?5-0: 7-0=0'], []]);
    expect(other.proof.end).toBe('7-1');
  });
});

describe('entries are written without a transaction while one is under way', () => {
  test('so the one after follows on nothing that is known', () => {
    prove();
    const [first, plain, second] = [batchOf(stream), batchOf(stream), batchOf(stream)];
    written(first);
    plain.keepPlain();
    expect(written(plain).map(([name]) => name)).toEqual(['XADD']);
    written(second);
    execute(first, ...ids('8-0'), LENGTH);
    answer(plain, ...ids('8-1'));
    execute(second, ...ids('8-2'), LENGTH);
    expect(feed.given).toEqual([]);
    roundTrip(batchOf(stream), ...ids('9-0'), LENGTH);
    expect(feed.given).toEqual(['8-2: 9-0=0']);
  });

  test('also where its own question is under way', () => {
    const [first, plain] = [batchOf(stream), batchOf(stream)];
    written(first);
    plain.keepPlain();
    written(plain);
    execute(first, NIL, ...ids('8-0'), LENGTH);
    answer(plain, ...ids('8-1'));
    expect(feed.given).toEqual(['?5-0: 8-0=0']);
    expect(stream.proof.end).toBeUndefined();
  });

  test('since others change the stream all the time: also once it is done with that', () => {
    vi.useFakeTimers();
    prove();
    const first = batchOf(stream);
    written(first);
    for (let times = 0; times < 4; times++) stream.proof.changedByOthers();
    const plain = batchOf(stream);
    expect(written(plain).map(([name]) => name)).toEqual(['XADD']);
    execute(first, ...ids('8-0'), LENGTH);
    answer(plain, ...ids('8-1'));
    vi.advanceTimersByTime(5001);
    expect(written(batchOf(stream)).map(([name]) => name)).toEqual([
      'MULTI',
      'XREAD',
      'XADD',
      'XLEN',
      'EXEC',
    ]);
    expect(feed.given).toEqual([]);
  });

  test('and in one of other streams', () => {
    const other = followed('o', new NotedFeed('0-0'));
    prove();
    const first = batchOf(stream);
    written(first);
    for (let times = 0; times < 4; times++) stream.proof.changedByOthers();
    expect(written(batchOf(stream, other)).map(([name, key]) => [name, key])).toEqual([
      ['MULTI', undefined],
      ['XREAD', 'COUNT'],
      ['XADD', 'k'],
      ['XADD', 'o'],
      ['XLEN', 'o'],
      ['EXEC', undefined],
    ]);
    execute(first, ...ids('8-0'), LENGTH);
    expect(stream.proof.end).toBeUndefined();
  });
});

describe('Redis does not take the transaction', () => {
  test('and carries out each command by itself', () => {
    const batch = batchOf(stream, stream, stream);
    written(batch);
    const replies = [
      NO_PERMISSION,
      NIL,
      ...ids('7-0'),
      WRONG_TYPE,
      ...ids('7-1'),
      LENGTH,
      '-ERR EXEC without MULTI\r\n',
    ];
    expect(answer(batch, ...replies)).toEqual([0, 0, 0, 0, 0, 0, batch.bytes]);
    expect(outcomes).toEqual(['0 7-0', '1 refused: WRONGTYPE not a stream', '2 7-1']);
    expect([feed.given, feed.underway, stream.proof.end]).toEqual([[], 0, undefined]);
  });

  test('so that nothing is known of what comes next', () => {
    prove();
    const batch = batchOf(stream);
    written(batch);
    answer(batch, NO_PERMISSION, ...ids('8-0'), LENGTH, '-ERR EXEC without MULTI\r\n');
    expect([stream.proof.end, feed.given]).toEqual([undefined, []]);
  });

  test('since it refuses one command: all are refused, and the others for its reason', () => {
    vi.useFakeTimers();
    const other = followed('o', new NotedFeed('0-0'));
    const batch = batchOf(stream, other, stream);
    written(batch);
    answer(batch, OK, QUEUED, QUEUED, QUEUED, NO_PERMISSION, QUEUED, QUEUED, QUEUED, DISCARDED);
    expect(outcomes).toEqual([0, 1, 2].map((token) => `${token} refused: NOPERM no`));
    // That stream is not had in one for a while.
    expect([stream.proof.isWanted, other.proof.isWanted]).toEqual([true, false]);
    vi.advanceTimersByTime(REFUSED_MS);
    expect(other.proof.isWanted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(other.proof.isWanted).toBe(true);
  });

  test('since it refuses several: each is told its own', () => {
    const batch = batchOf(stream, stream, stream);
    written(batch);
    answer(batch, OK, QUEUED, '-OOM a\r\n', QUEUED, '-OOM b\r\n', QUEUED, DISCARDED);
    expect(outcomes).toEqual(['0 refused: OOM a', '1 refused: OOM a', '2 refused: OOM b']);
  });

  test.each([
    ['question', [NO_PERMISSION, QUEUED, QUEUED]],
    ['length', [QUEUED, QUEUED, NO_PERMISSION]],
  ])('since it refuses the %s: the entries are refused, and come without it next', (_, replies) => {
    const batch = batchOf(stream);
    written(batch);
    answer(batch, OK, ...replies, DISCARDED);
    expect(outcomes).toEqual(['0 refused: NOPERM no']);
    expect(written(batchOf(stream)).map(([name]) => name)).toEqual(['XADD']);
  });

  test('when it is to be carried out', () => {
    const batch = batchOf(stream, stream);
    written(batch);
    answer(batch, OK, QUEUED, QUEUED, QUEUED, QUEUED, '-EXECABORT because of: OOM\r\n');
    expect(outcomes).toEqual([
      '0 refused: EXECABORT because of: OOM',
      '1 refused: EXECABORT because of: OOM',
    ]);
    expect(stream.proof.isWanted).toBe(true);
  });

  test('is told of a stream whose entries it stored before: it is alone from then on', () => {
    const other = followed('o', new NotedFeed('0-0'));
    roundTrip(batchOf(stream), NIL, ...ids('7-0'), LENGTH);
    roundTrip(batchOf(other), NIL, ...ids('7-0'), LENGTH);
    expect(batchOf(stream).mayHold(other)).toBe(true);
    const batch = batchOf(other);
    written(batch);
    answer(batch, OK, NO_PERMISSION, QUEUED, DISCARDED);
    expect(batchOf(stream).mayHold(other)).toBe(false);
    answer(batchOf(other), ...ids('8-0'));
    expect(other.isProven).toBe(true);
  });
});

test('a lost connection leaves nothing under way', () => {
  const batch = batchOf(stream);
  written(batch);
  expect([stream.proof.underway, feed.underway]).toEqual([1, 1]);
  answer(batch, OK, QUEUED);
  batch.lost();
  expect([stream.proof.underway, feed.underway]).toEqual([0, 0]);
});

test('where Redis does not tell of changes by others there is no transaction', () => {
  prove();
  expect(readCommands(batchOf(stream).writtenParts(false)).map(([name]) => name)).toEqual(['XADD']);
  expect(stream.proof.end).toBeUndefined();
});
