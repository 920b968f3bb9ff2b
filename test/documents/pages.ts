/** The pages of the documentation, and tests that run their snippets. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { readSnippets } from './markdown.js';
import { PageFolder } from './page-folder.js';
import { PageRun } from './run.js';

const PATIENCE_MS = 60_000;
const READY = { timeout: 10_000, interval: 100 };

/** The README, and all below docs/. */
export const PAGES: readonly string[] = [
  'README.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name))
    .sort(),
];

/** Those with the longest snippets, which have test files of their own. */
export const OF_DEVICES = ['docs/cameras.md', 'docs/sensors.md', 'docs/browsers.md'];
export const OF_CLIENTS = PAGES.filter((page) => page.startsWith('docs/clients/'));

/** Runs all snippets of the pages, each page on an empty Redis. */
export async function testSnippets(pages: readonly string[]): Promise<void> {
  const { redis, gateway } = await startForFile();
  // Some pages ask whether it is ready.
  await vi.waitFor(async () => expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200), READY);
  const read = pages.map((page) => ({ page, snippets: readSnippets(readFileSync(page, 'utf8')) }));

  describe.each(read.filter(({ snippets }) => snippets.length > 0))('$page', ({ snippets }) => {
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
}
