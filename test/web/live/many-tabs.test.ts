/** One browser with many pages: HTTP/1.1 gives it six connections to a host, for all of its tabs. */
import { expect, test } from 'vitest';
import { BROWSER_PATIENCE, openPage } from '../../support/browser.js';
import { startForFile } from '../../support/gateway-fixture.js';

const { redis, gateway } = await startForFile();
/** More than the six. */
const TABS = 8;

test('every visible page of one browser shows the streams', async () => {
  await redis.client.xadd('default:cam', '*', 'd', 'x');
  const browser = await openPage();
  try {
    const pages = [browser.page];
    // Windows of their own: a tab behind another is hidden, and lets go of its connection.
    while (pages.length < TABS) pages.push(await browser.context.newPage());
    for (const page of pages) await page.goto(gateway.http);
    for (const page of pages) {
      await expect.poll(() => page.locator('#list').innerText(), BROWSER_PATIENCE).toContain('cam');
    }
    expect(await gateway.metric('connections{endpoint="overview"}')).toBe(TABS);
  } finally {
    await browser.close();
  }
}, 60_000);
