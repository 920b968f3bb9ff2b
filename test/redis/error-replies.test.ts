/** What clients get for each error reply of Redis and its relatives. */
import { afterEach, describe, expect, test } from 'vitest';
import { Failure } from '../../src/protocol/errors.js';
import { ERROR_REPLIES, failureFromRedis, watchUnknownReplies } from '../../src/redis/error-replies.js';

/**
 * The first words of all error replies in the binaries of Redis 7.0.15, 8.0.2 and 8.6.3, Valkey 8.1.1 and 9.1.2 and
 * Redict 7.3.6, and those that they put together (MOVED, ASK).
 */
const WORDS =
  `ASK BUSY BUSYGROUP BUSYKEY CLUSTERDOWN CROSSSLOT DENIED ERR EXECABORT INPROG INVALIDOBJ IOERR LOADING
  MASTERDOWN MISCONF MOVED NOAUTH NOGOODPRIMARY NOGOODSLAVE NOGROUP NOMASTERLINK NOPERM NOPROTO NOQUORUM NOREPLICAS
  NOSCRIPT NOTBUSY NOTREADY OOM READONLY REDIRECT TRYAGAIN UNBLOCKED UNKILLABLE WRONGPASS WRONGTYPE`.split(
    /\s+/,
  );

afterEach(() => watchUnknownReplies(() => {}));

test('every word that the servers know has a row, and no other', () => {
  expect([...new Set(ERROR_REPLIES.map(({ word }) => word))].sort()).toEqual(WORDS);
});

test.each([
  ['WRONGTYPE Operation against a key holding the wrong kind of value', 'wrong_type'],
  ["OOM command not allowed when used memory > 'maxmemory'.", 'redis_out_of_memory'],
  ['OOM', 'redis_out_of_memory'],
  ['LOADING Redis is loading the dataset in memory', 'redis_loading'],
  ["READONLY You can't write against a read only replica.", 'redis_read_only'],
  ['MISCONF Errors writing to the AOF file: No space left on device', 'redis_read_only'],
  ['NOREPLICAS Not enough good replicas to write.', 'redis_read_only'],
  ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 'redis_unavailable'],
  ['CLUSTERDOWN Hash slot not served', 'redis_unavailable'],
  ['UNBLOCKED force unblock from blocking operation', 'redis_unavailable'],
  ['BUSY Redis is busy running a script. You can only call SCRIPT KILL', 'redis_unavailable'],
  ['TRYAGAIN Multiple keys request during rehashing of slot', 'redis_unavailable'],
  ['ERR max number of clients reached', 'redis_unavailable'],
  ['NOAUTH Authentication required.', 'redis_denied'],
  ['WRONGPASS invalid username-password pair or user is disabled.', 'redis_denied'],
  ["NOPERM this user has no permissions to run the 'xadd' command", 'redis_denied'],
  ['DENIED Redis is running in protected mode because …', 'redis_denied'],
  ['ERR The ID specified in XADD is equal or smaller than the target stream top item', 'id_not_increasing'],
  ['ERR The ID specified in XADD must be greater than 0-0', 'id_not_increasing'],
  ['ERR Elements are too large to be stored', 'id_not_increasing'],
  ['ERR The stream has exhausted the last possible ID, unable to add more items', 'id_not_increasing'],
  ['ERR Protocol error: invalid bulk length', 'payload_too_large'],
  ['ERR unknown command', 'redis_error'],
  ['ERR Invalid stream ID specified as stream command argument', 'redis_error'],
  ["CROSSSLOT Keys in request don't hash to the same slot", 'redis_unavailable'],
  ['EXECABORT Transaction discarded because of previous errors.', 'redis_error'],
  ['EXECABORT Transaction discarded because of: OOM command not allowed', 'redis_out_of_memory'],
  ['', 'redis_error'],
  ['__proto__ x', 'redis_error'],
  ['constructor', 'redis_error'],
] as const)('%s is %s', (reply, code) => {
  const failure = failureFromRedis(reply);
  expect(failure).toBeInstanceOf(Failure);
  expect(failure.code).toBe(code);
});

test("a failure has Redis' text", () => {
  expect(failureFromRedis('READONLY You cannot').message).toBe('Redis refused: READONLY You cannot');
  expect(failureFromRedis('ERR no such thing').message).toBe('Redis refused: no such thing');
});

test('a failure does not say which script of the gateway met it', () => {
  const script = `script: ${'69e88f9e'.repeat(5)}, on @user_script:3.`;
  expect(failureFromRedis(`ERR no such thing ${script}`).message).toBe('Redis refused: no such thing');
  expect(failureFromRedis(`ERR no such thing, ${script}`).message).toBe('Redis refused: no such thing');
});

test.each(['MOVED 3999 10.1.2.3:6381', 'ASK 3999 10.1.2.3:6381', 'REDIRECT 10.1.2.3:6381'])(
  '%s does not show internal addresses to clients',
  (reply) => {
    expect(failureFromRedis(reply).message).not.toMatch(/\d/);
  },
);

describe('an unknown error reply', () => {
  test('is reported once, by its first word', () => {
    const words: string[] = [];
    watchUnknownReplies((word) => words.push(word));
    for (const reply of ['NEWERR a', 'NEWERR b', 'ERR unknown command', 'OTHER']) {
      expect(failureFromRedis(reply).code).toBe('redis_error');
    }
    expect(words).toEqual(['NEWERR', 'OTHER']);
  });

  test('is no longer reported after 64 different words', () => {
    const words: string[] = [];
    watchUnknownReplies((word) => words.push(word));
    for (let index = 0; index < 1000; index++) failureFromRedis(`MADEUP${index} x`);
    expect(words.length).toBeGreaterThan(50);
    expect(words.length).toBeLessThanOrEqual(64);
  });
});
