import fc from 'fast-check';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { Lines, Pictures, Pieces, type Splitter, Whole } from '../../src/cli/splitters.js';

type Bytes = Uint8Array<ArrayBuffer>;

const bytesOf = (text: string): Bytes => Uint8Array.from(Buffer.from(text, 'latin1'));

/** The entries of `input`, given in chunks that end at `cuts`. */
function split(splitter: Splitter, input: Bytes, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.map((cut) => cut % (input.length + 1)), input.length].sort((a, b) => a - b);
  const entries: Buffer[] = [];
  let start = 0;
  for (const end of ends) {
    for (const entry of splitter.add(input.slice(start, end))) entries.push(Buffer.from(entry));
    start = end;
  }
  for (const entry of splitter.end()) entries.push(Buffer.from(entry));
  return entries;
}

const cuts = fc.array(fc.nat(), { maxLength: 20 });

describe('wherever the chunks end', () => {
  test('everything is one entry', () => {
    fc.assert(
      fc.property(fc.uint8Array(), cuts, (input, at) => {
        expect(split(new Whole(), input as Bytes, at)).toEqual([Buffer.from(input)]);
      }),
    );
  });

  test('lines are entries', () => {
    const line = fc.string({ unit: fc.constantFrom('a', '\r', 'é'), maxLength: 5 });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1 }), cuts, (lines, at) => {
        const ended = lines.map((each) => `${each}\n`).join('');
        expect(split(new Lines(), bytesOf(ended), at).map((entry) => entry.toString('latin1'))).toEqual(
          lines,
        );
        const last = split(new Lines(), bytesOf(`${ended}end`), at);
        expect(last.map((entry) => entry.toString('latin1'))).toEqual([...lines, 'end']);
      }),
    );
  });

  test('pieces have the same size, but for the last', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 9 }), cuts, (input, size, at) => {
        const pieces = split(new Pieces(size), input as Bytes, at);
        expect(Buffer.concat(pieces)).toEqual(Buffer.from(input));
        expect(pieces.slice(0, -1).every((piece) => piece.length === size)).toBe(true);
        expect(pieces.every((piece) => piece.length > 0 && piece.length <= size)).toBe(true);
      }),
    );
  });
});

describe('pictures', () => {
  let pictures: Buffer[];

  beforeAll(async () => {
    const noise = {
      create: {
        width: 64,
        height: 48,
        channels: 3 as const,
        background: 'red',
        noise: { type: 'gaussian' as const, mean: 128, sigma: 40 },
      },
    };
    const thumbnail = await sharp(noise).resize(8, 8).jpeg().toBuffer();
    const plain = await sharp(noise).jpeg().toBuffer();
    // APP1 with a picture of its own, as cameras write it.
    const head = Buffer.from([0xff, 0xe1, (thumbnail.length + 2) >> 8, (thumbnail.length + 2) & 0xff]);
    const withThumbnail = Buffer.concat([plain.subarray(0, 2), head, thumbnail, plain.subarray(2)]);
    pictures = [plain, await sharp(noise).jpeg({ progressive: true }).toBuffer(), withThumbnail];
  });

  test('are found among whatever is between them, wherever the chunks end', () => {
    const between = fc.constantFrom(
      '',
      '\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n',
      '\xff',
      '\xff\xff',
      'a\xffb\xd8',
    );
    const parts = fc.array(fc.tuple(between, fc.nat({ max: 2 })), { maxLength: 5 });
    fc.assert(
      fc.property(parts, cuts, (stream, at) => {
        const chosen = stream.map(([, index]) => pictures[index]!);
        const input = Buffer.concat(stream.flatMap(([gap], index) => [bytesOf(gap), chosen[index]!]));
        const found = split(new Pictures(), Uint8Array.from(input), at);
        expect(found.map((entry) => entry.length)).toEqual(chosen.map((picture) => picture.length));
        expect(found.every((entry, index) => entry.equals(chosen[index]!))).toBe(true);
      }),
    );
  });

  test('without an end mark end where the next begins, and swallow nothing, wherever the chunks end', () => {
    const between = fc.constantFrom('', '\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n');
    const cutOff = fc.record({ index: fc.nat({ max: 2 }), gap: between, lost: fc.constantFrom(0, 2, 60) });
    fc.assert(
      fc.property(fc.array(cutOff, { maxLength: 5 }), cuts, (stream, at) => {
        const parts = stream.map(({ index, gap, lost }) => {
          const picture = pictures[index]!;
          const kept = picture.subarray(0, picture.length - lost);
          return lost === 0 ? [kept, bytesOf(gap)] : [Buffer.concat([kept, bytesOf(gap)])];
        });
        const input = Buffer.concat([...parts.flat(), pictures[0]!]);
        const found = split(new Pictures(), Uint8Array.from(input), at);
        const isMark = (byte: number | undefined) => byte === 0xff;
        const expected = [...parts.map(([picture]) => Buffer.from(picture!)), pictures[0]!].map((picture) =>
          isMark(picture.at(-1)) ? picture.subarray(0, -1) : picture,
        );
        expect(found.map((entry) => entry.length)).toEqual(expected.map((picture) => picture.length));
        expect(found.every((entry, index) => entry.equals(expected[index]!))).toBe(true);
      }),
    );
  });

  test('that were cut off before they showed anything are dropped', () => {
    const [picture] = pictures;
    const headless = picture!.subarray(0, picture!.indexOf(Buffer.from([0xff, 0xda])));
    const input = Buffer.concat([headless, picture!, headless, picture!]);
    expect(split(new Pictures(), Uint8Array.from(input), [])).toEqual([picture, picture]);
  });

  test('that come byte by byte are told of with their last byte', () => {
    const splitter = new Pictures();
    const input = Uint8Array.from(pictures[0]!);
    const ends: number[] = [];
    for (let at = 0; at < input.length; at++) {
      for (const entry of splitter.add(input.slice(at, at + 1))) ends.push(at + 1, entry.length);
    }
    expect(ends).toEqual([input.length, input.length]);
  });

  test('that are cut off are not stored', () => {
    expect(() => split(new Pictures(), Uint8Array.from(pictures[0]!.subarray(0, -3)), [])).toThrow(
      'within a JPEG',
    );
  });
});
