import { describe, expect, test } from 'vitest';
import { createLogger, maskSecrets } from '../../src/system/logger.js';

/** What a call makes of the log. */
function logged(log: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown> {
  const lines: string[] = [];
  log(createLogger('info', { write: (line) => lines.push(line) }));
  expect(lines.length).toBe(1);
  return JSON.parse(lines[0]!) as Record<string, unknown>;
}

describe('addresses lose their passwords', () => {
  test.each([
    ['redis://user:s3cret@host:6379/0', 'redis://***@host:6379/0'],
    [
      'cannot reach rediss://:s3cret@host, or redis://a:s3cret@b',
      'cannot reach rediss://***@host, or redis://***@b',
    ],
    ['unix://u:s3cret@/run/redis.sock', 'unix://***@/run/redis.sock'],
    ['https://example.org/a@b?c=d', 'https://example.org/a@b?c=d'],
    ['nothing to hide', 'nothing to hide'],
  ])('%s', (text, masked) => {
    expect(maskSecrets(text)).toBe(masked);
  });

  test('in messages, with fields and without', () => {
    expect(logged((logger) => logger.info('at redis://u:s3cret@h'))).toMatchObject({
      msg: 'at redis://***@h',
    });
    expect(logged((logger) => logger.warn({ a: 1 }, 'at redis://u:s3cret@h'))).toMatchObject({
      a: 1,
      msg: 'at redis://***@h',
    });
  });
});

describe('of an error', () => {
  test('nothing is told but what it is, what it says and where it came from', () => {
    const cause = Object.assign(new Error('redis://u:s3cret@h is gone'), { code: 'ECONNRESET' });
    const error = Object.assign(new TypeError('the command failed', { cause }), {
      command: { name: 'set', args: ['key', 's3cret'] },
      previousErrors: ['s3cret'],
    });
    const record = logged((logger) => logger.error({ err: error }, 'failed'));
    expect(record.err).toEqual({
      type: 'TypeError',
      message: 'the command failed: redis://***@h is gone',
      code: 'ECONNRESET',
      stack: expect.stringMatching(
        /^TypeError: the command failed\n +at .*\ncaused by: Error: redis:\/\/\*\*\*@h is gone\n +at .*logger\.test/s,
      ),
    });
    expect(JSON.stringify(record)).not.toContain('s3cret');
  });

  test('its text alone is told where that is all there is', () => {
    expect(logged((logger) => logger.warn({ err: 'no' }, 'failed'))).toMatchObject({ err: 'no' });
  });

  test('causes that go round in a circle end', () => {
    const error = new Error('round');
    error.cause = error;
    expect(
      JSON.stringify(logged((logger) => logger.error({ err: error }, 'failed'))).match(/round/g)!.length,
    ).toBeLessThan(20);
  });
});

test('a record has a level and a time, and no name of the machine or the process', () => {
  expect(logged((logger) => logger.info({ connection: 'c1' }, 'said'))).toEqual({
    level: 30,
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    connection: 'c1',
    msg: 'said',
  });
});
