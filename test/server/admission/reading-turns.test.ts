import { beforeEach, expect, test } from 'vitest';
import { ReadingTurns, type TurnTaker } from '../../../src/server/admission/reading-turns.js';

const MIB = 1024 * 1024;
const READ_BYTES = 512 * 1024;
/** What 64 sockets may be read of at once. */
const ROOM = 64 * READ_BYTES;

class FakeSocket implements TurnTaker {
  isRead = true;
  isProven = false;
  turns = 0;

  pauseReading(): void {
    this.isRead = false;
  }

  resumeReading(): void {
    this.isRead = true;
    this.turns++;
  }
}

let turns: ReadingTurns<FakeSocket>;
let sockets: FakeSocket[];

beforeEach(() => {
  turns = new ReadingTurns(READ_BYTES, 64);
  sockets = [];
});

function open(count: number, room = ROOM): FakeSocket[] {
  const opened = Array.from({ length: count }, () => new FakeSocket());
  for (const socket of opened) turns.open(socket, room);
  sockets.push(...opened);
  return opened;
}

const read = () => sockets.filter(({ isRead }) => isRead).length;

test('without a limit all are read', () => {
  open(1000, Number.POSITIVE_INFINITY);
  expect([read(), turns.waiting]).toEqual([1000, 0]);
});

test('as many new sockets are read as there is room for, and those that wait take turns', () => {
  open(300);
  expect([read(), turns.waiting]).toEqual([64, 236]);
  for (let now = 0; now < 500; now += 25) {
    turns.takeTurns(ROOM, now);
    expect(read()).toBe(64);
  }
  expect(sockets.slice(64).every((socket) => socket.turns > 0)).toBe(true);
});

test('a socket that has completed a message keeps being read, and makes room', () => {
  const [first] = open(64);
  const [next] = open(1);
  first!.isProven = true;
  turns.proven(first!);
  expect([first!.isRead, next!.isRead, turns.waiting]).toEqual([true, true, 0]);
  open(100);
  for (let now = 0; now < 1000; now += 25) {
    turns.takeTurns(ROOM, now);
    expect(first!.isRead).toBe(true);
  }
});

test('after a common pause sockets go on in parts, in the order given', () => {
  const all = open(200, Number.POSITIVE_INFINITY);
  for (const socket of all) socket.isProven = true;
  turns.pause(all);
  expect(read()).toBe(0);
  for (const expected of [64, 128, 192, 200]) {
    turns.takeTurns(ROOM, 0);
    expect(all.map(({ isRead }) => isRead).lastIndexOf(true)).toBe(expected - 1);
    expect(read()).toBe(expected);
  }
});

test('a closed socket neither waits nor takes room', () => {
  const [first] = open(64);
  const [second, third] = open(2);
  turns.closed(second!);
  turns.closed(first!);
  turns.takeTurns(ROOM, 0);
  expect([second!.isRead, third!.isRead, turns.waiting]).toEqual([false, true, 0]);
});

test('more room lets more go on', () => {
  open(300);
  turns.takeTurns(128 * MIB, 0);
  expect([read(), turns.waiting]).toEqual([256, 44]);
});
