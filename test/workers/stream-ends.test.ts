/** Which streams are looked at, and how often. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Ask, Followed } from '../../workers/followed.js';
import { StreamEnds } from '../../workers/stream-ends.js';
import { arrayOf, bulkOf, readCommands, replyOf } from '../support/resp-commands.js';

const STREAMS = 3200;
const SMALL = 100;

let followed: Map<string, Followed>;
let asked: string[];
let ends: StreamEnds;

const follow = (key: string): Followed => ({
  key,
  word: '',
  after: '5-0',
  generation: 1,
  firstRead: 1,
  isCounted: false,
  added: undefined,
  confirmed: '5-0',
  lostAfter: undefined,
  infoBytes: undefined,
  readOn: 1,
  wasRead: false,
  seenLength: undefined,
  isLost: false,
  seenOn: 1,
  asks: false,
});

beforeEach(() => {
  asked = [];
  followed = new Map(Array.from({ length: STREAMS }, (_, index) => [`k${index}`, follow(`k${index}`)]));
  ends = new StreamEnds(
    followed,
    (command) => {
      const words = command.toString().split('\r\n');
      asked.push(...words.filter((word) => followed.has(word)));
    },
    true,
    { lost: () => {}, checked: () => {}, redirected: () => false, missing: () => {} },
  );
});

/** @returns the streams that were looked at */
function look(isTold: boolean, looks = 1): string[] {
  asked = [];
  for (let time = 0; time < looks; time++) {
    ends.lookSoon();
    ends.look(SMALL, isTold);
  }
  return asked;
}

test('all streams have their turn in eight looks, and in 32 where Redis tells of changes', () => {
  expect(look(false)).toHaveLength(STREAMS / 8);
  expect(look(true)).toHaveLength(STREAMS / 32);
  // The first of these ends a round.
  expect(new Set(look(false, 9)).size).toBe(STREAMS);
});

test('a stream with entries has its turn only where a round is long', () => {
  followed.get('k0')!.wasRead = true;
  expect(new Set(look(false, 8)).has('k0')).toBe(false);
  followed.get('k0')!.wasRead = true;
  const seen = new Set(look(true, 33));
  expect([seen.has('k0'), seen.size]).toEqual([true, STREAMS]);
});

test('all are looked at soon where all may have changed, some at a time', () => {
  ends.lookAtAll();
  const first = look(true);
  expect(first).toHaveLength(1000);
  expect(new Set([...first, ...look(true, 4)]).size).toBe(STREAMS);
  expect(look(true).length).toBeLessThanOrEqual(STREAMS / 32);
});

test('one that something may be wrong with is looked at next', () => {
  ends.suspect('k3000');
  expect(look(true)).toContain('k3000');
});

describe('at a node of a cluster', () => {
  let questions: { readonly command: readonly string[]; readonly take: Parameters<Ask>[1] }[];
  let handled: string[];
  let isTaken: boolean;

  beforeEach(() => {
    [questions, handled, isTaken] = [[], [], true];
    followed = new Map(['a', 'b', 'c'].map((key) => [key, follow(key)]));
    ends = new StreamEnds(
      followed,
      (command, take, key) => {
        const [words] = readCommands([command]);
        expect(words![3]).toBe(key);
        questions.push({ command: words!, take });
      },
      false,
      {
        lost: ({ key, last }) => handled.push(`lost ${key} ${last}`),
        checked: (key) => handled.push(`checked ${key}`),
        redirected: (key, { kind }) => {
          handled.push(`${kind} ${key}`);
          return isTaken;
        },
        missing: (key) => handled.push(`missing ${key}`),
      },
    );
    ends.connected(1);
  });

  const lookAt = (reply: string) => {
    ends.want('b');
    ends.look(SMALL, true);
    const [first] = questions.splice(0);
    first!.take(replyOf(reply));
    return handled.splice(0);
  };
  const GONE = arrayOf(arrayOf(':0\r\n', bulkOf('0-0')));

  test('each stream is looked at by a command of its own', () => {
    ends.lookSoon();
    ends.look(SMALL, true);
    expect(questions.map(({ command }) => command.slice(2, 4))).toEqual([
      ['1', 'a'],
      ['1', 'b'],
      ['1', 'c'],
    ]);
  });

  test.each(['MOVED', 'ASK'])('%s says nothing of the end, and the look is still owed', (word) => {
    expect(lookAt(`-${word} 7 127.0.0.1:1\r\n`)).toEqual([`${word.toLowerCase()} b`]);
    expect([ends.forget('b'), ends.forget('b')]).toEqual([true, false]);
  });

  test.each(['CLUSTERDOWN The cluster is down', 'MOVED 7 127.0.0.1:1'])(
    'after %s it is looked at again',
    (error) => {
      isTaken = false;
      const before = lookAt(`-${error}\r\n`);
      expect([before.includes('checked b'), ends.isDue]).toEqual([false, false]);
      ends.lookSoon();
      ends.look(SMALL, true);
      expect(questions.map(({ command }) => command[3])).toContain('b');
      questions.find(({ command }) => command[3] === 'b')!.take(replyOf(GONE));
      expect(handled).toEqual(['lost b 0-0', 'checked b']);
    },
  );

  test('a stream that is not there is lost, unless its slot is on the way', () => {
    followed.get('b')!.asks = true;
    expect(lookAt(GONE)).toEqual(['missing b']);
    expect(followed.get('b')!.isLost).toBe(false);
    followed.get('b')!.asks = false;
    expect(lookAt(GONE)).toEqual(['lost b 0-0', 'checked b']);
  });
});
