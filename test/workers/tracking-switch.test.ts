/** When a reader's connection tracks what it reads. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ReplyBuffer, ReplyCursor } from '../../src/redis/resp.js';
import type { Ask } from '../../workers/followed.js';
import { TrackingSwitch } from '../../workers/tracking-switch.js';

const INFO = '$21\r\nredis_version:8.0.0\r\n\r\n';
const OK = '+OK\r\n';
const DENIED = '-NOPERM no permissions\r\n';

let asked: { readonly command: string; readonly take: Parameters<Ask>[1] }[];
let tracking: TrackingSwitch;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  asked = [];
  tracking = new TrackingSwitch((command, take) => {
    asked.push({
      command: command
        .toString()
        .replaceAll(/[*$]\d+\r\n/g, '')
        .replaceAll('\r\n', ' '),
      take,
    });
  });
});

afterEach(() => {
  vi.useRealTimers();
});

function answer(reply: string): string {
  const replies = new ReplyBuffer();
  replies.append(Buffer.from(reply));
  const cursor = new ReplyCursor();
  replies.next(cursor);
  const { command, take } = asked.shift()!;
  take(cursor);
  return command.trim();
}

/** @returns how often it said that it is done */
function turnOn(...replies: string[]): number {
  let done = 0;
  tracking.turnOn(() => done++);
  expect(tracking.isTurning).toBe(true);
  for (const reply of replies) answer(reply);
  return done;
}

test('many streams turn it on, and so few that it does not come and go turn it off', () => {
  expect([0, 49, 100, 101].map((streams) => tracking.shouldTurn(streams))).toEqual([
    false,
    false,
    false,
    true,
  ]);
  let done = 0;
  tracking.turnOn(() => done++);
  expect(tracking.shouldTurn(101)).toBe(false);
  expect([answer(INFO), answer('%1\r\n+proto\r\n:3\r\n'), answer(OK)]).toEqual([
    'INFO server',
    'HELLO 3',
    'CLIENT TRACKING ON',
  ]);
  expect([done, tracking.isOn, tracking.isTurning]).toEqual([1, true, false]);
  expect([1000, 101, 50, 49].map((streams) => tracking.shouldTurn(streams))).toEqual([
    false,
    false,
    false,
    true,
  ]);
  tracking.turnOff();
  expect(answer(OK)).toBe('CLIENT TRACKING OFF');
  expect(tracking.isOn).toBe(false);
  expect(tracking.shouldTurn(101)).toBe(true);
  // The connection is prepared already.
  tracking.turnOn(() => done++);
  expect(answer(OK)).toBe('CLIENT TRACKING ON');
  expect([done, tracking.isOn]).toEqual([2, true]);
});

describe('where it is refused', () => {
  test.each([
    ['INFO', [DENIED]],
    ['RESP3', [INFO, '-NOPROTO unsupported protocol version\r\n']],
    ['tracking', [INFO, OK, DENIED]],
    ['the word of another server', ['$48\r\nredis_version:7.4.0\r\ndragonfly_version:df-1.30\r\n\r\n']],
  ])('%s, it is off, and asked for again after more and more time', (_what, replies) => {
    for (const seconds of [10, 20, 40, 80, 160, 320, 600, 600]) {
      expect(turnOn(...replies)).toBe(1);
      expect([tracking.isOn, tracking.isTurning, asked.length]).toEqual([false, false, 0]);
      vi.advanceTimersByTime(seconds * 1000 - 1);
      expect(tracking.shouldTurn(101)).toBe(false);
      vi.advanceTimersByTime(1);
      expect(tracking.shouldTurn(101)).toBe(true);
      tracking.lost();
    }
    turnOn(INFO, OK, OK);
    tracking.lost();
    expect(tracking.shouldTurn(101)).toBe(true);
    turnOn(...replies);
    vi.advanceTimersByTime(10_000);
    expect(tracking.shouldTurn(101)).toBe(true);
  });
});

test('a connection that is lost over it counts as refused, one that is lost later does not', () => {
  turnOn(INFO, OK, OK);
  tracking.lost();
  expect([tracking.isOn, tracking.shouldTurn(101)]).toEqual([false, true]);
  turnOn(INFO, OK);
  tracking.lost();
  expect([tracking.isOn, tracking.isTurning, tracking.shouldTurn(101)]).toEqual([false, false, false]);
});
