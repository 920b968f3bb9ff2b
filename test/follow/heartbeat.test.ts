/** When a client is sent a heartbeat, on a clock of the test's. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Heartbeat } from '../../src/follow/heartbeat.js';

const BLOCK_MS = 100;

let begun: number;
/** When heartbeats were sent, in ms since the beginning. */
let times: number[];
let heartbeat: Heartbeat;

beforeEach(() => {
  vi.useFakeTimers();
  begun = performance.now();
  times = [];
});

afterEach(() => {
  heartbeat.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function begin(block: number): void {
  heartbeat = new Heartbeat(block, () => times.push(performance.now() - begun));
}

describe('with a time', () => {
  test('it comes whenever nothing was sent for so long', () => {
    begin(BLOCK_MS);
    vi.advanceTimersByTime(BLOCK_MS - 1);
    expect(times).toEqual([]);
    vi.advanceTimersByTime(2 * BLOCK_MS + 1);
    expect(times).toEqual([100, 200, 300]);
  });

  test('it is put off by what is sent', () => {
    begin(BLOCK_MS);
    for (const passed of [30, 69, 50, 99]) {
      vi.advanceTimersByTime(passed);
      heartbeat.lastSentAt = performance.now();
    }
    vi.advanceTimersByTime(BLOCK_MS);
    expect(times).toEqual([348]);
    vi.advanceTimersByTime(BLOCK_MS);
    expect(times).toEqual([348, 448]);
  });

  test('what is sent in between costs no more timers than the heartbeats would', () => {
    begin(BLOCK_MS);
    const timers = vi.spyOn(globalThis, 'setTimeout');
    for (let passed = 0; passed < 10 * BLOCK_MS; passed += 10) {
      vi.advanceTimersByTime(10);
      heartbeat.lastSentAt = performance.now();
    }
    expect(timers.mock.calls.length).toBeLessThanOrEqual(12);
    timers.mockRestore();
  });

  test('it does not come at the end of what there is', () => {
    begin(BLOCK_MS);
    expect(heartbeat.isWantedAtEnd).toBe(false);
  });
});

test('with block=-1 it is wanted once for each time that the client has caught up, and at no time', () => {
  begin(-1);
  expect(vi.getTimerCount()).toBe(0);
  expect(heartbeat.isWantedAtEnd).toBe(true);
  heartbeat.beat();
  expect([times, heartbeat.isWantedAtEnd]).toEqual([[0], false]);
  heartbeat.isOwed = true;
  expect(heartbeat.isWantedAtEnd).toBe(true);
});

test('with block=0 there is none', () => {
  begin(0);
  expect([vi.getTimerCount(), heartbeat.isWantedAtEnd]).toEqual([0, false]);
});
