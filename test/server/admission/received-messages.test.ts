import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  ReceivedMessages,
  type Receiver,
  type ReceivingSocket,
} from '../../../src/server/admission/received-messages.js';

const MIB = 1024 * 1024;
const USUAL = 100 * MIB;

/** A client's socket, and what the library holds for it. */
class FakeSocket implements ReceivingSocket {
  isRead = true;
  dropped: string | undefined;
  held = 0;
  receiver: Receiver | undefined;

  pauseReading(): void {
    this.isRead = false;
  }

  resumeReading(): void {
    this.isRead = true;
  }

  drop({ message }: Error): void {
    this.dropped = message;
    this.held = 0;
  }
}

let sockets: FakeSocket[];
let other: number;
let unread: number;
let isWatched: boolean;
let all: ReceivedMessages;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  // Not at the very beginning of time.
  vi.advanceTimersByTime(60_000);
  sockets = [];
  other = 0;
  unread = 0;
  isWatched = false;
  all = new ReceivedMessages({
    max: 256 * MIB,
    memory: () => sockets.reduce((sum, { held }) => sum + held, USUAL + other + unread),
    unread: () => unread,
    watch: () => {
      isWatched = true;
      return () => {
        isWatched = false;
      };
    },
  });
  all.look();
});

afterEach(() => {
  vi.useRealTimers();
});

/** @param most MiB of its longest message: one alone may hold too much */
function open(most = 300): FakeSocket {
  const socket = new FakeSocket();
  socket.receiver = all.open(socket, most * MIB);
  sockets.push(socket);
  return socket;
}

const openMany = (count: number) => Array.from({ length: count }, () => open());

/** Its client sends a message to its end. */
function complete(socket: FakeSocket, bytes: number): void {
  socket.held = Math.max(socket.held, bytes);
  socket.receiver!.completed(bytes);
}

function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += 25) {
    vi.advanceTimersByTime(25);
    all.look();
  }
}

describe('unfinished messages', () => {
  test('that take little disturb nobody', () => {
    const [slow, idle] = [open(), open()];
    slow.held = 120 * MIB;
    pass(60_000);
    expect([slow, idle].map(({ isRead, dropped }) => [isRead, dropped])).toEqual([
      [true, undefined],
      [true, undefined],
    ]);
    expect(all.unfinishedBytes).toBe(120 * MIB);
  });

  test('are watched only while they could take more than the limit together', () => {
    const sockets = [64, 64, 64, 64].map((most) => open(most));
    sockets[0]!.held = 200 * MIB;
    pass(100);
    expect([isWatched, all.isPaused]).toEqual([false, false]);
    const another = open(1);
    expect(isWatched).toBe(true);
    pass(25);
    expect(all.isPaused).toBe(true);
    another.receiver!.close();
    expect(isWatched).toBe(true);
    sockets[0]!.held = 0;
    pass(25);
    expect([isWatched, all.isPaused]).toEqual([false, false]);
  });

  test('are not confused with what clients have not read', () => {
    const socket = open();
    unread = 500 * MIB;
    pass(1000);
    expect([all.unfinishedBytes, socket.isRead, socket.dropped]).toEqual([0, true, undefined]);
  });

  test('that take half of the limit pause all but those that just completed one; the newest without go first', () => {
    const [busy, slow] = [open(), open()];
    pass(1000);
    const attackers = openMany(32);
    complete(busy, 1000);
    slow.held = 20 * MIB;
    for (const attacker of attackers) attacker.held = 5 * MIB;
    pass(25);
    expect(all.isPaused).toBe(true);
    expect(sockets.filter(({ isRead }) => isRead)).toEqual([busy]);
    const late = open();
    expect(late.isRead).toBe(false);
    pass(1000);
    expect(all.isPaused).toBe(false);
    const closed = [...attackers, late].filter(({ dropped }) => dropped !== undefined);
    expect(closed.length).toBeGreaterThan(16);
    expect(closed[0]!.dropped).toContain('unfinished messages');
    expect([busy, slow].map(({ isRead, dropped }) => [isRead, dropped])).toEqual([
      [true, undefined],
      [true, undefined],
    ]);
    expect(all.unfinishedBytes).toBeLessThanOrEqual(64 * MIB);
    expect(all.closes).toBe(closed.length);
  });

  test('a growth that passes by itself closes nobody', () => {
    const socket = open();
    other = 200 * MIB;
    pass(100);
    expect(socket.isRead).toBe(false);
    other = 0;
    pass(25);
    expect([socket.isRead, socket.dropped]).toEqual([true, undefined]);
  });

  test('a growth of something else counts as usual afterwards, and does not hide another', () => {
    const [busy] = [open()];
    other = 150 * MIB;
    for (let step = 0; step < 200; step++) {
      complete(busy!, 100);
      pass(25);
    }
    expect([busy!.isRead, busy!.dropped, all.unfinishedBytes]).toEqual([true, undefined, 0]);
    const attacker = open();
    attacker.held = 40 * MIB;
    for (let step = 0; step < 200; step++) {
      complete(busy!, 100);
      pass(25);
    }
    expect([busy!.dropped, attacker.dropped]).toEqual([undefined, expect.any(String)]);
  });
});

describe('buffers of finished messages', () => {
  test('are no growth, and are counted until the socket closes', () => {
    const cameras = openMany(50);
    for (const camera of cameras) {
      complete(camera, 4 * MIB);
      complete(camera, MIB);
    }
    pass(1000);
    expect([all.keptBytes, all.unfinishedBytes, all.isPaused]).toEqual([200 * MIB, 0, false]);
    for (const camera of cameras) {
      camera.held = 0;
      camera.receiver!.close();
    }
    pass(25);
    expect([all.keptBytes, all.unfinishedBytes]).toEqual([0, 0]);
  });

  test('of which the allocator keeps the memory are no growth either', () => {
    const camera = open();
    complete(camera, 100 * MIB);
    pass(25);
    camera.receiver!.close();
    pass(25);
    expect(all.unfinishedBytes).toBe(0);
  });

  test('beyond the limit cost those that were idle for longest, and else the newest', () => {
    const [idle, idler] = [open(), open()];
    complete(idler, 100 * MIB);
    pass(25);
    complete(idle, 60 * MIB);
    pass(10_000);
    const active = open();
    complete(active, 100 * MIB);
    pass(25);
    const newest = open();
    expect(idler.dropped).toContain('large messages');
    expect(idle.dropped).toBeUndefined();
    complete(active, 150 * MIB);
    complete(newest, 150 * MIB);
    pass(25);
    expect([idle, active, newest].map(({ dropped }) => dropped !== undefined)).toEqual([true, false, true]);
    expect(all.keptBytes).toBe(150 * MIB);
  });
});
