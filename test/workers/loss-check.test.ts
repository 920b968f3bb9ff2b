/** What is made of the answers to questions about losses, where the stream's slot may be on the way. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Ask, Followed } from '../../workers/followed.js';
import { type Loss, LossCheck, type Step } from '../../workers/loss-check.js';
import { arrayOf, bulkOf, readCommands, replyOf } from '../support/resp-commands.js';

const GONE = '-ERR no such key\r\n';
const number = (value: number) => `:${value}\r\n`;
/** XINFO of a stream to which so many entries were added, of which so many are there. */
const stateOf = (added: number, length: number) =>
  arrayOf(
    ...[bulkOf('length'), number(length), bulkOf('entries-added'), number(added)],
    ...[bulkOf('last-generated-id'), bulkOf(`${added}-0`)],
    ...[bulkOf('recorded-first-entry-id'), bulkOf(`${added - length + 1}-0`)],
    ...[bulkOf('max-deleted-entry-id'), bulkOf('0-0')],
  );

let questions: { readonly command: string; readonly take: Parameters<Ask>[1] }[];
let check: LossCheck;
let followed: Followed;

beforeEach(() => {
  questions = [];
  followed = {
    key: 'a',
    after: '2-0',
    confirmed: '2-0',
    added: 2,
    isCounted: true,
    readOn: 1,
    asks: false,
  } as Followed;
  check = new LossCheck(new Map([['a', followed]]), (command, take, key) => {
    expect(key).toBe('a');
    questions.push({ command: readCommands([command])[0]!.join(' '), take });
  });
});

/** The entry 5-0 was read, which is the fifth if none is missing. */
function judge(answer: string): Loss | undefined | 'none' {
  const step: Step = {
    key: 'a',
    followed,
    after: '2-0',
    entries: 1,
    bytes: 10,
    lastId: '5-0',
    isFull: false,
  };
  let loss: Loss | undefined | 'none' = 'none';
  check.check(
    [step],
    1,
    (_, found) => {
      loss = found;
    },
    () => {},
  );
  const { command, take } = questions.shift()!;
  expect(command).toBe('XINFO STREAM a');
  take(replyOf(answer));
  return loss;
}

test('more entries than were read are a loss', () => {
  expect(judge(stateOf(5, 1))).toEqual({ lostAfter: '2-0', deletedUpTo: '0-0' });
});

describe('no loss is assumed', () => {
  test.each(['MOVED 7 127.0.0.1:1', 'ASK 7 127.0.0.1:1', 'TRYAGAIN', 'CLUSTERDOWN'])('after %s', (error) => {
    expect(judge(`-${error}\r\n`)).toBeUndefined();
    expect(followed).toMatchObject({ added: 3, confirmed: '5-0' });
  });

  test('of a stream that has not come yet, or has gone back', () => {
    followed.asks = true;
    expect(judge(GONE)).toBeUndefined();
    expect(followed.added).toBe(3);
  });
});

test('a stream that is gone from where its slot is, is a loss', () => {
  expect(judge(GONE)).toMatchObject({ lostAfter: '2-0' });
});

test('behind ASKING no question goes along with a read', () => {
  const guards = () =>
    check.guards(
      ['a'],
      () => {},
      () => {},
    ).length;
  expect(guards()).toBe(1);
  followed.asks = true;
  expect(guards()).toBe(0);
});

test('what another reader has not counted is counted later', () => {
  check.adopt(followed);
  check.recount();
  expect(questions).toEqual([]);
  followed.after = '5-0';
  followed.added = 3;
  check.adopt(followed);
  check.recount();
  questions.shift()!.take(replyOf(stateOf(5, 5)));
  expect(followed).toMatchObject({ lostAfter: '2-0', added: 5, confirmed: '5-0' });
});
