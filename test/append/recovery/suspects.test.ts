import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Receipt, Unanswered } from '../../../src/append/batch.js';
import { AppendStream } from '../../../src/append/command.js';
import { Suspects } from '../../../src/append/recovery/suspects.js';

const MIB = 1024 * 1024;
const RECEIPT: Receipt = { stored: () => {}, refused: () => {} };

const entry = (token = 0, bytes = 1, receipt = RECEIPT): Unanswered => ({
  stream: new AppendStream('k', 1000),
  id: '*',
  payload: Buffer.alloc(bytes),
  receipt,
  token,
  bytes,
});

let suspects: Suspects;

beforeEach(() => {
  vi.useFakeTimers();
  suspects = new Suspects();
});
afterEach(() => vi.useRealTimers());

function lose(times: number, ...entries: Unanswered[]): void {
  for (let loss = 0; loss < times; loss++) suspects.lost(entries);
}

describe('an entry is refused', () => {
  test('once it was alone on three connections that were closed in a row', () => {
    lose(2, entry());
    expect(suspects.judge(entry())).toBeUndefined();
    lose(1, entry());
    expect(suspects.judge(entry())).toMatchObject({
      code: 'redis_error',
      message: 'Redis closed the connection 3 times when it was sent this entry',
    });
  });

  test('and is not held against the next one like it', () => {
    lose(3, entry());
    suspects.judge(entry());
    expect(suspects.judge(entry())).toBeUndefined();
  });

  test('though connections were lost between that carried nothing', () => {
    lose(2, entry());
    lose(1);
    lose(1, entry());
    expect(suspects.judge(entry())).toBeDefined();
  });

  test.each([
    ['another token', entry(1)],
    ['another receipt', entry(0, 1, { ...RECEIPT })],
  ])('and not one with %s', (_, other) => {
    lose(3, entry());
    expect(suspects.judge(other)).toBeUndefined();
    lose(1, other);
    expect(suspects.judge(other)).toBeUndefined();
    lose(1, entry());
    expect(suspects.judge(entry())).toBeUndefined();
  });

  test.each([
    ['others were with it', () => lose(1, entry(), entry(1))],
    ['something was answered', () => suspects.clear()],
  ])('and not where %s meanwhile', (_, happens) => {
    lose(2, entry());
    happens();
    lose(1, entry());
    expect(suspects.judge(entry())).toBeUndefined();
    lose(2, entry());
    expect(suspects.judge(entry())).toBeDefined();
  });
});

describe('for a minute others are refused for their size', () => {
  test('if they are as large as one of a MiB that was refused', () => {
    expect(suspects.largest).toBe(Number.POSITIVE_INFINITY);
    lose(3, entry(0, MIB));
    const message = `Redis closes the connection on an entry of ${MIB} bytes (client-query-buffer-limit, maxmemory-clients)`;
    expect(suspects.judge(entry(0, MIB))).toMatchObject({ code: 'payload_too_large', message });
    expect(suspects.largest).toBe(MIB);
    vi.advanceTimersByTime(59_999);
    expect(suspects.tooLarge(2 * MIB)).toMatchObject({
      code: 'payload_too_large',
      message: expect.stringContaining(`${2 * MIB} bytes`),
    });
    expect(suspects.largest).toBe(MIB);
    vi.advanceTimersByTime(1);
    expect(suspects.tooLarge(2 * MIB)).toBeUndefined();
    expect(suspects.largest).toBe(Number.POSITIVE_INFINITY);
  });

  test('and not if that was smaller', () => {
    lose(3, entry(0, MIB - 1));
    expect(suspects.judge(entry(0, MIB - 1))).toMatchObject({ code: 'redis_error' });
    expect(suspects.largest).toBe(Number.POSITIVE_INFINITY);
  });
});
