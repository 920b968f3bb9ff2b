import { describe, expect, test } from 'vitest';
import { parseAck } from '../../src/client/ack.js';
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

describe('parseAck', () => {
  test('an id', () => {
    expect(parseAck('["1-0"]')).toBe('1-0');
  });

  test('a failure', () => {
    expect(parseAck('[{"error": "Redis is away", "code": "redis_unavailable"}]')).toMatchObject({
      code: 'redis_unavailable',
      message: 'an entry was not stored: Redis is away (redis_unavailable)',
    });
  });

  test.each(['', '"1-0"', '[]', '["1-0", "2-0"]', '[null]', '[{}]'])('refuses %j', (text) => {
    expect(parseAck(text)).toMatchObject({ code: 'bad_answer' });
  });
});
