import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppendBatch, type Receipt, SLAB_BYTES } from '../../src/append/batch.js';
import { AppendStream } from '../../src/append/command.js';
import { Failure } from '../../src/protocol/errors.js';
import { bulkReply, encodeCommand } from '../../src/redis/resp.js';
import { SpareBuffers } from '../../src/redis/spare-buffers.js';

const KIB = 1024;
const LARGE_BYTES = 16 * KIB;
const MAX_LENGTH = 1000;

const NO_RECEIVER: Receipt = { stored: () => {}, refused: () => {} };

interface Append {
  readonly key: string;
  readonly id: string;
  readonly payload: Buffer;
}

const encode = ({ key, id, payload }: Append) =>
  encodeCommand(['XADD', key, 'MAXLEN', '~', MAX_LENGTH, id, 'd', payload]);

const newBatch = () => new AppendBatch(Buffer.alloc(SLAB_BYTES, 0xee), new SpareBuffers());

const add = (batch: AppendBatch, { key, id, payload }: Append, token = 0, receipt = NO_RECEIVER) =>
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
        expect(batch.stored(bulkReply('1-1'))).toBe(commands[index]!.length);
        expect(batch.unanswered).toBe(taken.length - index - 1);
        expect(batch.unansweredBytes).toBe(Buffer.concat(commands.slice(index + 1)).length);
      }
      expectSame(unanswered(batch), commands.slice(answers));
    }),
  );
});

test('the id of the newest answer is kept with its stream', () => {
  const batch = newBatch();
  const streams = ['a', 'b'].map((key) => new AppendStream(key, MAX_LENGTH));
  for (const index of [0, 1, 0, 0]) batch.add(streams[index]!, '*', Buffer.from('x'), NO_RECEIVER, 0);
  expect(streams.map(({ lastId }) => lastId)).toEqual([undefined, undefined]);
  const longest = '18446744073709551615-18446744073709551615';
  for (const id of [longest, '7-0', '5-12']) batch.stored(bulkReply(id));
  batch.refused(new Failure('overloaded', ''));
  expect(streams.map(({ lastId }) => lastId)).toEqual(['5-12', '7-0']);
  batch.add(streams[1]!, '*', Buffer.from('x'), NO_RECEIVER, 0);
  batch.stored(bulkReply(longest));
  expect(streams[1]!.lastId).toBe(longest);
});

describe('what is taken out', () => {
  test('is what the commands were made of, as far as they lie within the bytes written', () => {
    fc.assert(
      fc.property(
        fc.array(appends, { minLength: 1, maxLength: 30 }),
        fc.nat(),
        fc.nat(),
        (given, random, cut) => {
          const batch = newBatch();
          const taken = given.filter((append, index) => add(batch, append, index) > 0);
          const tokens = given.flatMap((append, index) => (taken.includes(append) ? [index] : []));
          const answers = random % (taken.length + 1);
          for (let index = 0; index < answers; index++) batch.stored(bulkReply('1-1'));
          const commands = taken.map(encode);
          const rest = commands.slice(answers);
          const written = cut % (batch.unansweredBytes + 1);

          const entries = batch.takeWithin(written, new Failure('overloaded', ''));
          const whole = rest.filter((_, index) => Buffer.concat(rest.slice(0, index + 1)).length <= written);
          expect(entries).toHaveLength(whole.length);
          for (const [index, { stream, id, payload, token, bytes }] of entries.entries()) {
            const append = taken[answers + index]!;
            expect([stream.key, id, token]).toEqual([append.key, append.id, tokens[answers + index]]);
            expectSame(payload, [append.payload]);
            expect(bytes).toBe(rest[index]!.length);
          }
          expectSame(unanswered(batch), rest.slice(whole.length));
          expect(batch.unanswered).toBe(rest.length - whole.length);
        },
      ),
    );
  });

  test('leaves out other commands, which are refused', () => {
    const batch = newBatch();
    const outcomes: unknown[] = [];
    const receipt: Receipt = {
      stored: (token, reply) => outcomes.push([token, reply.text()]),
      refused: (token, { code }) => outcomes.push([token, code]),
    };
    const wait = encodeCommand(['WAIT', 1, 1000]);
    const payload = Buffer.alloc(LARGE_BYTES, 'x');
    add(batch, { key: 'k', id: '*', payload }, 0, receipt);
    batch.addCommand(wait, receipt, 1);
    add(batch, { key: 'k', id: '5-*', payload: Buffer.from('y') }, 2, receipt);
    batch.addCommand(wait, receipt, 3);
    expectSame(unanswered(batch), [
      encode({ key: 'k', id: '*', payload }),
      wait,
      encode({ key: 'k', id: '5-*', payload: Buffer.from('y') }),
      wait,
    ]);
    const entries = batch.takeWithin(batch.bytes - 1, new Failure('overloaded', ''));
    expect(outcomes).toEqual([[1, 'overloaded']]);
    expect(entries.map(({ id, token }) => [id, token])).toEqual([
      ['*', 0],
      ['5-*', 2],
    ]);
    expectSame(entries[0]!.payload, [payload]);
    expectSame(unanswered(batch), [wait]);
  });

  test('can be put into another batch, a large payload without another copy', () => {
    const batch = newBatch();
    add(batch, { key: 'k', id: '*', payload: Buffer.alloc(LARGE_BYTES, 'x') });
    const bytes = unanswered(batch);
    const [entry] = batch.takeWithin(batch.bytes, new Failure('overloaded', ''));
    const other = newBatch();
    other.add(entry!.stream, entry!.id, entry!.payload, entry!.receipt, entry!.token, true);
    expectSame(unanswered(other), [bytes]);
    expect(other.unansweredParts()[1]).toBe(entry!.payload);
  });
});

