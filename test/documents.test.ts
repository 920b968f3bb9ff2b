/** What the documents say is true of the code. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { GENERATED, withTables } from '../src/build/doc-tables.js';
import { SETTINGS } from '../src/config/settings.js';

/** Where to listen and where Redis is the image and the compose file decide themselves. */
const DECIDED = ['HOST', 'PORT', 'STREAMGATE_DATA_DIR'];

test('the compose file passes every setting on', () => {
  const compose = readFileSync('docker-compose.yml', 'utf8');
  const passed = [...compose.matchAll(/^ {6}([A-Z_]+):/gm)].map(([, name]) => name!);
  const expected = Object.keys(SETTINGS).filter((name) => !DECIDED.includes(name));
  expect(passed.sort()).toEqual(expected.sort());
});

test.each(Object.keys(GENERATED))('the tables of %s are as the code has them now: npm run docs', (path) => {
  const text = readFileSync(path, 'utf8');
  expect(text).toBe(withTables(path, text));
});

test('a document without a place for its table is refused', () => {
  expect(() => withTables('docs/settings.md', '# Settings')).toThrow(
    'docs/settings.md has no place for the table of settings',
  );
});

test('the first thing to try needs nothing but curl', () => {
  const [, text] = readFileSync('README.md', 'utf8').split('in another terminal:');
  const [, commands] = /```sh\n([\s\S]*?)```/.exec(text!)!;
  for (const command of commands!.trim().split('\n')) expect(command).toMatch(/^curl /);
});

test('the README is short', () => {
  expect(readFileSync('README.md', 'utf8').split('\n').length).toBeLessThanOrEqual(201);
});
