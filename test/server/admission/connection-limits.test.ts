/** With sockets of our own making: that nothing is counted twice or forgotten, whatever the order. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConnectionLimits, clientAddress } from '../../../src/server/admission/connection-limits.js';

type Filter = (res: never, change: number) => void;

/** Connections as the library tells of them. */
class Clients {
  readonly limits: ConnectionLimits;
  #filter: Filter = () => {};

  constructor(max: number, perAddress: number) {
    this.limits = new ConnectionLimits(max, perAddress);
    this.limits.watch({
      filter: (listener: Filter) => {
        this.#filter = listener;
      },
    } as never);
  }

  /** @returns undefined where it was closed at once */
  connect(address: number): Connection | undefined {
    const connection = new Connection(this.limits, address, () => this.#filter(undefined as never, -1));
    this.#filter(connection as never, 1);
    return connection.isClosed ? undefined : connection;
  }
}

class Connection {
  readonly #limits: ConnectionLimits;
  readonly #address: number;
  readonly #tellClosed: () => void;
  #onAborted: (() => void) | undefined;
  #isBusy = false;
  #isSocket = false;
  isClosed = false;

  constructor(limits: ConnectionLimits, address: number, tellClosed: () => void) {
    this.#limits = limits;
    this.#address = address;
    this.#tellClosed = tellClosed;
  }

  /** As the request has it that is under way. */
  get name(): string {
    const name = this.#limits.addressOf(this as never);
    expect(name).toBe(clientAddress(this as never));
    return name;
  }

  getRemoteAddress(): ArrayBuffer {
    return Uint8Array.of(10, 0, 0, this.#address).buffer;
  }

  onAborted(listener: () => void): void {
    this.#onAborted = listener;
  }

  request(): string | undefined {
    if (this.#isSocket) return undefined;
    this.#onAborted = undefined;
    this.#isBusy = true;
    return this.#limits.begin(this.name)?.code;
  }

  answer(): void {
    if (!this.#isBusy) return;
    this.#isBusy = false;
    this.#limits.end(this.name);
  }

  upgrade(): void {
    if (!this.#isBusy) return;
    this.#limits.upgrading(this.name);
    this.answer();
    this.#isSocket = true;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.#isSocket) {
      this.#limits.closed(this.name);
      return;
    }
    this.#tellClosed();
    this.#onAborted?.();
    this.answer();
  }
}

describe('an address', () => {
  const named = (...bytes: number[]) =>
    clientAddress({ getRemoteAddress: () => Uint8Array.from(bytes).buffer });
  const v6 = (...bytes: number[]) => named(...bytes, ...Array(16 - bytes.length).fill(7));

  test('is an IPv4 address, also where it comes as IPv6', () => {
    expect(named(10, 0, 0, 1)).not.toBe(named(10, 0, 0, 2));
    expect(named(...Array(10).fill(0), 255, 255, 10, 0, 0, 1)).toBe(named(10, 0, 0, 1));
  });

  test('or the network of an IPv6 address', () => {
    expect(v6(0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 5)).toBe(v6(0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 6));
    expect(v6(0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 5)).not.toBe(v6(0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 5));
  });
});

test('the system is asked for addresses only while they differ', () => {
  const clients = new Clients(1000, 0);
  const first = clients.connect(1)!;
  const second = clients.connect(1)!;
  const asked = () => {
    let count = 0;
    const getRemoteAddress = () => {
      count++;
      return Uint8Array.of(10, 0, 0, 1).buffer;
    };
    clients.limits.addressOf({ getRemoteAddress });
    return count;
  };
  expect(asked()).toBe(0);
  const other = clients.connect(2)!;
  expect(asked()).toBe(1);
  // Which of them has closed is not known.
  other.close();
  expect(asked()).toBe(1);
  first.close();
  second.close();
  clients.connect(1);
  expect(asked()).toBe(0);
});

test('0 is no limit for an address', () => {
  const clients = new Clients(1000, 0);
  const codes = Array.from({ length: 500 }, () => clients.connect(1)!.request());
  expect(new Set(codes)).toEqual(new Set([undefined]));
});

test('one address cannot take what others need', () => {
  const clients = new Clients(1000, 10);
  for (let count = 0; count < 5000; count++) clients.connect(1);
  expect(clients.limits.open).toBeLessThanOrEqual(20);
  expect(clients.connect(2)?.request()).toBeUndefined();
});

test('whatever clients do, the limits hold, and nothing is left when they have gone', () => {
  const step = fc.record({
    address: fc.integer({ min: 1, max: 4 }),
    what: fc.constantFrom('connect', 'request', 'answer', 'upgrade', 'close'),
    which: fc.nat(100),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const [max, perAddress] = [40, 5];
      const clients = new Clients(max, perAddress);
      const open: Connection[] = [];
      for (const { address, what, which } of steps) {
        if (what === 'connect') {
          const connection = clients.connect(address);
          if (connection !== undefined) open.push(connection);
          continue;
        }
        const connection = open[which % Math.max(open.length, 1)];
        if (connection === undefined) continue;
        if (what === 'request') {
          connection.answer();
          // As the gateway does: who is refused is answered and closed.
          if (connection.request() !== undefined) connection.close();
        } else connection[what]();
        if (connection.isClosed) open.splice(open.indexOf(connection), 1);
        expect(clients.limits.open).toBe(open.length);
        expect(clients.limits.open).toBeLessThanOrEqual(max + 32);
      }
      for (const connection of open) connection.close();
      expect(clients.limits.open).toBe(0);
      // As at the start: each address may have its share again.
      for (let address = 1; address <= 4; address++) {
        const fresh = Array.from({ length: perAddress }, () => clients.connect(address)!);
        expect(fresh.map((connection) => connection.request())).toEqual(Array(perAddress).fill(undefined));
        for (const connection of fresh) connection.close();
      }
    }),
    { numRuns: 300 },
  );
});
