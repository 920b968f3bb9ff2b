import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AFTER_LAST,
  BEFORE_FIRST,
  compareEntryIds,
  entryTime,
  lastIdOf,
  parseEntryId,
  precedingId,
} from '../../src/protocol/entry-id.js';

const LARGEST = 2n ** 64n - 1n;

/** Numbers of every length, and those where the length changes. */
const u64 = fc.oneof(
  fc.bigInt({ min: 0n, max: LARGEST }),
  fc.bigInt({ min: 0n, max: 1000n }),
  fc
    .tuple(fc.integer({ min: 0, max: 19 }), fc.integer({ min: -2, max: 2 }))
    .map(([digits, more]) => 10n ** BigInt(digits) + BigInt(more))
    .filter((number) => number >= 0n),
  fc.constantFrom(0n, LARGEST - 1n, LARGEST),
);

type Id = readonly [ms: bigint, seq: bigint];

/** Two ids, of which one is often all but the other. */
const idPair: fc.Arbitrary<readonly [Id, Id]> = fc
  .tuple(u64, u64, u64, u64, fc.boolean(), fc.boolean())
  .map(([msA, seqA, msB, seqB, sameMs, sameSeq]) => [
    [msA, seqA],
    [sameMs ? msA : msB, sameSeq ? seqA : seqB],
  ]);

const text = ([ms, seq]: Id) => `${ms}-${seq}`;

function order([msA, seqA]: Id, [msB, seqB]: Id): number {
  if (msA !== msB) return msA < msB ? -1 : 1;
  return seqA === seqB ? 0 : seqA < seqB ? -1 : 1;
}

describe('parseEntryId', () => {
  test.each([
    ['0', '0-0'],
    ['5', '5-0'],
    ['5-7', '5-7'],
    ['005-007', '5-7'],
    ['00-00', '0-0'],
    ['1700000000000-0', '1700000000000-0'],
    ['18446744073709551615', '18446744073709551615-0'],
    ['18446744073709551615-18446744073709551615', AFTER_LAST],
    ['00000000000000000001', '1-0'],
  ])('%s is %s', (given, expected) => {
    expect(parseEntryId(given)).toBe(expected);
  });

  test.each([
    '',
    '-',
    '$',
    '*',
    '1-',
    '-1',
    '1--1',
    '1-1-1',
    '1-*',
    '+1',
    ' 1',
    '1 ',
    '1\n',
    '1.0',
    '1e3',
    '0x1',
    '１',
    '18446744073709551616',
    '1-18446744073709551616',
    '99999999999999999999',
    '000000000000000000001',
    '1-000000000000000000001',
  ])('%j is none', (given) => {
    expect(parseEntryId(given)).toBeUndefined();
  });

  test('is canonical: leading zeros go, and the canonical form stays', () => {
    const zeros = fc.integer({ min: 0, max: 20 });
    fc.assert(
      fc.property(u64, u64, zeros, zeros, (ms, seq, more, evenMore) => {
        const padded = (number: bigint, width: number) => String(number).padStart(width, '0');
        const id = text([ms, seq]);
        expect(parseEntryId(`${padded(ms, more)}-${padded(seq, evenMore)}`)).toBe(id);
        expect(parseEntryId(id)).toBe(id);
        expect(parseEntryId(padded(ms, more))).toBe(`${ms}-0`);
      }),
    );
  });

  test('takes a number exactly where it fits 64 bits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: LARGEST - 1000n, max: LARGEST + 1000n }), (number) => {
        expect(parseEntryId(String(number)) !== undefined).toBe(number <= LARGEST);
        expect(parseEntryId(`0-${number}`) !== undefined).toBe(number <= LARGEST);
      }),
    );
  });
});

describe('compareEntryIds', () => {
  test('orders as the numbers do', () => {
    fc.assert(
      fc.property(idPair, ([a, b]) => {
        expect(Math.sign(compareEntryIds(text(a), text(b)))).toBe(order(a, b));
        expect(Math.sign(compareEntryIds(text(b), text(a)))).toBe(order(b, a));
      }),
      { numRuns: 5000 },
    );
  });

  test('every id lies between the two ends', () => {
    fc.assert(
      fc.property(u64, u64, (ms, seq) => {
        expect(compareEntryIds(BEFORE_FIRST, text([ms, seq]))).toBeLessThanOrEqual(0);
        expect(compareEntryIds(text([ms, seq]), AFTER_LAST)).toBeLessThanOrEqual(0);
      }),
    );
  });
});

test('precedingId: no id lies between', () => {
  expect(precedingId('0-0')).toBe('0-0');
  expect(precedingId('5-0')).toBe(lastIdOf(4));
  fc.assert(
    fc.property(u64, u64, (ms, seq) => {
      const [beforeMs, beforeSeq] = precedingId(text([ms, seq]))
        .split('-')
        .map(BigInt) as [bigint, bigint];
      const place = (a: bigint, b: bigint) => a * (LARGEST + 1n) + b;
      expect(place(beforeMs, beforeSeq)).toBe(ms === 0n && seq === 0n ? 0n : place(ms, seq) - 1n);
    }),
  );
});

test('entryTime is the part before the dash', () => {
  expect(entryTime('1700000000123-45')).toBe(1_700_000_000_123);
  expect(entryTime(BEFORE_FIRST)).toBe(0);
});
