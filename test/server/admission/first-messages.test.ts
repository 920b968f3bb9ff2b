import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FirstMessages, type NewSocket } from '../../../src/server/admission/first-messages.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

class FakeSocket implements NewSocket {
  readonly address: string;
  isRead = true;
  ended: string | undefined;

  constructor(address: string) {
    this.address = address;
  }

  pauseReading(): void {
    this.isRead = false;
  }

  resumeReading(): void {
    this.isRead = true;
  }

  end({ message }: Error): void {
    this.ended = message;
  }
}

function add(all: FirstMessages, count: number, address: string): FakeSocket[] {
  const sockets = Array.from({ length: count }, () => new FakeSocket(address));
  for (const socket of sockets) all.add(socket);
  return sockets;
}

const read = (sockets: readonly FakeSocket[]) => sockets.filter(({ isRead }) => isRead).length;

test('twelve are read at a time; the next is read once one has sent its message', () => {
  const all = new FirstMessages(true);
  const sockets = add(all, 14, 'a');
  expect([read(sockets), all.open]).toEqual([12, 14]);
  all.remove(sockets[3]!);
  all.remove(sockets[3]!);
  expect([sockets[12]!.isRead, sockets[13]!.isRead, all.open]).toEqual([true, false, 13]);
});

test('the next is of the address with the fewest that are read', () => {
  const all = new FirstMessages(true);
  const many = add(all, 20, 'many');
  const [few] = add(all, 1, 'few');
  all.remove(many[0]!);
  expect(few!.isRead).toBe(true);
});

test('one that sends nothing gives way after a second, if others wait', () => {
  const all = new FirstMessages(true);
  const first = add(all, 12, 'a');
  vi.advanceTimersByTime(1000);
  all.sweep();
  expect(first.some(({ ended }) => ended !== undefined)).toBe(false);
  const [next, last] = add(all, 2, 'b');
  all.sweep();
  expect(first.filter(({ ended }) => ended !== undefined)).toHaveLength(2);
  expect([next!.isRead, last!.isRead]).toEqual([true, true]);
});

test('an address may have 256, and all addresses 1024', () => {
  const all = new FirstMessages(true);
  add(all, 255, 'a');
  all.checkRoom('a');
  const [last] = add(all, 1, 'a');
  expect(() => all.checkRoom('a')).toThrow('one address may have at most 256 connections');
  for (const address of ['b', 'c', 'd']) add(all, 256, address);
  expect(() => all.checkRoom('e')).toThrow('at most 1024');
  all.remove(last!);
  all.checkRoom('a');
});
