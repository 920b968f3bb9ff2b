/** What the documents say of settings is true of `src/config/settings.ts`. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SETTINGS } from '../src/config/settings.js';

/** Where to listen and where Redis is the image and the compose file decide themselves. */
const DECIDED = ['HOST', 'PORT', 'STREAMGATE_DATA_DIR'];

test('the compose file passes every setting on', () => {
  const compose = readFileSync('docker-compose.yml', 'utf8');
  const passed = [...compose.matchAll(/^ {6}([A-Z_]+):/gm)].map(([, name]) => name!);
  const expected = Object.keys(SETTINGS).filter((name) => !DECIDED.includes(name));
  expect(passed.sort()).toEqual(expected.sort());
});

test('the README names every setting with its default', () => {
  const readme = readFileSync('README.md', 'utf8');
  for (const [name, { fallback }] of Object.entries(SETTINGS)) {
    const row = readme.split('\n').find((line) => line.startsWith(`| \`${name}\``));
    expect(row, name).toBeDefined();
    // What depends on the machine is told in words.
    if (fallback === undefined || name.endsWith('_THREADS')) continue;
    expect(row!.split('|')[2]!.replaceAll('`', '').trim(), name).toBe(fallback);
  }
});
