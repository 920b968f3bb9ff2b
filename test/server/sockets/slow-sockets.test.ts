import { expect, test } from 'vitest';
import type { Failure } from '../../../src/protocol/errors.js';
import { sweepSockets } from '../../../src/server/sockets/slow-sockets.js';

const MOST = 100;

/** @param sweeps at which its client had read nothing */
function socketOf(unreadBytes: number, sweeps: number) {
  const socket = {
    unreadBytes,
    isResumed: false,
    ended: undefined as Failure | undefined,
    resumeIfStuck: () => {
      socket.isResumed = true;
    },
    lookForStall: () => sweeps,
    endSlow: (failure: Failure) => {
      socket.ended = failure;
    },
  };
  return socket;
}

/** Which of the sockets, given as unread bytes and sweeps without reading, are closed. */
function closedOf(...given: [unreadBytes: number, sweeps: number][]): number[] {
  const sockets = given.map(([bytes, sweeps]) => socketOf(bytes, sweeps));
  sweepSockets(sockets, MOST);
  expect(sockets.every(({ isResumed }) => isResumed)).toBe(true);
  return sockets.flatMap(({ ended }, index) => (ended === undefined ? [] : [index]));
}

test.each([
  [
    'nobody while there is room',
    [
      [60, 5],
      [40, 5],
    ],
    [],
  ],
  [
    'nobody who reads, whatever it costs',
    [
      [200, 0],
      [1, 0],
    ],
    [],
  ],
  [
    'who has stalled, until there is room',
    [
      [200, 0],
      [10, 1],
      [0, 0],
    ],
    [1],
  ],
  [
    'the most costly of those that stalled together',
    [
      [30, 2],
      [50, 2],
      [40, 2],
    ],
    [1],
  ],
  [
    'who has stalled for longer rather than the more costly',
    [
      [60, 1],
      [50, 3],
    ],
    [1],
  ],
  [
    'as many as it takes',
    [
      [60, 1],
      [60, 2],
      [60, 3],
      [30, 4],
    ],
    [1, 2, 3],
  ],
] as [string, [number, number][], number[]][])('closes %s', (_name, sockets, closed) => {
  expect(closedOf(...sockets)).toEqual(closed);
});

test('says what waits, and which setting it is about', () => {
  const socket = socketOf(101, 1);
  sweepSockets([socket], MOST);
  expect(socket.ended?.message).toMatch(/^101 bytes wait .*MAX_UNREAD_BYTES$/);
  expect(socket.ended?.kind.close).toBe(1013);
});
