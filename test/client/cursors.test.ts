import { describe, expect, test } from 'vitest';
import { Cursors } from '../../src/client/cursors.js';

const TWO = ['a', 'b'];

describe('Cursors', () => {
  test('begin at the end, which is to be pinned, of each stream', () => {
    const cursors = new Cursors(TWO, {});
    expect(cursors.needsPin).toBe(true);
    expect(cursors.parameters).toEqual({ last_entry_id: '$+$' });
    cursors.pin('5-0+0-0');
    expect(cursors.needsPin).toBe(false);
    expect(cursors.parameters).toEqual({ last_entry_id: '5-0+0-0' });
  });

  test('go on from what was delivered of each stream', () => {
    const cursors = new Cursors(TWO, { lastEntryId: '0' });
    expect(cursors.needsPin).toBe(false);
    cursors.advance('b', '7-1');
    expect(cursors.parameters).toEqual({ last_entry_id: '0+7-1' });
    cursors.advance('a', '8-0');
    expect(cursors.parameters).toEqual({ last_entry_id: '8-0+7-1' });
  });

  test.each([[['3-0', '$']], ['3-0+$']])('may be one each: %j', (lastEntryId) => {
    const cursors = new Cursors(TWO, { lastEntryId });
    expect(cursors.needsPin).toBe(true);
    expect(cursors.parameters).toEqual({ last_entry_id: '3-0+$' });
  });

  test('must be one, or as many as streams, and not beside a moment', () => {
    expect(() => new Cursors(['a'], { lastEntryId: '0', from: 0 })).toThrow('give one of them');
    expect(() => new Cursors(['a', 'b', 'c'], { lastEntryId: ['0', '0'] })).toThrow(
      'one for each of 3 streams',
    );
  });

  test.each([
    [1_700_000_000_000, '1699999999999-18446744073709551615'],
    ['1700000000000-0', '1699999999999-18446744073709551615'],
    ['1700000000000-5', '1700000000000-4'],
    [new Date(1_700_000_000_000), '1699999999999-18446744073709551615'],
    ['2023-11-14T22:13:20Z', '1699999999999-18446744073709551615'],
    [0, '0-0'],
  ])('begin at the moment %s, and before it where only other streams have got on', (from, before) => {
    const cursors = new Cursors(TWO, { from });
    expect(cursors.needsPin).toBe(false);
    expect(cursors.parameters.last_entry_id).toBeUndefined();
    expect(cursors.parameters.from).toBe(from instanceof Date ? from.toISOString() : String(from));
    cursors.advance('a', '1700000000009-0');
    expect(cursors.parameters).toEqual({ last_entry_id: `1700000000009-0+${before}` });
  });
});
