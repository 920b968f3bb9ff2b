/** `streamgate push` and `pull` say what they wait for. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PipesFixture } from '../support/pipes.js';

let fixture: PipesFixture;

beforeAll(async () => {
  fixture = await PipesFixture.start();
});

afterAll(() => fixture?.stop());

test.for([
  [['nosuch', '--latest'], 'waiting for the first entry of nosuch at URL'],
  [['nosuch'], 'waiting for the next entry of nosuch at URL (--last-entry-id 0 begins with the oldest)'],
  [['nosuch', 'other', '--from', '1m'], 'waiting for the next entry of nosuch and other at URL'],
] as const)('%j says what it waits for, once', async ([args, text]) => {
  const child = fixture.begin(['pull', ...args]);
  await child.said();
  child.process.kill('SIGINT');
  expect(await child.end()).toMatchObject({ code: 0, errors: `${text.replace('URL', fixture.url)}\n` });
});

test('says once that it waits for standard input, and then stores what comes', async () => {
  const child = fixture.begin(['push', 'awaited', '--lines']);
  await child.said();
  child.process.stdin.end('one\n');
  const errors = 'waiting for standard input: pipe something in, or name files\n';
  expect(await child.end()).toMatchObject({ code: 0, errors });
  expect(await fixture.storedTexts('awaited')).toEqual(['one']);
});
