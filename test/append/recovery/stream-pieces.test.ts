/** What a search asks of a stream, by the replies that Redis may give. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Asking } from '../../../src/append/questions.js';
import { type SearchBudget, StreamPieces } from '../../../src/append/recovery/stream-pieces.js';
import { ReplyCursor } from '../../../src/redis/resp.js';
import { array, bulk, encodeReply, type Reply, text } from '../../support/replies.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** What an entry takes of the budget besides its fields. */
const FRAMING = 64;

const error = (value: string): Reply => ({ type: 'error', value });
const number = (value: number): Reply => ({ type: 'number', value });
const entryOf = (id: string, ...fields: (string | Buffer)[]) => array(bulk(id), array(...fields.map(bulk)));

let reply: Reply;
let asked: string[];
let budget: SearchBudget;
let pieces: StreamPieces;
let looked: [id: string, payload: string | undefined][];

const asking: Asking = {
  ask: async (command, take) => {
    asked.push(String(command));
    const cursor = new ReplyCursor();
    cursor.place(encodeReply(reply), 0);
    return take(cursor);
  },
};

beforeEach(() => {
  asked = [];
  looked = [];
  budget = { bytes: 100 * MIB };
  pieces = new StreamPieces(asking, 'some key', budget);
});

function read(...entries: Reply[]) {
  reply = array(...entries);
  return pieces.read('5-0', '+', 9, (id, payload) => looked.push([id, payload && String(payload)]));
}

describe('a piece', () => {
  test('is asked for by its ends and its count, and ends with its last entry', async () => {
    expect(await read(entryOf('5-0', 'd', 'a'), entryOf('6-0', 'd', 'b'))).toEqual({
      entries: 2,
      end: '6-0',
    });
    expect(asked[0]!.split('\r\n').filter((_, index) => index > 0 && index % 2 === 0)).toEqual([
      ...['XRANGE', 'some key', '5-0', '+'],
      ...['COUNT', '9'],
    ]);
    expect(looked).toEqual([
      ['5-0', 'a'],
      ['6-0', 'b'],
    ]);
  });

  test('that is empty ends where it began', async () => {
    expect(await read()).toEqual({ entries: 0, end: '5-0' });
  });

  test.each([
    ['another field', ['x', 'a']],
    ['a field beside the payload', ['d', 'a', 'x', 'b']],
    ['no value', ['d']],
  ])('shows no payload of an entry with %s', async (_, fields) => {
    await read(entryOf('5-0', ...fields));
    expect(looked).toEqual([['5-0', undefined]]);
  });

  test('takes the bytes of all fields from the budget', async () => {
    await read(entryOf('5-0', 'd', 'abc'), entryOf('6-0', 'x', '12', 'yz', '345'));
    expect(100 * MIB - budget.bytes).toBe(4 + FRAMING + 8 + FRAMING);
  });

  test.each([
    ['WRONGTYPE of another kind', 'no stream'],
    ['NOPERM no permissions', 'not allowed'],
  ])('may be refused: %s', async (text, refusal) => {
    reply = error(text);
    expect(await pieces.read('-', '+', 9, () => {})).toBe(refusal);
  });

  test('fails where the refusal passes by itself', async () => {
    reply = error('LOADING Redis is loading the dataset in memory');
    await expect(pieces.read('-', '+', 9, () => {})).rejects.toMatchObject({ code: 'redis_loading' });
  });
});

describe('the count of the next piece', () => {
  const counts = (times: number) => Array.from({ length: times }, () => pieces.nextCount());

  test('is small while nothing was read', () => expect(counts(3)).toEqual([4, 4, 4]));

  test('doubles up to a bound while entries are small', async () => {
    await read(entryOf('5-0', 'd', ''));
    expect(counts(5)).toEqual([8, 16, 32, 64, 64]);
  });

  test('is what a MiB has room for', async () => {
    await read(entryOf('5-0', 'd', Buffer.alloc(100 * KIB)), entryOf('6-0', 'd', Buffer.alloc(100 * KIB)));
    expect(counts(3)).toEqual([8, 10, 10]);
  });

  test('is what a MiB has room for, with what Redis puts around entries', async () => {
    await read(entryOf('5-0', 'd', Buffer.alloc(16 * KIB)));
    expect(counts(4)).toEqual([8, 16, 32, 63]);
  });

  test('is two at least, since the first is known', async () => {
    await read(entryOf('5-0', 'd', Buffer.alloc(2 * MIB)));
    expect(counts(2)).toEqual([2, 2]);
  });
});

test.each([
  [array(number(5), bulk('7-0')), { added: 5, lastId: '7-0' }],
  [array(number(0), bulk('0-0')), { added: 0, lastId: '0-0' }],
  // Redis 6 does not count.
  [array(number(-1), bulk('7-0')), undefined],
  [error('WRONGTYPE of another kind'), 'no stream'],
  [error('NOPERM no permissions'), undefined],
  // A server that only pretends to run scripts.
  [text('OK'), undefined],
])('how the stream stands: %j', async (given, count) => {
  reply = given;
  expect(await pieces.askCount()).toEqual(count);
  expect(asked[0]).toMatch(/\r\nEVAL\r\n.*\r\nsome key\r\n$/s);
});

test.each([
  [number(1), true],
  [number(0), false],
  // It may have been.
  [error('NOPERM no permissions'), true],
])('whether entries were removed: %j', async (given, is) => {
  reply = given;
  expect(await pieces.isOvertaken('5-0')).toBe(is);
  expect(asked[0]).toMatch(/\r\nsome key\r\n\$3\r\n5-0\r\n$/);
});
