/** GraphiQL on a gateway with access control: the token goes into its tab for headers. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccessFixture, allows, bearer, startAccessFixture } from '../support/access.js';
import { openPage, BROWSER_PATIENCE as PATIENCE, type TestPage } from '../support/browser.js';

let fixture: AccessFixture<'all'>;
let browser: TestPage;
let page: Page;

beforeAll(async () => {
  fixture = await startAccessFixture({ all: { rights: allows('read', 'write') } });
  browser = await openPage({ viewport: { width: 1280, height: 1600 } });
  page = browser.page;
});

afterAll(async () => {
  await browser?.close();
  await fixture?.stop();
});

const result = async () =>
  (await page.getByLabel('Result Window').locator('.CodeMirror-line').allInnerTexts())
    .join('')
    .replace(/\s/g, '');

const openTab = (name: string) => page.getByRole('tab', { name }).click();

const execute = () => page.getByRole('button', { name: /^Execute query/ }).click();

async function setHeaders(text: string): Promise<void> {
  await page.getByRole('button', { name: 'Headers', exact: true }).click();
  const editor = page.getByLabel('Headers').locator('.CodeMirror').last();
  await editor.click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(text);
}

test('without a token it is told that there must be one, and with it follows a stream', async () => {
  const { gateway, tokens } = fixture;
  await page.goto(`${gateway.http}/graphql`);
  await openTab('ListDevices');
  await execute();
  await expect.poll(result, PATIENCE).toContain('"code":"unauthorized"');
  await openTab('FollowStreams');
  // A moment after a tab was opened its query is still taken for the one before, which is no subscription.
  await expect
    .poll(
      async () => {
        const shown = await result();
        if (!shown.includes('4401')) await execute();
        return shown;
      },
      { ...PATIENCE, interval: 500 },
    )
    .toContain('4401');

  await setHeaders(JSON.stringify({ Authorization: `Bearer ${tokens.all}` }));
  await page.getByRole('button', { name: /^(Execute|Stop) query/ }).waitFor();
  await execute();
  // Nothing tells when the subscription has begun but an entry that it shows.
  await expect
    .poll(async () => {
      await fetch(`${gateway.http}/data/counter`, {
        method: 'POST',
        body: '{}',
        headers: bearer(tokens.all),
      });
      return result();
    }, PATIENCE)
    .toContain('"streamId":"counter"');
  // A page that is left forgets it.
  const stored = await page.context().storageState();
  expect(JSON.stringify(stored)).not.toContain(tokens.all);
});
