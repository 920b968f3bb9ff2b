/** The reference at /docs in a browser: all that is described is there, and can be opened. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDocument } from '../../src/openapi/document.js';
import type { Operation } from '../../src/openapi/model.js';
import { FAILURES } from '../../src/protocol/errors.js';
import { VERSION } from '../../src/system/version.js';
import { openPage, type TestPage } from '../support/browser.js';
import { startForFile } from '../support/gateway-fixture.js';

const description = createDocument(VERSION);
const OPERATIONS = Object.values(description.paths).flatMap((item) => Object.values(item) as Operation[]);

const { gateway } = await startForFile();
let browser: TestPage;
let page: Page;

beforeAll(async () => {
  browser = await openPage({ permissions: ['clipboard-read', 'clipboard-write'] });
  page = browser.page;
  await page.goto(`${gateway.http}/docs`);
  await page.locator('details.operation').first().waitFor();
});

afterAll(async () => {
  await browser?.close();
});

const operation = (id: string) => page.locator(`details#${id}`);

test('lists every operation, every failure and every schema', async () => {
  const ids = await page.locator('details.operation').evaluateAll((all) => all.map(({ id }) => id));
  expect(ids.sort()).toEqual(OPERATIONS.map(({ operationId }) => operationId).sort());
  const codes = await page.locator('#errors td:first-child').allInnerTexts();
  expect(codes.sort()).toEqual(Object.keys(FAILURES).sort());
  const schemas = await page.locator('#bodies h3').allInnerTexts();
  expect(schemas).toEqual(Object.keys(description.components.schemas));
  expect(await page.locator('#version').innerText()).toBe(VERSION);
});

describe.each(OPERATIONS)(
  '$operationId',
  ({ operationId, parameters = [], responses, ...operationParts }) => {
    test('opens with its parameters, answers and close codes', async () => {
      const view = operation(operationId);
      await view.locator('summary').click();
      await view.locator('.operation-body').waitFor();
      const told = await view.locator('.status').allInnerTexts();
      const refused = await view
        .locator('h4:text("Answers") ~ table')
        .first()
        .locator('td:first-child')
        .allInnerTexts();
      expect([...told, ...refused].sort()).toEqual(Object.keys(responses).sort());
      const names = await view.locator('h4:text("Parameters") + table td:first-child').allInnerTexts();
      expect(names.map((name) => name.replace(/[{}]/g, ''))).toEqual(parameters.map(({ name }) => name));
      const closes = await view.locator('h4:text("WebSocket") + table td:first-child').allInnerTexts();
      expect(closes).toEqual(Object.keys(operationParts['x-websocket']?.closeCodes ?? {}));
      expect(new URL(page.url()).hash).toBe(`#${operationId}`);
      // No Markdown is left as it was written.
      expect(await view.innerText()).not.toMatch(/`|\*\*|\| ---/);
    });
  },
);

test('the frames of the WebSockets are a table', async () => {
  for (const id of ['pushEntries', 'followStreams']) {
    const framings = await operation(id).locator('.prose table td:first-child').allInnerTexts();
    expect(framings).toEqual(['1', '0', 'msgpack']);
  }
});

test('a sample leads to this gateway, and can be copied', async () => {
  const samples = operation('readEntries').locator('.samples');
  const code = samples.locator('pre').first();
  expect(await code.innerText()).toContain(`${gateway.http}/data/cam`);
  await samples.getByRole('button', { name: 'Copy' }).first().click();
  await samples.getByRole('button', { name: 'Copied' }).waitFor();
  expect(await page.evaluate('navigator.clipboard.readText()')).toBe(await code.innerText());
  await samples.getByRole('button', { name: 'Python' }).click();
  expect(await code.innerText()).toContain('import requests');
});

test.each([
  ['followEvents', /^log \d+-\d+ 21\.5$/],
  ['overview', /^table /],
])('the JavaScript of %s runs as it is shown', async (id, told) => {
  await fetch(`${gateway.http}/data/temperature`, { method: 'POST', body: '21.5' });
  const samples = operation(id).locator('.samples');
  await samples.getByRole('button', { name: 'JavaScript' }).click();
  const source = await samples.locator('pre').first().innerText();
  const message = page.waitForEvent('console');
  await page.evaluate(`{ ${source} }`);
  expect(`${(await message).type()} ${(await message).text()}`).toMatch(told);
});

test('the filter leaves what it is asked for', async () => {
  await page.keyboard.press('/');
  await page.keyboard.type('pull');
  await operation('readEntries').waitFor({ state: 'hidden' });
  expect(await operation('followStreams').isVisible()).toBe(true);
  expect(await page.locator('#contents a:visible code').allInnerTexts()).toEqual(['/data/{sid}/pull']);
  await page.getByRole('searchbox').fill('');
  await operation('readEntries').waitFor();
});

test('an address with a name opens that operation, or leads to that failure', async () => {
  await page.goto(`${gateway.http}/docs#appendEntries`);
  await page.reload();
  await operation('appendEntries').locator('.operation-body').waitFor();
  await page.goto(`${gateway.http}/docs#failure-overloaded`);
  expect(await page.locator('#failure-overloaded').innerText()).toBe('overloaded');
});

test('nothing is wider than a phone', async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.evaluate(`for (const view of document.querySelectorAll('details')) view.open = true`);
  await expect.poll(() => page.locator('.operation-body').count()).toBe(OPERATIONS.length);
  const overhang = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
  expect(overhang).toBeLessThanOrEqual(0);
});

test('every link within the page leads somewhere', async () => {
  const links = await page
    .locator('a[href^="#"]')
    .evaluateAll((all) => all.map((link) => link.getAttribute('href')!));
  expect(links.length).toBeGreaterThan(100);
  for (const link of new Set(links)) expect(await page.locator(link).count(), link).toBe(1);
});

test('asks no other host, and has nothing to complain of', () => {
  expect(browser.hosts()).toEqual(new Set([`127.0.0.1:${gateway.port}`]));
  expect(browser.complaints).toEqual([]);
});
