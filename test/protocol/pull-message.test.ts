import fc from 'fast-check';
import { unpack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { EntryBatch } from '../../src/protocol/batch.js';
import { packEntries } from '../../src/protocol/pack-entries.js';
import { entryOffsets, heartbeat, pullMessage } from '../../src/protocol/pull-message.js';

const KIB = 1024;

/** A batch of these payloads under the ids `1000-0`, `1000-1`, … */
function batchOf(payloads: readonly Uint8Array[]): EntryBatch {
  let end = 0;
  const ends = Uint32Array.from(payloads, ({ length }) => {
    end += length;
    return end;
  });
  const buffer = new ArrayBuffer(end);
  const bytes = new Uint8Array(buffer);
  payloads.forEach((payload, index) => bytes.set(payload, ends[index]! - payload.length));
  return new EntryBatch({
    key: 'k',
    after: '0-0',
    ids: payloads.map((_, index) => `1000-${index}`).join(' '),
    ends,
    buffer,
    offset: 0,
    trimmed: false,
  });
}

const ofSizes = (...sizes: number[]) => batchOf(sizes.map((size, index) => Buffer.alloc(size, index + 1)));
const ofTexts = (...texts: string[]) => batchOf(texts.map((text) => Buffer.from(text)));

type Row = [sid: string, id: string, payload: string];

/** Payloads as text, a letter a byte: comparing large buffers takes vitest seconds. */
function decode(parts: readonly Uint8Array[]): Row[] {
  const decoded = unpack(Buffer.concat(parts)) as [string, string, Buffer][];
  return decoded.map(([sid, id, payload]) => [sid, id, payload.toString('latin1')]);
}

/** What a packed run must decode to. */
function rows(sid: string, batch: EntryBatch, from = 0, to = batch.length): Row[] {
  return batch.ids.slice(from, to).map((id, index) => {
    return [sid, id, Buffer.from(batch.payload(from + index)).toString('latin1')];
  });
}

describe('MessagePack', () => {
  // Where a format's length needs another byte, and where a part is no longer joined to its neighbours.
  const sizes = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536, 65_537, 300 * KIB, 5 * KIB * KIB];

  test.each(sizes)('a payload of %i bytes', (size) => {
    const batch = ofSizes(size);
    const { text, binary, bytes } = pullMessage('msgpack', 'start', 's', batch, 0, 1);
    expect(text).toBeUndefined();
    expect(decode(binary!)).toEqual(rows('s', batch));
    expect(bytes).toBe(Buffer.concat(binary!).length);
  });

  test.each([0, 1, 15, 16, 17, 255, 256, 65_535, 65_536])('%i entries', (count) => {
    const batch = batchOf(new Array<Uint8Array>(count).fill(Buffer.from('x')));
    const decoded = decode(packEntries([{ sid: 's', batch, from: 0, to: count }]));
    expect(decoded).toHaveLength(count);
    expect(
      decoded.every(([sid, id, payload], index) => {
        return sid === 's' && id === batch.ids[index] && payload === 'x';
      }),
    ).toBe(true);
  });

  test.each([1, 31, 32, 255, 256, 512, 1500])('a stream id of %i bytes', (length) => {
    for (const sid of ['x'.repeat(length), '漢'.repeat(Math.ceil(length / 3))]) {
      const batch = ofTexts('a', 'b');
      expect(decode(packEntries([{ sid, batch, from: 0, to: 2 }]))).toEqual(rows(sid, batch));
    }
  });

  test.each([
    '0-1',
    '1700000000000-0',
    `${'9'.repeat(20)}-${'9'.repeat(10)}`,
    `${'1'.repeat(20)}-${'1'.repeat(20)}`,
  ])('the entry id %s', (id) => {
    const batch = new EntryBatch({
      key: 'k',
      after: '0-0',
      ids: id,
      ends: Uint32Array.of(1),
      buffer: new ArrayBuffer(1),
      offset: 0,
      trimmed: false,
    });
    expect(decode(packEntries([{ sid: 's', batch, from: 0, to: 1 }]))).toEqual(rows('s', batch));
  });

  test('parts of several batches, small and large in turn', () => {
    const mixed = ofSizes(10, 100 * KIB, 0, 64 * KIB, 20, 200 * KIB);
    const small = ofTexts('a', 'b', 'c');
    const parts = packEntries([
      { sid: 'm', batch: mixed, from: 1, to: 6 },
      { sid: 'none', batch: small, from: 1, to: 1 },
      { sid: 't', batch: small, from: 1, to: 3 },
    ]);
    expect(decode(parts)).toEqual([...rows('m', mixed, 1, 6), ...rows('t', small, 1, 3)]);
  });

  test('large payloads are not copied, small ones take no fragment of their own', () => {
    const batch = ofSizes(10, 64 * KIB, 10, 10, 100 * KIB);
    const parts = packEntries([{ sid: 's', batch, from: 0, to: 5 }]);
    expect(parts).toHaveLength(4);
    expect(parts[1]).toBe(batch.payload(1));
    expect(parts[3]).toBe(batch.payload(4));
  });

  test('whatever is packed comes back', () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 40 });
    const sids = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(fc.array(fc.tuple(sids, payloads), { maxLength: 4 }), (streams) => {
        const runs = streams.map(([sid, given]) => ({
          sid,
          batch: batchOf(given),
          from: 0,
          to: given.length,
        }));
        expect(decode(packEntries(runs))).toEqual(runs.flatMap(({ sid, batch }) => rows(sid, batch)));
      }),
    );
  });
});

