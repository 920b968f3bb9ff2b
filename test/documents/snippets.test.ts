/** What the documentation has its readers run works as it stands. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { unknownBlocks } from './markdown.js';
import { OF_CLIENTS, OF_DEVICES, PAGES, testSnippets } from './pages.js';

test('the pages are found', () => {
  expect(PAGES.length).toBeGreaterThan(25);
  expect(OF_CLIENTS).toHaveLength(2);
  expect(PAGES).toEqual(expect.arrayContaining(OF_DEVICES));
});

test.each(PAGES)('every block of code in %s names a language that is known', (page) => {
  expect(unknownBlocks(readFileSync(page, 'utf8'))).toEqual([]);
});

await testSnippets(PAGES.filter((page) => !OF_DEVICES.includes(page) && !OF_CLIENTS.includes(page)));
