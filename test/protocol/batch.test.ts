import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EntryBatch, joinBatches, type PackedBatch } from '../../src/protocol/batch.js';

/** A batch of text payloads that begins `offset` bytes into its buffer, between the bytes of others. */
function pack(payloads: readonly string[], { firstId = 1, offset = 0, ...rest }: Partial<Options> = {}) {
  let end = 0;
  const ends = Uint32Array.from(payloads, (payload) => {
    end += Buffer.byteLength(payload);
    return end;
  });
  const bytes = new TextEncoder().encode(`${'<'.repeat(offset)}${payloads.join('')}>>>`);
  return {
    key: 'k',
    after: `${firstId - 1}-0`,
    ids: payloads.map((_, index) => `${firstId + index}-0`).join(' '),
    ends,
    buffer: bytes.buffer,
    offset,
    trimmed: false,
    ...rest,
  } satisfies PackedBatch;
}

interface Options extends PackedBatch {
  readonly firstId: number;
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe('EntryBatch', () => {
  test.each([0, 1, 7])('finds its entries at offset %i of a shared buffer', (offset) => {
    const batch = new EntryBatch(pack(['one', '', 'three', '漢'], { offset }));
    expect(batch.length).toBe(4);
    expect(text(batch.bytes)).toBe('onethree漢');
    expect(batch.ids).toEqual(['1-0', '2-0', '3-0', '4-0']);
    expect(batch.lastId).toBe('4-0');
    expect([0, 1, 2, 3].map((index) => text(batch.payload(index)))).toEqual(['one', '', 'three', '漢']);
    expect([0, 1, 2, 3].map((index) => batch.start(index))).toEqual([0, 3, 3, 8]);
  });

  test('finds the first entry after an id', () => {
    const batch = new EntryBatch(pack(['a', 'b', 'c'], { ids: '2-0 4-0 4-5' }));
    const first = (id: string, low?: number) => batch.firstAfter(id, low);
    expect(['0-0', '1-9', '2-0', '3-0', '4-0', '4-4', '4-5', '9-0'].map((id) => first(id))).toEqual([
      0, 0, 1, 1, 2, 2, 3, 3,
    ]);
    expect([first('0-0', 2), first('4-0', 1), first('4-5', 1)]).toEqual([2, 2, 3]);
  });

  test('a run is one view of consecutive entries', () => {
    const batch = new EntryBatch(pack(['a', 'bc', '', 'd']));
    expect(text(batch.run(0, 4))).toBe('abcd');
    expect(text(batch.run(1, 3))).toBe('bc');
    expect(text(batch.run(1, 4))).toBe('bcd');
    expect(text(batch.run(2, 3))).toBe('');
    expect(text(batch.run(3, 4))).toBe('d');
    expect(batch.run(0, 4).buffer).toBe(batch.bytes.buffer);
    expect(batch.run(1, 2)).toBe(batch.payload(1));
  });

  test('of no entries', () => {
    const batch = new EntryBatch(pack([], { after: '5-0', trimmed: true }));
    expect(batch).toMatchObject({ key: 'k', after: '5-0', trimmed: true, length: 0, lastId: '5-0' });
    expect(batch.ids).toEqual([]);
    expect(batch.bytes).toHaveLength(0);
    expect(batch.run(0, 0)).toHaveLength(0);
  });

  test.each([
    // Without a known deletion entries are missing before the first.
    [undefined, '2-0'],
    ['1-0', '2-0'],
    ['2-0', '3-0'],
    ['3-0', '4-0'],
    // Of what comes behind the batch nothing is known yet.
    ['9-0', '4-0'],
  ])('goes on after what was deleted up to %s at %s', (deletedUpTo, resumedAt) => {
    const packed = pack(['a', 'b', 'c'], { firstId: 2 });
    const batch = new EntryBatch(deletedUpTo === undefined ? packed : { ...packed, deletedUpTo });
    expect(batch.resumedAt).toBe(resumedAt);
  });

  test('entries may be missing after its cursor, or after an earlier id', () => {
    const packed = pack(['a'], { firstId: 9 });
    expect(new EntryBatch(packed).lostAfter).toBe('8-0');
    expect(new EntryBatch({ ...packed, lostAfter: '5-0' }).lostAfter).toBe('5-0');
  });

  test('of one entry', () => {
    const batch = new EntryBatch(pack(['x']));
    expect(batch.lastId).toBe('1-0');
    expect(batch.ids).toEqual(['1-0']);
  });

  test('gives the same view of a payload to all who ask', () => {
    const batch = new EntryBatch(pack(['a', 'b']));
    expect(batch.payload(1)).toBe(batch.payload(1));
  });

  test('makes a message once for each variant and first entry, until they are forgotten', () => {
    const batch = new EntryBatch(pack(['a', 'b']));
    let made = 0;
    const make = () => `message ${++made}`;
    expect(batch.message('json', 0, make)).toBe('message 1');
    expect(batch.message('json', 0, make)).toBe('message 1');
    expect(batch.message('json', 1, make)).toBe('message 2');
    expect(batch.message('raw', 0, make)).toBe('message 3');
    expect(batch.message('json', 0, make)).toBe('message 1');
    batch.forgetMessages();
    expect(batch.message('json', 0, make)).toBe('message 4');
  });
});

describe('firstBeyond', () => {
  const batch = new EntryBatch(pack(['a', 'bc', '', 'def'], { offset: 3 }));

  test.each([
    [0, 0, 0],
    [1, 0, 1],
    [2, 0, 1],
    [3, 0, 3],
    [5, 0, 3],
    [6, 0, 4],
    [100, 0, 4],
    [0, 2, 2],
    [3, 2, 3],
    [6, 4, 4],
  ])('%i bytes hold the entries before, from entry %i on: %i', (bytes, low, first) => {
    expect(batch.firstBeyond(bytes, low)).toBe(first);
  });
});

describe('what lies after an entry', () => {
  const entries = fc.array(fc.tuple(fc.string({ maxLength: 5 }), fc.integer({ min: 1, max: 3 })), {
    minLength: 1,
    maxLength: 8,
  });

  test('is the rest, with the same bytes and no copy of them', () => {
    fc.assert(
      fc.property(entries, fc.nat(20), fc.nat(5), (given, behind, offset) => {
        let ms = 5;
        const ids = given.map(([, step]) => {
          ms += step;
          return `${ms}-0`;
        });
        const payloads = given.map(([payload]) => payload);
        const whole = new EntryBatch(pack(payloads, { ids: ids.join(' '), after: '5-0', offset }));
        const id = `${5 + behind}-0`;
        const from = ids.filter((one) => Number.parseInt(one, 10) <= 5 + behind).length;
        const rest = whole.restAfter(id);
        if (from === ids.length) {
          expect(rest).toBeUndefined();
          return;
        }
        expect(rest).toMatchObject({ key: 'k', after: id, ids: ids.slice(from), lastId: ids.at(-1) });
        expect(ids.slice(from).map((_, index) => text(rest!.payload(index)))).toEqual(payloads.slice(from));
        expect(rest!.bytes.buffer).toBe(whole.bytes.buffer);
        expect(whole.ids).toEqual(ids);
      }),
    );
  });

  test('is all of it behind the cursor that it was read after', () => {
    const batch = new EntryBatch(pack(['a', 'b'], { trimmed: true }));
    expect(batch.restAfter('0-0')).toBe(batch);
  });

  const lost = { after: '3-0', firstId: 7, trimmed: true, lostAfter: '2-0', deletedUpTo: '8-0' };

  test('lacks what lacked before the cursor, which was not told', () => {
    const batch = new EntryBatch(pack(['a', 'b', 'c'], lost));
    expect(batch.restAfter('5-0')).toMatchObject({ trimmed: true, lostAfter: '2-0', resumedAt: '9-0' });
    expect(batch.restAfter('7-0')).toMatchObject({ trimmed: true, lostAfter: '2-0', resumedAt: '9-0' });
  });

  test('lacks what lacked before the first entry, and only before that', () => {
    const batch = new EntryBatch(pack(['a', 'b'], { ...lost, lostAfter: '3-0' }));
    expect(batch.restAfter('5-0')).toMatchObject({ trimmed: true, lostAfter: '3-0', resumedAt: '8-0' });
    expect(batch.restAfter('7-0')).toMatchObject({ trimmed: false, lostAfter: '7-0', resumedAt: '8-0' });
    const early = new EntryBatch(pack(['a', 'b'], { after: '3-0', firstId: 7, trimmed: true }));
    expect(early.restAfter('5-0')).toMatchObject({ trimmed: true, lostAfter: '3-0', resumedAt: '7-0' });
  });

  test('lacks nothing where nothing did', () => {
    const batch = new EntryBatch(pack(['a', 'b'], { after: '3-0', firstId: 7 }));
    expect(batch.restAfter('5-0')).toMatchObject({ trimmed: false, lostAfter: '5-0', resumedAt: '7-0' });
  });
});

describe('the same after an earlier entry', () => {
  test('has its entries, and lacks what another lacked', () => {
    const batch = new EntryBatch(pack(['a', 'bc'], { firstId: 7, offset: 3 }));
    const lost = { after: '3-0', firstId: 9, trimmed: true, lostAfter: '2-0', deletedUpTo: '8-0' };
    const joined = batch.rightAfter('4-0', new EntryBatch(pack(['x'], lost)));
    expect(joined).toMatchObject({
      key: 'k',
      after: '4-0',
      ids: ['7-0', '8-0'],
      trimmed: true,
      lostAfter: '2-0',
      resumedAt: '8-0',
    });
    expect([0, 1].map((index) => text(joined.payload(index)))).toEqual(['a', 'bc']);
    expect(joined.bytes.buffer).toBe(batch.bytes.buffer);
  });

  test('lacks nothing where the other does not', () => {
    const batch = new EntryBatch(
      pack(['a'], { firstId: 7, trimmed: true, lostAfter: '1-0', deletedUpTo: '9-0' }),
    );
    const joined = batch.rightAfter('4-0', new EntryBatch(pack(['x'], { firstId: 9 })));
    expect(joined).toMatchObject({ after: '4-0', trimmed: false, lostAfter: '4-0', resumedAt: '7-0' });
  });
});

describe('the same with a loss before it', () => {
  test.each([
    ['lacks what it did not', {}, '2-0', '7-0'],
    ['lacks more than it did', { trimmed: true, lostAfter: '4-0', deletedUpTo: '8-0' }, '2-0', '8-0'],
    ['lacks no less than it did', { trimmed: true, lostAfter: '1-0' }, '1-0', '7-0'],
  ])('%s', (_, own, lostAfter, resumedAt) => {
    const batch = new EntryBatch(pack(['a', 'bc'], { firstId: 7, offset: 3, ...own }));
    const lacking = batch.lackingAfter('2-0');
    expect(lacking).toMatchObject({
      key: 'k',
      after: '6-0',
      ids: ['7-0', '8-0'],
      trimmed: true,
      lostAfter,
      resumedAt,
    });
    expect([0, 1].map((index) => text(lacking.payload(index)))).toEqual(['a', 'bc']);
    expect(lacking.bytes.buffer).toBe(batch.bytes.buffer);
  });
});

describe('joinBatches', () => {
  test('one is itself', () => {
    const only = pack(['a']);
    expect(joinBatches([only])).toBe(only);
  });

  test('none is an error', () => {
    expect(() => joinBatches([])).toThrow();
  });

  test('lays the entries of all one after the other', () => {
    const parts = [
      pack(['a', 'bc'], { offset: 3, after: '0-5', trimmed: true }),
      pack([], { firstId: 3 }),
      pack(['', 'def'], { firstId: 3, offset: 1 }),
      pack(['g'], { firstId: 5 }),
    ];
    const batch = new EntryBatch(joinBatches(parts));
    expect(batch).toMatchObject({ key: 'k', after: '0-5', trimmed: true, length: 5, lastId: '5-0' });
    expect(batch.ids).toEqual(['1-0', '2-0', '3-0', '4-0', '5-0']);
    expect([0, 1, 2, 3, 4].map((index) => text(batch.payload(index)))).toEqual(['a', 'bc', '', 'def', 'g']);
    expect(text(batch.bytes)).toBe('abcdefg');
  });

  test('of nothing but empty ones', () => {
    const batch = new EntryBatch(joinBatches([pack([], { after: '7-0' }), pack([])]));
    expect(batch).toMatchObject({ length: 0, lastId: '7-0' });
    expect(batch.ids).toEqual([]);
  });

  test('copies, so that the parts may go', () => {
    const parts = [pack(['a']), pack(['b'], { firstId: 2 })];
    const batch = new EntryBatch(joinBatches(parts));
    for (const { buffer } of parts) new Uint8Array(buffer).fill(0);
    expect(text(batch.bytes)).toBe('ab');
  });
});
