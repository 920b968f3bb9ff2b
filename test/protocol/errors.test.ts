import { CloseCode } from 'graphql-ws';
import { describe, expect, test } from 'vitest';
import {
  asFailure,
  CLOSE_CODES,
  FAILURES,
  Failure,
  type FailureCode,
  isOutOfMemory,
} from '../../src/protocol/errors.js';

const KINDS = Object.entries(FAILURES);
/** Those of graphql-transport-ws that a server sends. */
const OF_THE_PROTOCOL = [
  CloseCode.InternalServerError,
  CloseCode.BadRequest,
  CloseCode.Unauthorized,
  CloseCode.Forbidden,
  CloseCode.ConnectionInitialisationTimeout,
  CloseCode.SubscriberAlreadyExists,
  CloseCode.TooManyInitialisationRequests,
];
/** A replay has come to its end. */
const NORMAL_CLOSURE = 1000;
/** What a client is told by its own library. */
const NO_CLOSE_FRAME = 1006;
/** Of failures that are found before the upgrade. */
const RESERVED = [4404, 4405, 4411, 4415, 4421, 4426];

describe('the list of failures', () => {
  test.each(KINDS)('%s has a status and a close code that a server may send', (code, { status, close }) => {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    // RFC 6455 §7.4.2 leaves 4000–4999 to applications; of its own, these are for servers to send.
    if (close >= 4000) expect(close).toBe(4000 + status);
    else expect(close).toBeOneOf([1001, 1009, 1011, 1013]);
  });

  test('what passes by itself is 503 or 429, and a close code says so too', () => {
    for (const [code, { status, close, retry }] of KINDS) {
      expect(['no', 'later', 'at_once']).toContain(retry);
      if (status === 503) expect([code, retry]).toEqual([code, 'later']);
      if (close === 1013 || close === 1001) expect([code, status]).toEqual([code, 503]);
      if (retry !== 'no') expect([503, 429], code).toContain(status);
      expect(new Failure(code as FailureCode, '').mayPass).toBe(retry === 'later');
    }
  });
});

describe('Failure', () => {
  const failure = new Failure('wrong_type', 'the key holds another type');

  test('is an Error with a code and what comes of it', () => {
    expect(failure).toBeInstanceOf(Error);
    expect(failure).toMatchObject({
      name: 'Failure',
      code: 'wrong_type',
      message: 'the key holds another type',
    });
    expect(failure.kind).toBe(FAILURES.wrong_type);
  });

  test('brings the log its cause, if it has one', () => {
    const cause = new Error('what is the matter');
    expect(new Failure('internal', 'the thread ended', cause).cause).toBe(cause);
    expect(failure).not.toHaveProperty('cause');
  });

  test('spends no time on a stack trace, and leaves other errors theirs', () => {
    expect(failure.stack).not.toContain('errors.test');
    expect(new Error('a fault').stack).toContain('errors.test');
  });

  test('is told as a sentence and a code', () => {
    expect(JSON.stringify(failure.body)).toBe('{"error":"the key holds another type","code":"wrong_type"}');
  });
});

describe('asFailure', () => {
  test('leaves a failure as it is', () => {
    const failure = new Failure('bad_name', 'no');
    expect(asFailure(failure)).toBe(failure);
  });

  test.each([
    new Error('a secret'),
    new TypeError('a secret'),
    'a secret',
    undefined,
    null,
    { code: 'bad_name' },
  ])('tells nothing of anything else', (cause) => {
    expect(asFailure(cause).body).toEqual({
      error: 'the gateway failed to answer this request',
      code: 'internal',
    });
  });
});

test('a client that meets a lack of memory may come again', () => {
  const failure = asFailure(new RangeError('Array buffer allocation failed'));
  expect(failure.body).toEqual({
    error: 'the gateway has too little memory for this',
    code: 'overloaded',
  });
  expect(failure.mayPass).toBe(true);
});

test('every close code that a WebSocket may end with is described, and no other', () => {
  const [reserved, described] = [RESERVED, Object.keys(CLOSE_CODES).map(Number)];
  expect(described.filter((close) => reserved.includes(close))).toEqual([]);
  const ours = KINDS.map(([, { close }]) => close).filter((close) => !reserved.includes(close));
  expect(described.sort()).toEqual(
    [...new Set([...ours, ...OF_THE_PROTOCOL, NORMAL_CLOSURE, NO_CLOSE_FRAME])].sort(),
  );
});

test('memory that cannot be had is told from other errors, by all releases of Node.js', () => {
  const coded = (error: Error) => Object.assign(error, { code: 'ERR_MEMORY_ALLOCATION_FAILED' });
  expect(isOutOfMemory(new RangeError('Array buffer allocation failed'))).toBe(true);
  expect(isOutOfMemory(coded(new RangeError('Failed to allocate memory')))).toBe(true);
  expect(isOutOfMemory(coded(new Error('Failed to allocate memory')))).toBe(true);
  expect(isOutOfMemory(new RangeError('Invalid array length'))).toBe(false);
  expect(isOutOfMemory(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))).toBe(false);
  expect(isOutOfMemory('Array buffer allocation failed')).toBe(false);
});