test('answers go to their receivers in order', () => {
  const batch = newBatch();
  const outcomes: string[] = [];
  const receiver = (name: string): Receipt => ({
    stored: (token, reply) => outcomes.push(`${name} ${token} ${reply.text()}`),
    refused: (token, failure) => outcomes.push(`${name} ${token} ${failure.code}`),
  });
  const receipts = [receiver('a'), receiver('b'), receiver('a')];
  receipts.forEach((receipt, index) => {
    add(batch, { key: 'k', id: '*', payload: Buffer.from('x') }, 10 * index, receipt);
  });
  batch.stored(bulkReply('1-1'));
  const { length } = encode({ key: 'k', id: '*', payload: Buffer.from('x') });
  expect(batch.refused(new Failure('overloaded', ''))).toBe(length);
  batch.stored(bulkReply('1-2'));
  expect(outcomes).toEqual(['a 0 1-1', 'b 10 overloaded', 'a 20 1-2']);
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

  test.each([
    [LARGE_BYTES, LARGE_BYTES],
    [LARGE_BYTES + 1, 2 * LARGE_BYTES],
  ])('of %i bytes has a buffer of %i bytes, and is not in Node’s shared pool', (size, bytes) => {
    const batch = newBatch();
    add(batch, { key: 'k', id: '*', payload: Buffer.alloc(size) });
    expect(batch.unansweredParts()[1]!.buffer.byteLength).toBe(bytes);
  });

  test('that is large gives its buffer back once, when the batch retires', () => {
    const spares = new SpareBuffers();
    const batch = new AppendBatch(Buffer.alloc(SLAB_BYTES), spares);
    add(batch, { key: 'k', id: '*', payload: Buffer.alloc(LARGE_BYTES) });
    const { buffer } = batch.unansweredParts()[1]!;
    expect(spares.take(LARGE_BYTES)).toBeUndefined();
    batch.retire();
    batch.retire();
    const next = new AppendBatch(Buffer.alloc(SLAB_BYTES), spares);
    add(next, { key: 'k', id: '*', payload: Buffer.alloc(LARGE_BYTES) });
    expect(next.unansweredParts()[1]!.buffer).toBe(buffer);
    expect(spares.take(LARGE_BYTES)).toBeUndefined();
  });
});

test('a large payload that was taken out keeps its buffer', () => {
  const spares = new SpareBuffers();
  const batch = new AppendBatch(Buffer.alloc(SLAB_BYTES), spares);
  add(batch, { key: 'k', id: '*', payload: Buffer.alloc(LARGE_BYTES) });
  batch.takeWithin(batch.bytes, new Failure('overloaded', ''));
  batch.retire();
  expect(spares.take(LARGE_BYTES)).toBeUndefined();
});

describe('a slab', () => {
  const small: Append = { key: 'k', id: '*', payload: Buffer.alloc(1000) };

  test('takes an entry whole or not at all, whatever room it has', () => {
    const command = encode(small);
    // Room is kept for a length of ten digits, and this one has four.
    for (let spare = -20; spare <= 20; spare++) {
      const batch = new AppendBatch(Buffer.alloc(command.length + spare), new SpareBuffers());
      expect([spare, add(batch, small)]).toEqual([spare, spare < 6 ? 0 : command.length]);
      expectSame(unanswered(batch), spare < 6 ? [] : [command]);
    }
  });

  test('takes another command where it just fits', () => {
    const wait = encodeCommand(['WAIT', 1, 1000]);
    const take = (room: number) =>
      new AppendBatch(Buffer.alloc(room), new SpareBuffers()).addCommand(wait, NO_RECEIVER, 0);
    expect([take(wait.length - 1), take(wait.length)]).toEqual([0, wait.length]);
  });

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
    const second = new AppendBatch(first.slab, new SpareBuffers());
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
    batch.stored(bulkReply('1-1'));
    expectSame(unanswered(batch), commands.slice(1).map(encode));
  });
});