describe('JSON', () => {
  const batch = ofTexts('a', '', 'bcd', 'e');

  test.each([
    ['start', 0, 4, [0, 1, 1, 4], 'abcde'],
    ['end', 0, 4, [1, 1, 4, 5], 'abcde'],
    ['start', 2, 4, [0, 3], 'bcde'],
    ['end', 2, 4, [3, 4], 'bcde'],
    ['start', 2, 3, [0], 'bcd'],
    ['end', 2, 3, [3], 'bcd'],
    ['start', 1, 2, [0], ''],
    ['end', 1, 2, [0], ''],
  ] as const)('%s offsets of entries %i to %i', (offsets, from, to, numbers, payload) => {
    const { text, binary, bytes } = pullMessage('json', offsets, 's', batch, from, to);
    expect(JSON.parse(text!)).toEqual(numbers.map((offset, index) => ['s', batch.ids[from + index], offset]));
    expect(Buffer.concat(binary!).toString()).toBe(payload);
    expect(bytes).toBe(text!.length + payload.length);
  });

  test('the offsets of a run count from its own first byte', () => {
    expect(entryOffsets('s', batch, 2, 4, 'start')).toEqual([
      ['s', '1000-2', 0],
      ['s', '1000-3', 3],
    ]);
    expect(entryOffsets('s', batch, 2, 4, 'end').map(([, , end]) => end)).toEqual([3, 4]);
    expect(entryOffsets('s', batch, 2, 2, 'start')).toEqual([]);
  });

  test('a stream id of any letters', () => {
    for (const sid of ['"quoted"', 'back\\slash', '漢字 😀', '__proto__', '\u2028']) {
      for (const to of [1, 2]) {
        const { text } = pullMessage('json', 'start', sid, batch, 0, to);
        expect(JSON.parse(text!).map(([shown]: string[]) => shown)).toEqual(new Array(to).fill(sid));
      }
    }
  });

  test('the offsets cut the payload into its entries', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 50 }), { minLength: 1, maxLength: 20 }),
        fc.constantFrom('start' as const, 'end' as const),
        fc.nat(),
        fc.nat(),
        (payloads, offsets, a, b) => {
          const given = batchOf(payloads);
          const from = a % payloads.length;
          const to = from + 1 + (b % (payloads.length - from));
          const { text, binary } = pullMessage('json', offsets, 's', given, from, to);
          const numbers = (JSON.parse(text!) as [string, string, number][]).map(([, , offset]) => offset);
          const payload = Buffer.concat(binary!);
          const cuts = offsets === 'start' ? [...numbers, payload.length] : [0, ...numbers];
          expect(cuts.slice(1).map((end, index) => payload.subarray(cuts[index], end))).toEqual(
            payloads.slice(from, to).map((bytes) => Buffer.from(bytes)),
          );
        },
      ),
    );
  });
});

test('raw: the payload and nothing else', () => {
  const batch = ofTexts('a', 'bc');
  expect(pullMessage('raw', 'start', 's', batch, 1, 2)).toEqual({
    text: undefined,
    binary: [batch.payload(1)],
    bytes: 2,
  });
});

test('a heartbeat in each framing', () => {
  expect(heartbeat('json')).toEqual({ text: '[]', binary: [new Uint8Array(0)], bytes: 2 });
  const packed = heartbeat('msgpack')!;
  expect(packed.text).toBeUndefined();
  expect(decode(packed.binary!)).toEqual([]);
  expect(heartbeat('raw')).toBeUndefined();
});
