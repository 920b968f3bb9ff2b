/** `streamgate pull`: what goes out by pipes and into files. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PipesFixture, soon } from '../support/pipes.js';

let fixture: PipesFixture;

beforeAll(async () => {
  fixture = await PipesFixture.start();
});

afterAll(() => fixture?.stop());

describe.concurrent('pull', () => {
  test('writes payloads as they are, and ends after -n', async () => {
    for (const [index, value] of ['a', 'b', 'c'].entries())
      await fixture.add('plain', `${index + 1}-0`, value);
    expect(await fixture.run(['pull', 'plain', '--last-entry-id', '0', '-n', '2'])).toMatchObject({
      code: 0,
      out: 'ab',
      errors: '',
    });
    const lines = await fixture.run(['pull', 'plain', '--last-entry-id', '1', '-n', '2', '--lines']);
    expect(lines.out).toBe('b\nc\n');
  });

  test('--latest writes the newest entry, however old, and ends', async () => {
    const frame = Buffer.from(Array.from({ length: 500_000 }, (_, index) => index % 256));
    await fixture.add('newest', '1-0', 'old');
    await fixture.add('newest', '2-0', frame);
    const { out, code } = await fixture.run(['pull', 'newest', '--latest']);
    expect(Buffer.from(out, 'latin1').equals(frame)).toBe(true);
    expect(code).toBe(0);
  });

  test('follows, and ends with SIGINT', async () => {
    const child = fixture.begin(['pull', 'followed', '--lines', '--last-entry-id', '0']);
    await fixture.add('followed', '1-0', 'one');
    await soon(() => expect(String(child.out)).toBe('one\n'));
    await fixture.add('followed', '2-0', 'two');
    await soon(() => expect(String(child.out)).toBe('one\ntwo\n'));
    child.process.kill('SIGINT');
    expect(await child.end()).toMatchObject({ code: 0, errors: '' });
  });

  test('--json has a line an entry, of several streams, bytes that are no text in base64', async () => {
    await fixture.add('json-a', '1700000000000-1', '{"x": 1}');
    await fixture.add('json-b', '1700000000001-0', Buffer.from([0xff, 0]));
    const { out } = await fixture.run([
      'pull',
      'json-a',
      'json-b',
      '--json',
      '--last-entry-id',
      '0',
      '-n',
      '2',
    ]);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.sort((a, b) => (a.stream < b.stream ? -1 : 1))).toEqual([
      { stream: 'json-a', id: '1700000000000-1', time: '2023-11-14T22:13:20.000Z', data: '{"x": 1}' },
      { stream: 'json-b', id: '1700000000001-0', time: '2023-11-14T22:13:20.001Z', data: { base64: '/wA=' } },
    ]);
  });

  test('--files writes each entry into a file within the folder', async () => {
    await fixture.add('../up', '1-0', 'text');
    await fixture.add('../up', '2-0', Buffer.from([0xff, 0xd8, 0xff, 0]));
    const into = join(fixture.folder, 'out');
    const { out } = await fixture.run(['pull', '../up', '--files', into, '--last-entry-id', '0', '-n', '2']);
    expect((await readdir(into)).sort()).toEqual(['..%2Fup-1-0.txt', '..%2Fup-2-0.jpg']);
    expect(out.trim().split('\n')).toEqual([join(into, '..%2Fup-1-0.txt'), join(into, '..%2Fup-2-0.jpg')]);
    const pattern = join(fixture.folder, 'by', '{stream}', '{id}');
    await fixture.run(['pull', '../up', '--files', pattern, '--last-entry-id', '0', '-n', '1']);
    expect(await readFile(join(fixture.folder, 'by', '..%2Fup', '1-0'), 'utf8')).toBe('text');
  });

  test('ends quietly when nobody reads any more', async () => {
    await Promise.all(
      Array.from({ length: 300 }, (_, index) => fixture.add('unread', `${index + 1}-0`, 'x'.repeat(10_000))),
    );
    const child = fixture.begin(['pull', 'unread', '--last-entry-id', '0']);
    await soon(() => expect(child.out.length).toBeGreaterThan(0));
    child.process.stdout.destroy();
    // What comes later finds nobody, even if all that was there fitted into the pipe.
    const timer = setInterval(() => void fixture.add('unread', '*', 'x'), 50);
    const { code, errors } = await child.end().finally(() => clearInterval(timer));
    expect([code, errors]).toEqual([0, '']);
  });

  test.each([
    [['pull', 'a+b', 'c', '--device', 'a:b'], /bad_name/],
    [['pull', 'cam', '--url', 'http://127.0.0.1:1'], /^no gateway answers/],
    [['pull', 'cam', '--from', 'yesterday'], /must be an ISO 8601 time/],
    [['pull', 'cam', '--from', '10m', '--last-entry-id', '0'], /cannot be used with/],
  ])('%j fails in a sentence', async (args, told) => {
    const { code, errors } = await fixture.run(args);
    expect(errors).toMatch(told);
    expect(code).toBe(1);
  });
});
