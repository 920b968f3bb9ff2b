/** The page at /docs in a browser: the guides and the reference are there, can be opened and are found. */
import { readdirSync, readFileSync } from 'node:fs';
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
/** Without the list of all. */
const PAGES = readdirSync('docs', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md') && name !== 'README.md')
  .map((name) => name.slice(0, -'.md'.length));

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
    .locator('#reference a[href^="#"], #contents a[href^="#"]:not([href^="#/"])')
    .evaluateAll((all) => all.map((link) => link.getAttribute('href')!));
  expect(links.length).toBeGreaterThan(100);
  for (const link of new Set(links)) expect(await page.locator(link).count(), link).toBe(1);
});

describe('the guides', () => {
  const guide = () => page.locator('#guide');
  const open = async (path: string) => {
    await page.goto(`${gateway.http}/docs#/${path}`);
    await guide().locator('h1').waitFor();
  };

  beforeAll(() => page.setViewportSize({ width: 1200, height: 800 }));

  test.each(PAGES)('docs/%s.md is shown whole, and its links lead somewhere', async (path) => {
    await open(path);
    const text = readFileSync(`docs/${path}.md`, 'utf8');
    const prose = text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '');
    expect(await guide().locator('h1').innerText()).toBe(/^# (.+)$/m.exec(prose)![1]!.replaceAll('`', ''));
    expect(await guide().locator('pre').count()).toBe((text.match(/^ *```/gm)?.length ?? 0) / 2);
    expect(await guide().locator('table').count()).toBe(prose.match(/^\| ?---/gm)?.length ?? 0);
    // Outside of code no Markdown is left as it was written.
    const left = await guide().evaluate((view) => {
      const copy = view.cloneNode(true) as typeof view;
      for (const code of copy.querySelectorAll('code')) code.remove();
      return copy.textContent;
    });
    expect(left).not.toMatch(/`|\*\*|\]\(|^#|\| ---|<!--/m);
    const links = await guide()
      .locator('a[href^="#/"]')
      .evaluateAll((all) => all.map((link) => link.getAttribute('href')!.slice('#/'.length)));
    for (const link of new Set(links)) {
      const [file, anchor] = link.split(':');
      expect([...PAGES, ''], link).toContain(file);
      if (anchor === undefined || file !== path) continue;
      expect(await guide().locator(`[data-anchor="${anchor}"]`).count(), link).toBe(1);
    }
  });

  test('are listed', async () => {
    const listed = await page
      .locator('#contents a[href^="#/"]')
      .evaluateAll((all) => all.map((link) => link.getAttribute('href')!.slice('#/'.length)));
    expect(PAGES.filter((path) => !listed.includes(path) && !/^(adr\/\d|README)/.test(path))).toEqual([]);
  });

  test('are searched, and what is found is opened at its heading', async () => {
    await open('push');
    await page.getByRole('searchbox').fill('cursor msgpack');
    const found = page.locator('#found a');
    await found.first().waitFor();
    expect((await found.allInnerTexts()).join('\n')).toMatch(/Protocol|protocol/);
    await page.getByRole('searchbox').fill('close codes');
    await page.locator('#found a[href="#/errors:close-codes"]').click();
    const heading = guide().locator('[data-anchor="close-codes"]');
    await heading.waitFor();
    expect(await heading.evaluate((view) => Math.round(view.getBoundingClientRect().top))).toBeLessThan(200);
    expect(await page.locator('#found').isVisible()).toBe(false);
    await page.getByRole('searchbox').fill('nothing has these words');
    expect(await page.locator('#found').innerText()).toBe('Nothing in the guides');
    await page.getByRole('searchbox').fill('');
  });

  test('are left for the reference, and for the guide before', async () => {
    await open('limits');
    await page.locator('#contents a[href="#appendEntries"]').click();
    await operation('appendEntries').locator('.operation-body').waitFor();
    expect(await guide().isVisible()).toBe(false);
    await page.goBack();
    expect(await guide().locator('h1').innerText()).toBe('Limits');
    expect(await page.locator('#reference').isVisible()).toBe(false);
  });

  test('are no wider than a phone', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    for (const path of PAGES) {
      await open(path);
      const overhang = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect([path, Math.max(overhang as number, 0)]).toEqual([path, 0]);
    }
  });
});

test('asks no other host, and has nothing to complain of', () => {
  expect(browser.hosts()).toEqual(new Set([`127.0.0.1:${gateway.port}`]));
  expect(browser.complaints).toEqual([]);
});
