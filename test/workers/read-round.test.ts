/** Reads of several streams by a command each, and what comes of their replies. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Redirect } from '../../src/redis/cluster/redirect.js';
import { ReplyBuffer, ReplyCursor } from '../../src/redis/resp.js';
import { packBatches, SHARED_BELOW_BYTES } from '../../src/redis/stream-reads.js';
import { FollowedStreams } from '../../workers/followed-streams.js';
import { ReadRound } from '../../workers/read-round.js';
import type { TakeReply } from '../../workers/reader-connection.js';
import { RefusedReads } from '../../workers/refused-reads.js';
import { arrayOf, bulkOf } from '../support/resp-commands.js';

const NOTHING = '*-1\r\n';
const AGAIN_MS = 100;

let streams: FollowedStreams;
let round: ReadRound;
let expected: TakeReply[];
let done: string[];
/** Payloads by stream and id, once they were packed. */
let brought: Record<string, string>;
let isTaken: boolean;

beforeEach(() => {
  [expected, done, brought, isTaken] = [[], [], {}, true];
  streams = new FollowedStreams(
    (event) => done.push(`post ${event.type}`),
    () => {},
  );
  const refused = new RefusedReads({
    ask: () => {},
    renew: () => {
      done.push('renew');
      round.lost();
    },
    evict: (key, { code }) => {
      done.push(`evict ${key}: ${code}`);
      streams.unfollow(key);
    },
    readApart: () => {},
    refused: (error) => done.push(`refused: ${error}`),
    readAgain: () => {},
  });
  round = new ReadRound(streams, refused, {
    redirected: (key, { kind, slot }: Redirect) => {
      done.push(`${kind} ${key} ${slot}`);
      if (isTaken) streams.unfollow(key);
      return isTaken;
    },
    done: (arrivals, unread) => {
      const { batches } = packBatches(arrivals.map(({ read }) => read));
      for (const { key, ids, buffer, offset, ends } of batches) {
        brought[`${key} ${ids}`] = Buffer.from(buffer, offset, ends.at(-1)).toString();
      }
      const waiting = [...unread.streams].map(({ key }) => key).join();
      done.push(`done ${arrivals.map(({ step }) => step.key).join()}; unread ${waiting} ${unread.againMs}`);
    },
  });
});

function begin(...keys: string[]): void {
  for (const key of keys) {
    const command = { after: '0-0', added: undefined, isCounted: true, generation: 1 };
    if (!streams.byKey.has(key)) streams.follow({ type: 'follow', key, ...command }, 1);
  }
  streams.began();
  round.begin([...streams.byKey.values()], 10, (take) => expected.push(take));
}

/** Each reply comes by itself, and is overwritten by the next. */
function answer(...replies: string[]): void {
  const memory = new ReplyBuffer();
  const cursor = new ReplyCursor();
  for (const reply of replies) {
    const bytes = Buffer.from(reply);
    memory.append(bytes);
    expect(memory.next(cursor)).toBe(true);
    expected.shift()!(cursor);
    memory.next(cursor);
    memory.room().fill(0);
  }
}

const entry = (key: string, id: string, payload: string) =>
  arrayOf(arrayOf(bulkOf(key), arrayOf(arrayOf(bulkOf(id), arrayOf(bulkOf('d'), bulkOf(payload))))));

test('is over with the last reply, and brings all at once', () => {
  begin('a', 'b', 'c');
  answer(entry('a', '1-0', 'x'), NOTHING);
  expect(done).toEqual([]);
  answer(entry('c', '2-0', 'y'));
  expect(done).toEqual(['done a,c; unread  0']);
  expect(brought).toEqual({ 'a 1-0': 'x', 'c 2-0': 'y' });
});

test('what came outlives its reply, be it small or large, little or much', () => {
  const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
  const payloadOf = (index: number) =>
    String.fromCharCode(97 + (index % 26)).repeat(index % 4 === 0 ? 3 * SHARED_BELOW_BYTES : 10_000);
  for (let time = 1; time <= 2; time++) {
    begin(...keys);
    answer(...keys.map((key, index) => entry(key, `${time}-0`, payloadOf(index))));
    keys.forEach((key, index) => {
      expect(brought[`${key} ${time}-0`]).toBe(payloadOf(index));
    });
  }
});

test('one that goes meanwhile is left out, were its reply there', () => {
  begin('a', 'b', 'c');
  answer(entry('a', '1-0', 'x'));
  streams.unfollow('a');
  streams.unfollow('b');
  answer(entry('b', '1-0', 'x'), entry('c', '1-0', 'x'));
  expect(done).toEqual(['done c; unread  0']);
});

test('the reply to ASKING is passed over', () => {
  begin('a');
  streams.byKey.get('a')!.asks = true;
  expected = [];
  begin('a');
  answer('+OK\r\n', entry('a', '1-0', 'x'));
  expect(done).toEqual(['done a; unread  0']);
});

describe('a refusal', () => {
  test("of a key is that key's alone", () => {
    begin('a', 'b');
    answer('-WRONGTYPE not a stream\r\n', entry('b', '1-0', 'x'));
    expect(done).toEqual(['evict a: wrong_type', 'done b; unread  0']);
  });

  test.each(['MOVED', 'ASK'])('%s takes the stream elsewhere', (word) => {
    begin('a', 'b');
    answer(`-${word} 7 127.0.0.1:1\r\n`, NOTHING);
    expect(done).toEqual([`${word.toLowerCase()} a 7`, 'done ; unread  0']);
  });

  test('by a node that is not known has the stream read again', () => {
    isTaken = false;
    begin('a', 'b');
    answer(NOTHING, '-MOVED 7 127.0.0.1:1\r\n');
    expect(done).toEqual(['moved b 7', `done ; unread b ${AGAIN_MS}`]);
  });

  test('that passes is told once until all of them are read, and waits longer each time', () => {
    const down = '-CLUSTERDOWN Hash slot not served\r\n';
    begin('a', 'b', 'c');
    answer(down, down, NOTHING);
    begin();
    answer(down, down, NOTHING);
    begin();
    answer(NOTHING, down, NOTHING);
    expect(done).toEqual([
      'refused: CLUSTERDOWN Hash slot not served',
      `done ; unread a,b ${AGAIN_MS}`,
      `done ; unread a,b ${2 * AGAIN_MS}`,
      `done ; unread b ${4 * AGAIN_MS}`,
    ]);
    done = [];
    begin();
    answer(NOTHING, NOTHING, NOTHING);
    begin();
    answer(down, NOTHING, NOTHING);
    expect(done.slice(1)).toEqual([
      'refused: CLUSTERDOWN Hash slot not served',
      `done ; unread a ${AGAIN_MS}`,
    ]);
  });

  test('over which the connection is given up ends the round', () => {
    begin('a', 'b');
    answer('-NOAUTH Authentication required.\r\n');
    expect(done).toEqual(['renew']);
    expected = [];
    begin();
    answer(NOTHING, NOTHING);
    expect(done).toEqual(['renew', 'done ; unread  0']);
  });
});
