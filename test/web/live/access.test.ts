/** The live page on a gateway with access control. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccessFixture, allows, bearer, startAccessFixture } from '../../support/access.js';
import { BROWSER_PATIENCE, openPage, type TestPage } from '../../support/browser.js';

let fixture: AccessFixture<'all' | 'cams' | 'robot'>;
let browser: TestPage;

beforeAll(async () => {
  fixture = await startAccessFixture({
    all: { rights: allows('read', 'write', 'meta') },
    cams: { rights: [{ actions: ['read'], device: 'default', stream: 'cam*' }] },
    robot: { device: 'robot', rights: allows('read', 'write', 'meta') },
  });
  for (const sid of ['cam-1', 'secret']) {
    await fetch(`${fixture.gateway.http}/data/${sid}`, {
      method: 'POST',
      body: `entry of ${sid}`,
      headers: bearer(fixture.tokens.all),
    });
  }
  browser = await openPage();
});

afterAll(async () => {
  await browser?.close();
  await fixture?.stop();
});

const names = () => browser.page.locator('.row .name').allInnerTexts();

test('asks for a token, again where it is wrong, and shows what it allows', async () => {
  const { page } = browser;
  const { gateway, tokens } = fixture;
  await page.goto(gateway.http);
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Token', { exact: true }).fill('sg_wrong');
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await dialog.getByRole('alert').waitFor();
  expect(await names()).toEqual([]);
  await dialog.getByLabel('Token', { exact: true }).fill(tokens.cams);
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await expect.poll(names, BROWSER_PATIENCE).toEqual(['cam-1']);
  // The WebSocket has it, too.
  await page.locator('.row').click();
  await page.locator('.tail').getByText('entry of cam-1').waitFor();
  // What the token does not allow is told.
  await page.getByText('Metadata', { exact: true }).click();
  await page.getByRole('textbox', { name: 'Metadata' }).fill('{"a": 1}');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('.metadata .problem').getByText('may not').waitFor();
  // A page that is left forgets it, and no address ever had it.
  expect(JSON.stringify(await browser.context.storageState())).not.toContain(tokens.cams);
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  expect(browser.asked.join('\n')).not.toContain(tokens.cams);
});

test('asks for another once it is revoked, and goes on', async () => {
  const { page } = browser;
  const dialog = page.getByRole('dialog');
  await fixture.rewrite({
    all: { rights: allows('read', 'write', 'meta') },
    robot: { device: 'robot', rights: allows('read', 'write', 'meta') },
  });
  await dialog.waitFor();
  await dialog.getByLabel('Token', { exact: true }).fill(fixture.tokens.all);
  await dialog.getByLabel('Keep it until this tab is closed').check();
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await expect.poll(names, BROWSER_PATIENCE).toEqual(['cam-1', 'secret']);
  await page.locator('.tail').getByText('entry of cam-1').waitFor();
  await page.reload();
  await expect.poll(names, BROWSER_PATIENCE).toEqual(['cam-1', 'secret']);
  expect(await dialog.isVisible()).toBe(false);
});

test('shows a device its own streams, by their names there', async () => {
  const { gateway, tokens } = fixture;
  const headers = bearer(tokens.robot);
  await fetch(`${gateway.http}/data/arm`, { method: 'POST', body: 'at rest', headers });
  const robot = await openPage();
  try {
    const { page } = robot;
    await page.goto(gateway.http);
    await page.getByLabel('Token', { exact: true }).fill(tokens.robot);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.locator('.row').filter({ hasText: 'arm' }).click();
    await page.locator('.tail').getByText('at rest').waitFor();
    await page.getByText('Metadata', { exact: true }).click();
    await page.getByRole('textbox', { name: 'Metadata' }).fill('{"joints": 6}');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    expect(await fixture.redis.client.get(':stream:meta:robot:arm')).toBe('{"joints":6}');
  } finally {
    await robot.close();
  }
});
