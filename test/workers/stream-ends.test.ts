/** Which streams are looked at, and how often. */
import { beforeEach, expect, test } from 'vitest';
import type { Followed } from '../../workers/followed.js';
import { StreamEnds } from '../../workers/stream-ends.js';

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
    () => {},
    () => {},
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
