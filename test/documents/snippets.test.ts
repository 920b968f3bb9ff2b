/** What the documentation has its readers run works as it stands. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { readSnippets, unknownBlocks } from './markdown.js';
import { PageFolder } from './page-folder.js';
import { PageRun } from './run.js';

function inDocs(name: string): string {
  return join('docs', name);
}

const PATIENCE_MS = 60_000;
const READY = { timeout: 10_000, interval: 100 };
const PAGES = ['README.md', ...readdirSync('docs', { recursive: true, encoding: 'utf8' }).map(inDocs)]
  .filter((page) => page.endsWith('.md'))
  .map((page) => ({ page, text: readFileSync(page, 'utf8') }))
  .map(({ page, text }) => ({ page, snippets: readSnippets(text), unknown: unknownBlocks(text) }))
  .sort((one, other) => one.page.localeCompare(other.page));

const { redis, gateway } = await startForFile();
// Some pages ask whether it is ready.
await vi.waitFor(async () => expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200), READY);

test('the pages are found', () => {
  expect(PAGES.length).toBeGreaterThan(10);
});

test('every block of code names a language that is known', () => {
  expect(PAGES.flatMap(({ page, unknown }) => unknown.map((block) => `${page}, ${block}`))).toEqual([]);
});

describe.each(PAGES.filter(({ snippets }) => snippets.length > 0))('$page', ({ snippets }) => {
  let folder: PageFolder;
  let run: PageRun;

  beforeAll(async () => {
    await redis.client.flushall();
    folder = await PageFolder.make(gateway);
    run = new PageRun(folder);
  });

  afterAll(async () => {
    try {
      await run.close();
    } finally {
      await folder.remove();
    }
  }, PATIENCE_MS);

  for (const snippet of snippets) {
    const { line, code, notRun } = snippet;
    const name = `line ${line}: ${code.split('\n', 1)[0]}`;
    if (notRun === undefined) test(name, () => run.run(snippet), PATIENCE_MS);
    else test(`${name} is not run, for a reason`, () => expect(notRun).toMatch(/\w+ \w+/));
  }
});
