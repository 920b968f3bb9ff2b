/** When a thread is asked for a beat, and when it counts as stopped. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Heartbeat } from '../../src/threads/heartbeat.js';

const LIMIT_MS = 1500;

/** A thread that answers, or does not. */
class Thread {
  answers = true;
  isBusy = true;
  asked = 0;
  readonly stopped = vi.fn();
  readonly heartbeat = new Heartbeat(LIMIT_MS, {
    ask: () => {
      this.asked++;
      if (this.answers) queueMicrotask(() => this.heartbeat.beat());
    },
    isBusy: () => this.isBusy,
    stopped: this.stopped,
  });
}

let thread: Thread;
beforeEach(() => {
  vi.useFakeTimers();
  thread = new Thread();
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('a thread with work', () => {
  test('is asked again and again, and is well while it answers', async () => {
    thread.heartbeat.watch();
    await pass(60_000);
    expect(thread.asked).toBeGreaterThan(100);
    expect(thread.stopped).not.toHaveBeenCalled();
  });

  test('counts as stopped once it has been silent for the limit, which is reported once', async () => {
    thread.heartbeat.watch();
    await pass(5000);
    thread.answers = false;
    await pass(LIMIT_MS);
    expect(thread.stopped).not.toHaveBeenCalled();
    await pass(1000);
    expect(thread.stopped).toHaveBeenCalledTimes(1);
    thread.heartbeat.watch();
    await pass(60_000);
    expect(thread.stopped).toHaveBeenCalledTimes(1);
  });

  test('may be late, but for the limit', async () => {
    thread.heartbeat.watch();
    await pass(5000);
    for (let time = 0; time < 5; time++) {
      thread.answers = false;
      await pass(LIMIT_MS);
      thread.answers = true;
      thread.heartbeat.beat();
      await pass(500);
    }
    expect(thread.stopped).not.toHaveBeenCalled();
  });

  test('may take half a minute to start', async () => {
    thread.answers = false;
    thread.heartbeat.watch();
    await pass(30_000);
    expect(thread.stopped).not.toHaveBeenCalled();
    await pass(1000);
    expect(thread.stopped).toHaveBeenCalledTimes(1);
  });

  test('that has ended is asked nothing more', async () => {
    thread.heartbeat.watch();
    thread.heartbeat.stop();
    thread.heartbeat.watch();
    await pass(60_000);
    expect(thread.asked).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a thread without work', () => {
  test('is asked once more and then left alone, without a timer', async () => {
    thread.heartbeat.watch();
    await pass(1000);
    thread.isBusy = false;
    const before = thread.asked;
    await pass(60_000);
    expect(thread.asked).toBe(before + 1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('that has stopped meanwhile is noticed once it is given work', async () => {
    thread.isBusy = false;
    thread.heartbeat.watch();
    await pass(1000);
    thread.answers = false;
    await pass(60_000);
    expect(thread.stopped).not.toHaveBeenCalled();
    thread.isBusy = true;
    thread.heartbeat.watch();
    await pass(LIMIT_MS + 1000);
    expect(thread.stopped).toHaveBeenCalledTimes(1);
  });
});
