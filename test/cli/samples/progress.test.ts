import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Output, Progress } from '../../../src/cli/samples/progress.js';

const START = 1_700_000_000_000;
const NEVER = new AbortController().signal;

class FakeOutput implements Output {
  written = '';
  readonly isTTY: boolean;
  readonly columns = 40;
  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }
  write(text: string): boolean {
    this.written += text;
    return true;
  }
}

function startProgress(isTTY: boolean) {
  const out = new FakeOutput(isTTY);
  const err = new FakeOutput(isTTY);
  return { out, err, progress: new Progress('pulled', { out, err, now: Date.now }) };
}

beforeEach(() => {
  vi.useFakeTimers({ now: START });
});
afterEach(() => {
  vi.useRealTimers();
});

test('a file gets a line a second, with what came in that second, and a summary', async () => {
  const { err, progress } = startProgress(false);
  vi.advanceTimersByTime(500);
  progress.count(1_000_000, `${START + 400}-0`);
  progress.count(1_000_000, `${START + 200}-5`);
  vi.advanceTimersByTime(1500);
  progress.finish();
  expect(err.written.split('\n')).toEqual([
    'pulled 2  2.0/s, 2.00 MB/s  lag 200 ms',
    'pulled 2  0.0/s, 0.00 MB/s',
    'pulled 2 entries, 2.00 MB in 2.0 s: 1.0/s, 1.00 MB/s, lag mean 200 ms, max 300 ms',
    '',
  ]);
  vi.advanceTimersByTime(5000);
  expect(err.written.split('\n').length).toBe(4);
});

test('without ids there is no lag', () => {
  const { err, progress } = startProgress(false);
  progress.count(10);
  vi.advanceTimersByTime(1000);
  progress.finish();
  expect(err.written).not.toContain('lag');
});

test('a terminal gets one line, rewritten in place and never wider than the terminal', () => {
  const { err, progress } = startProgress(true);
  progress.count(123_456_789, `${START}-0`);
  vi.advanceTimersByTime(2000);
  const lines = err.written.split('\r\x1b[K');
  expect(lines.length).toBe(3);
  for (const line of lines) expect(line.length).toBeLessThan(40);
  progress.finish();
  expect(err.written.match(/\n/g)?.length).toBe(1);
});

test('the live line makes room for a line on the same terminal', async () => {
  const { out, err, progress } = startProgress(true);
  vi.advanceTimersByTime(1000);
  err.written = '';
  await progress.say('an entry', NEVER);
  expect(out.written).toBe('an entry\n');
  expect(err.written).toBe('\r\x1b[Kpulled 0  0.0/s, 0.00 MB/s');
  progress.abandon();
});
