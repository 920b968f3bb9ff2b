import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Client } from '../../../src/server/admission/client-shares.js';
import { HeldBytes } from '../../../src/server/admission/held-bytes.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

const heldBytes = () =>
  new HeldBytes('MAX_BUFFERED_BYTES', 100, { MAX_CLIENT_SHARE: 100, MAX_CONNECTIONS_PER_ADDRESS: 1 });

let clients = 0;
const freshClient = (): Client => ({ address: `address ${clients++}`, token: undefined });

const never = () => {
  throw new Error('nobody was to give way');
};

test('counts what is held until it is released', () => {
  const held = heldBytes();
  const [a, b] = [{}, {}];
  expect(held.hold(a, freshClient(), 30, never)).toBe(true);
  expect(held.hold(a, freshClient(), 20, never)).toBe(true);
  expect(held.hold(b, freshClient(), 50, never)).toBe(true);
  expect(held.bytes).toBe(100);
  held.release(a);
  held.release(a);
  expect(held.bytes).toBe(50);
  held.release(b);
  expect(held.bytes).toBe(0);
});

test('refuses what is too much, and holds none of it', () => {
  const held = heldBytes();
  expect(held.hold({}, freshClient(), 60, never)).toBe(true);
  expect(held.hold({}, freshClient(), 41, never)).toBe(false);
  expect(held.bytes).toBe(60);
  expect(held.hold({}, freshClient(), 40, never)).toBe(true);
});

test('one alone may hold any amount', () => {
  const held = heldBytes();
  const alone = {};
  expect(held.hold(alone, freshClient(), 90, never)).toBe(true);
  expect(held.hold(alone, freshClient(), 1000, never)).toBe(true);
  expect(held.hold({}, freshClient(), 1, never)).toBe(false);
});

test('who has taken long gives way to others, the slowest first, and no more than needed', () => {
  const held = heldBytes();
  const gone: string[] = [];
  const hold = (name: string, bytes: number) =>
    held.hold({ name }, freshClient(), bytes, () => gone.push(name));
  expect([hold('first', 40), hold('second', 40)]).toEqual([true, true]);
  vi.advanceTimersByTime(5000);
  expect(hold('third', 20)).toBe(true);
  expect(hold('fourth', 10)).toBe(false);
  vi.advanceTimersByTime(5000);
  expect(hold('fourth', 10)).toBe(true);
  expect(gone).toEqual(['first']);
  expect(held.bytes).toBe(70);
  expect(hold('fifth', 70)).toBe(true);
  expect(gone).toEqual(['first', 'second']);
  // The third has not been at it for long.
  expect(hold('sixth', 11)).toBe(false);
  expect(gone).toEqual(['first', 'second']);
});

test('nobody gives way to itself', () => {
  const held = heldBytes();
  const slow = {};
  held.hold(slow, freshClient(), 60, never);
  vi.advanceTimersByTime(20_000);
  expect(held.hold(slow, freshClient(), 100, never)).toBe(true);
});

describe('of one client', () => {
  const half = () =>
    new HeldBytes('MAX_BUFFERED_BYTES', 100, { MAX_CLIENT_SHARE: 50, MAX_CONNECTIONS_PER_ADDRESS: 1 });
  const token = { address: 'home', token: 'cam1' };

  test('no more than its share is held, and others have the rest', () => {
    const held = half();
    expect(held.hold({}, token, 30, never)).toBe(true);
    expect(held.hold({}, { ...token, address: 'away' }, 30, never)).toBe(false);
    expect(held.hold({}, { address: 'home', token: 'cam2' }, 30, never)).toBe(false);
    expect(held.hold({}, freshClient(), 50, never)).toBe(true);
    expect(held.bytes).toBe(80);
  });

  test('one alone may hold any amount of it', () => {
    const held = half();
    const alone = {};
    expect(held.hold(alone, token, 40, never)).toBe(true);
    expect(held.hold(alone, token, 40, never)).toBe(true);
    expect(held.hold({}, token, 1, never)).toBe(false);
  });

  test('its own slow ones give way, and nobody else', () => {
    const held = half();
    const gone: string[] = [];
    const hold = (name: string, client: Client) => held.hold({ name }, client, 30, () => gone.push(name));
    expect([hold('other', freshClient()), hold('own', token)]).toEqual([true, true]);
    vi.advanceTimersByTime(10_000);
    expect(hold('next', token)).toBe(true);
    expect(gone).toEqual(['own']);
  });
});
