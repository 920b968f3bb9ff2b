import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppendBatch, type Receipt, SLAB_BYTES } from '../../src/redis/append-batch.js';
import { AppendStream } from '../../src/redis/append-command.js';
import { encodeCommand } from '../../src/redis/resp.js';

const KIB = 1024;
const LARGE_BYTES = 16 * KIB;
const MAX_LENGTH = 1000;

const NOBODY: Receipt = { stored: () => {}, refused: () => {} };

interface Append {
  readonly key: string;
  readonly id: string;
  readonly payload: Buffer;
}

const encode = ({ key, id, payload }: Append) =>
  encodeCommand(['XADD', key, 'MAXLEN', '~', MAX_LENGTH, id, 'd', payload]);

const newBatch = () => new AppendBatch(Buffer.alloc(SLAB_BYTES, 0xee));

const add = (batch: AppendBatch, { key, id, payload }: Append, token = 0, receipt = NOBODY) =>
  batch.add(new AppendStream(key, MAX_LENGTH), id, payload, receipt, token);

const unanswered = (batch: AppendBatch) => Buffer.concat(batch.unansweredParts());

/** Buffers are compared by their own means: vitest takes seconds for large ones. */
function expectSame(actual: Uint8Array, expected: readonly Uint8Array[]): void {
  expect(Buffer.compare(actual, Buffer.concat(expected))).toBe(0);
}

const payloads = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom('\r\n', '\0', 'é漢😀', '$5\r\nhello\r\n', '*8\r\n', '')
      .map((text) => Buffer.from(text)),
  },
  // Around where a payload becomes a part of its own, and where a length has another digit.
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(
        9,
        10,
        99,
        100,
        999,
        1000,
        9999,
        10_000,
        LARGE_BYTES - 1,
        LARGE_BYTES,
        LARGE_BYTES + 1,
        100_000,
      )
      .map((size) => Buffer.alloc(size, 'x')),
  },
);

const appends: fc.Arbitrary<Append> = fc.record({
  key: fc.string({ unit: fc.constantFrom('a', ':', '\r\n', '\0', 'é', '漢', '😀'), maxLength: 40 }),
  id: fc.constantFrom('*', '5-*', '1700000000000-12'),
  payload: payloads,
});

test('the bytes are those of the commands, and of the rest once some are answered', () => {
  fc.assert(
    fc.property(fc.array(appends, { minLength: 1, maxLength: 30 }), fc.nat(), (given, random) => {
      const batch = newBatch();
      const taken = given.filter((append, index) => {
        const bytes = add(batch, append, index);
        expect(bytes).toBeOneOf([0, encode(append).length]);
        return bytes > 0;
      });
      const commands = taken.map(encode);
      expectSame(unanswered(batch), commands);
      expect(batch.bytes).toBe(commands.reduce((sum, { length }) => sum + length, 0));
      expect(batch.length).toBe(taken.length);

      const answers = random % (taken.length + 1);
      for (let index = 0; index < answers; index++) {
        expect(batch.answer(() => {})).toBe(commands[index]!.length);
        expect(batch.unanswered).toBe(taken.length - index - 1);
      }
      expectSame(unanswered(batch), commands.slice(answers));
    }),
  );
});

test('answers go to their receivers in order', () => {
  const batch = newBatch();
  const told: string[] = [];
  const receiver = (name: string) => ({ ...NOBODY, name });
  const receipts = [receiver('a'), receiver('b'), receiver('a')];
  receipts.forEach((receipt, index) => {
    add(batch, { key: 'k', id: '*', payload: Buffer.from('x') }, 10 * index, receipt);
  });
  for (let index = 0; index < 3; index++) {
    batch.answer((receipt, token) => told.push(`${(receipt as (typeof receipts)[0]).name} ${token}`));
  }
  expect(told).toEqual(['a 0', 'b 10', 'a 20']);
});

describe('a payload', () => {
  test.each([1, LARGE_BYTES - 1, LARGE_BYTES, 5 * LARGE_BYTES])('of %i bytes is copied at once', (size) => {
    const batch = newBatch();
    const append = { key: 'k', id: '*', payload: Buffer.alloc(size, 'x') };
    const command = encode(append);
    add(batch, append);
    append.payload.fill('y');
    expectSame(unanswered(batch), [command]);
  });

  test.each([
    [LARGE_BYTES - 1, 1],
    [LARGE_BYTES, 3],
  ])('of %i bytes makes %i parts', (size, parts) => {
    const batch = newBatch();
    add(batch, { key: 'k', id: '*', payload: Buffer.alloc(size) });
    expect(batch.unansweredParts()).toHaveLength(parts);
  });

  test('that is large is not in Node’s shared pool', () => {
    const batch = newBatch();
    add(batch, { key: 'k', id: '*', payload: Buffer.alloc(LARGE_BYTES) });
    expect(batch.unansweredParts()[1]!.buffer.byteLength).toBe(LARGE_BYTES);
  });
});

describe('a slab', () => {
  const small: Append = { key: 'k', id: '*', payload: Buffer.alloc(1000) };

  test('takes commands until the next may not fit, and is left as it was', () => {
    const batch = newBatch();
    let count = 0;
    while (add(batch, small) > 0) count++;
    const command = encode(small);
    expect(count).toBe(Math.floor(SLAB_BYTES / command.length));
    expectSame(unanswered(batch), new Array(count).fill(command));
    expect(add(batch, small)).toBe(0);
    expect(batch).toMatchObject({ length: count, bytes: count * command.length });
  });

  test('is filled by the heads of large payloads only', () => {
    const batch = newBatch();
    const large = { ...small, payload: Buffer.alloc(LARGE_BYTES, 'x') };
    const commands = Array.from({ length: 100 }, () => encode(large));
    for (let index = 0; index < 100; index++) expect(add(batch, large)).toBeGreaterThan(LARGE_BYTES);
    expectSame(unanswered(batch), commands);
  });

  test('can be used again by another batch', () => {
    const first = newBatch();
    while (add(first, small) > 0);
    const second = new AppendBatch(first.slab);
    add(second, { key: 'other', id: '5-*', payload: Buffer.from('short') });
    expectSame(unanswered(second), [encode({ key: 'other', id: '5-*', payload: Buffer.from('short') })]);
  });

  test('goes on being filled after it was sent', () => {
    const batch = newBatch();
    const commands = [1, 2, 3].map((number) => ({ key: 'k', id: `${number}-*`, payload: Buffer.from('x') }));
    add(batch, commands[0]!);
    expectSame(unanswered(batch), [encode(commands[0]!)]);
    add(batch, commands[1]!);
    add(batch, commands[2]!);
    expectSame(unanswered(batch), commands.map(encode));
    batch.answer(() => {});
    expectSame(unanswered(batch), commands.slice(1).map(encode));
  });
});
