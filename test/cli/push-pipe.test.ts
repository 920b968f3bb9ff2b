/** `streamgate push`: what comes in by pipes and files. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PipesFixture, soon } from '../support/pipes.js';

let fixture: PipesFixture;

beforeAll(async () => {
  fixture = await PipesFixture.start();
});

afterAll(() => fixture?.stop());

describe.concurrent('push', () => {
  test('stores all of standard input as one entry, byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
    const { code, out } = await fixture.run(['push', 'whole', '--ids'], bytes);
    const entries = await fixture.stored('whole');
    expect(entries).toHaveLength(1);
    expect(entries[0]!.equals(bytes)).toBe(true);
    expect(code).toBe(0);
    expect(out).toMatch(/^\d+-\d+\n$/);
  });

  test('stores each file as an entry, in order', async () => {
    const [a, b] = [join(fixture.folder, 'a'), join(fixture.folder, 'b')];
    await writeFile(a, 'first');
    await writeFile(b, 'third');
    expect(await fixture.run(['push', 'files', a, '-', b], 'second')).toMatchObject({ code: 0, out: '' });
    expect(await fixture.storedTexts('files')).toEqual(['first', 'second', 'third']);
  });

  test('with --lines stores each line as it comes', async () => {
    const child = fixture.begin(['push', 'lines', '--lines']);
    child.process.stdin.write('20.5\n21');
    await soon(async () => expect(await fixture.storedTexts('lines')).toEqual(['20.5']));
    child.process.stdin.end('.0\n\nlast');
    expect(await child.end()).toMatchObject({ code: 0, errors: '' });
    expect(await fixture.storedTexts('lines')).toEqual(['20.5', '21.0', '', 'last']);
  });

  test('with --lines stores many lines, in order', async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `${index}`);
    expect(await fixture.run(['push', 'many', '--lines'], lines.join('\n'))).toMatchObject({ code: 0 });
    expect(await fixture.storedTexts('many')).toEqual(lines);
  });

  test('with --split cuts after so many bytes', async () => {
    await fixture.run(['push', 'split', '--split', '4'], 'abcdefghij');
    expect(await fixture.storedTexts('split')).toEqual(['abcd', 'efgh', 'ij']);
  });

  test('with --mjpeg stores each picture', async () => {
    const pictures = await Promise.all(
      [10, 200].map((grey) =>
        sharp({ create: { width: 40, height: 30, channels: 3, background: { r: grey, g: 0, b: 0 } } })
          .jpeg()
          .toBuffer(),
      ),
    );
    await fixture.run(
      ['push', 'mjpeg', '--mjpeg'],
      Buffer.concat(pictures.flatMap((picture) => [Buffer.from('--frame\r\n\r\n'), picture])),
    );
    const entries = await fixture.stored('mjpeg');
    expect(entries.map((entry, index) => entry.equals(pictures[index]!))).toEqual([true, true]);
  });

  test('SIGINT stores what was read, and ends', async () => {
    const child = fixture.begin(['push', 'interrupted', '--lines']);
    child.process.stdin.write('1\n2\n3 is not whole');
    await soon(async () => expect(await fixture.storedTexts('interrupted')).toEqual(['1', '2']));
    child.process.kill('SIGINT');
    expect(await child.end()).toMatchObject({ code: 0, errors: '' });
    expect(await fixture.storedTexts('interrupted')).toEqual(['1', '2']);
  });

  test.each([
    [['push', ':event:x'], /reserved_name, HTTP 403\)\n$/],
    [['push', 'cam', '/no/such/file'], /^cannot read \/no\/such\/file: ENOENT[^\n]*\n$/],
    [
      ['push', 'cam', '--url', 'http://127.0.0.1:1'],
      /^no gateway answers at http:\/\/127.0.0.1:1: [^\n]*\n$/,
    ],
    [['push', 'cam', '--split', '0'], /whole number from 1/],
    [['push', 'cam', '--mjpeg'], /ends within a JPEG/],
  ])('%j fails in a sentence', async (args, told) => {
    const { code, errors } = await fixture.run(args, Buffer.from([0xff, 0xd8, 0xff, 0xe0]));
    expect(errors).toMatch(told);
    expect(code).toBe(1);
  });
});

test('one pipe into the other', async () => {
  const pull = fixture.begin(['pull', 'through', '--last-entry-id', '0', '-n', '3', '--lines']);
  const push = fixture.begin(['push', 'copy', '--lines', '--ids']);
  pull.process.stdout.pipe(push.process.stdin);
  for (const value of ['1', '2', '3']) await fixture.add('through', '*', value);
  const { out } = await push.end();
  expect(await fixture.storedTexts('copy')).toEqual(['1', '2', '3']);
  expect(out.trim().split('\n')).toHaveLength(3);
});
