/** The live page before a thousand streams and more, in real Chromium. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BROWSER_PATIENCE, openPage, type TestPage } from '../../support/browser.js';
import { startForFile } from '../../support/gateway-fixture.js';

const { redis, gateway } = await startForFile();
let browser: TestPage;
let page: Page;

beforeAll(async () => {
  browser = await openPage({ viewport: { width: 1280, height: 800 } });
  page = browser.page;
});

afterAll(async () => {
  await browser?.close();
});

const expectPoll = <T>(read: () => T | Promise<T>) => expect.poll(read, BROWSER_PATIENCE);
const shownRows = () => page.locator('.row:visible .name').allInnerTexts();

test('stays quick with a thousand streams, and finds those that it does not list', async () => {
  const pipeline = redis.client.pipeline();
  for (let n = 0; n < 1200; n++) pipeline.xadd(`fleet${n % 40}:s${n}`, '*', 'd', `entry ${n}`);
  await pipeline.exec();
  await page.goto(`${gateway.http}/#/`);
  await expectPoll(() => page.locator('.row').count()).toBe(1000);
  await page.locator('#summary').getByText('filter for others').waitFor();
  // The longest that the page was busy while three overviews came in and somebody typed.
  const longest = await page.evaluate(async () => {
    let longest = 0;
    let last = performance.now();
    const end = last + 3000;
    const filter = document.querySelector<HTMLInputElement>('#filter')!;
    while (last < end) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    }
    filter.focus();
    return longest;
  });
  expect(longest).toBeLessThan(1000);
  await page.getByLabel('Filter streams').fill('fleet7:s7');
  await expectPoll(shownRows).toContain('s7');
  await page.getByLabel('Filter streams').fill('fleet39:s1199');
  await expectPoll(shownRows).toEqual(['s1199']);
  await page.getByLabel('Filter streams').fill('');
});
