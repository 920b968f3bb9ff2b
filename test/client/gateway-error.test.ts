import { describe, expect, test } from 'vitest';
import { errorFromAnswer, errorFromClose, errorFromNetwork } from '../../src/client/gateway-error.js';

describe('errorFromAnswer', () => {
  test("tells the gateway's sentence and code", () => {
    const error = errorFromAnswer(400, '{"error": "block must be a number", "code": "bad_parameter"}');
    expect(error).toMatchObject({ code: 'bad_parameter', status: 400 });
    expect(error.message).toBe('the gateway refused: block must be a number (bad_parameter, HTTP 400)');
  });

  test.each(['', '<html>', 'null', '{"error": 1, "code": "x"}', '{"error": "x"}'])(
    'copes with %j',
    (body) => {
      const error = errorFromAnswer(502, body);
      expect(error).toMatchObject({ code: 'bad_answer', status: 502 });
      expect(error.message).toContain('HTTP 502');
    },
  );
});

test.each([
  [4409, 'the key is not a stream', 'with: the key is not a stream (close code 4409)'],
  [1001, '', 'without a reason (close code 1001)'],
  [1005, '', 'without a reason (no close code)'],
  [1006, '', 'broke off (close code 1006)'],
])('errorFromClose tells the close %i %j', (closeCode, reason, told) => {
  const error = errorFromClose(closeCode, reason);
  expect(error.message).toContain(told);
  expect(error).toMatchObject({ code: 'closed', closeCode });
});

test('errorFromNetwork tells the address and the cause within the cause', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });
  const error = errorFromNetwork(
    new TypeError('fetch failed', { cause: refused }),
    new URL('http://h:1/data/a'),
  );
  expect(error.message).toBe('no gateway answers at http://h:1: connect ECONNREFUSED 127.0.0.1:1');
});

test('errorFromNetwork tells the code of a cause without a message', () => {
  const both = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' });
  expect(errorFromNetwork(both, new URL('ws://h:1')).message).toBe(
    'no gateway answers at ws://h:1: ECONNREFUSED',
  );
});

describe('whether coming back helps', () => {
  test.each([
    [errorFromAnswer(400, '{"error": "x", "code": "bad_parameter"}'), false],
    [errorFromAnswer(403, '{"error": "x", "code": "forbidden"}'), false],
    [errorFromAnswer(504, '{"error": "x", "code": "unknown_outcome"}'), false],
    [errorFromAnswer(503, '{"error": "x", "code": "redis_unavailable"}'), true],
    [errorFromAnswer(503, '{"error": "x", "code": "of a newer gateway"}'), true],
    [errorFromAnswer(502, '<html>'), true],
    [errorFromAnswer(404, '<html>'), false],
    [errorFromClose(1001, 'the gateway is going down'), true],
    [errorFromClose(1006, ''), true],
    [errorFromClose(1011, 'a fault'), false],
    [errorFromClose(1013, 'Redis is away'), true],
    [errorFromClose(4401, 'the token is over'), false],
    [errorFromClose(4429, 'acks are not read'), true],
    [errorFromNetwork(new Error('refused'), new URL('http://h:1')), true],
  ])('%s: %s', (error, mayPass) => {
    expect(error.mayPass).toBe(mayPass);
  });

  test('and when, where the gateway says so', () => {
    const body = '{"error": "x", "code": "overloaded"}';
    expect(errorFromAnswer(503, body, '7').retryAfterMs).toBe(7000);
    expect(errorFromAnswer(503, body, 'soon').retryAfterMs).toBeUndefined();
  });
});

test('a message that is too large is told by that code', () => {
  expect(errorFromClose(1009, 'over MAX_PAYLOAD_BYTES').code).toBe('payload_too_large');
});
