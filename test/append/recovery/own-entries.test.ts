import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { areOfTime, findOwn, type SentEntry } from '../../../src/append/recovery/own-entries.js';

const sent = (...bytes: number[]): SentEntry[] => bytes.map((each) => ({ id: '*', bytes: each }));
const held = (...bytes: number[]) => bytes.map((each, index) => ({ id: `${10 + index}-0`, bytes: each }));
const ids = (count: number) => Array.from({ length: count }, (_, index) => ({ id: `${10 + index}-0` }));

describe('nobody else wrote', () => {
  test('if the stream got our first entries, in order, and nothing else', () => {
    const behind = { held: held(1, 2, 1), added: 3, isTrimmed: false };
    expect(findOwn(sent(1, 2, 1, 3), behind)).toEqual(ids(3));
    expect(findOwn(sent(1, 2), { held: [], added: 0, isTrimmed: false })).toEqual([]);
  });

  test('though Redis refused entries with times of their own', () => {
    const entries = [
      { id: '5-5', bytes: 1 },
      { id: '*', bytes: 2 },
      { id: '11-*', bytes: 3 },
    ];
    const behind = { held: held(2, 3), added: 2, isTrimmed: false };
    expect(findOwn(entries, behind)).toEqual(['refused', ...ids(2)]);
  });

  test('though the first ones were trimmed, if the last one is unlike the others', () => {
    expect(findOwn(sent(1, 1, 2), { held: held(1, 2), added: 3, isTrimmed: true })).toEqual([
      'trimmed',
      ...ids(2),
    ]);
    expect(findOwn(sent(1, 1, 1), { held: held(1, 1), added: 3, isTrimmed: true })).toBeUndefined();
    expect(findOwn(sent(1, 2), { held: [], added: 2, isTrimmed: true })).toBeUndefined();
    // What was trimmed may all have been there before ours.
    expect(findOwn(sent(1, 2, 3), { held: held(1, 2), added: 2, isTrimmed: true })).toEqual(ids(2));
  });

  test.each(['10-0', '10-*'])('if an entry sent as %s is there under such an id', (id) => {
    expect(findOwn([{ id, bytes: 1 }], { held: held(1), added: 1, isTrimmed: false })).toEqual(ids(1));
  });
});

describe('somebody else may have written', () => {
  test.each([
    ['the stream got more entries before ours', sent(1), { held: held(1), added: 2 }],
    ['it got fewer than were answered', sent(1), { held: held(1), added: -1 }],
    ['an entry is not ours', sent(1, 2), { held: held(1, -1, 2), added: 3 }],
    ['there are more than we sent', sent(1), { held: held(1, 1), added: 2 }],
    ['they are in another order', sent(1, 2), { held: held(2), added: 1 }],
  ])('if %s', (_, entries, behind) => {
    expect(findOwn(entries, { ...behind, isTrimmed: false })).toBeUndefined();
  });

  test.each([
    ['it got more than we sent', sent(1), { held: held(1), added: 2 }],
    ['it holds more than it got', sent(1, 2), { held: held(1, 2), added: 1 }],
    ['what is left is not the last of what it got', sent(1, 2), { held: held(1), added: 2 }],
    [
      'we sent ids, which Redis may have refused',
      [{ id: '5-5', bytes: 1 }, ...sent(2)],
      { held: held(2), added: 2 },
    ],
  ])('where the stream was trimmed, if %s', (_, entries, behind) => {
    expect(findOwn(entries, { ...behind, isTrimmed: true })).toBeUndefined();
  });

  test.each(['11-0', '11-*'])('if an entry sent as %s is there under another id', (id) => {
    expect(findOwn([{ id, bytes: 1 }], { held: held(1), added: 1, isTrimmed: false })).toBeUndefined();
  });

  test('whatever they wrote, if they wrote before', () => {
    const bytes = fc.nat(1);
    fc.assert(
      fc.property(
        fc.array(bytes, { minLength: 1, maxLength: 6 }),
        fc.nat(6),
        fc.array(bytes, { maxLength: 3 }),
        fc.integer({ min: 1, max: 5 }),
        (ours, stored, others, before) => {
          const all = [...ours.slice(0, stored), ...others];
          const behind = { held: held(...all), added: all.length + before, isTrimmed: false };
          expect(findOwn(sent(...ours), behind)).toBeUndefined();
        },
      ),
    );
  });
});

describe('an entry is ours by its time', () => {
  const span = { from: 100, until: 200 };
  const at = (...times: number[]) => times.map((ms) => ({ id: `${ms}-0` }));

  test.each([
    ['between the sending and the loss', sent(1, 1), at(100, 200), 50, true],
    ['not before the sending', sent(1), at(99), 50, false],
    ['not after the loss', sent(1), at(201), 50, false],
    ['ahead of the clock, if the stream was so before', sent(1, 1), at(300, 300), 300, true],
    ['whenever, if it has a time of its own', [{ id: '7-*', bytes: 1 }], at(7), 5, true],
    ['after one with a time of its own', [{ id: '500-*', bytes: 1 }, ...sent(1)], at(500, 500), 50, true],
    ['whatever became of those before it', sent(1, 1, 1), ['trimmed', 'refused', ...at(150)], 50, true],
    [
      'not after the loss, whatever became of those before it',
      sent(1, 1),
      ['trimmed', ...at(201)],
      50,
      false,
    ],
  ] as const)('%s', (_, entries, fates, known, isOurs) => {
    expect(areOfTime(entries, fates, span, known)).toBe(isOurs);
  });
});
