/** The list of the live page, in real Chromium: devices and streams as they come, flow and go. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BROWSER_PATIENCE, openPage, type TestPage } from '../../support/browser.js';
import { startForFile } from '../../support/gateway-fixture.js';
import { TestSocket } from '../../support/socket.js';

const HOSTILE = '<img src=x onerror="window.broken = 1">';

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

const row = (key: string) => page.locator(`.row[data-key="${CSS_ESCAPED(key)}"]`);
const CSS_ESCAPED = (text: string) => text.replace(/["\\]/g, '\\$&');
const shownRows = () => page.locator('.row:visible .name').allInnerTexts();
const device = (id: string) => page.locator(`.device[data-device="${id}"]`);

async function store(sid: string, body: string, deviceId = 'default'): Promise<void> {
  const address = `${gateway.http}/data/${encodeURIComponent(sid)}?device_id=${deviceId}`;
  const response = await fetch(address, { method: 'POST', body });
  expect(response.status).toBe(200);
}

test('says how to begin while there is nothing', async () => {
  const response = await page.goto(gateway.http);
  expect(response!.headers()['content-security-policy']).not.toMatch(/unsafe|https?:|\*/);
  await page.getByRole('heading', { name: 'No streams yet' }).waitFor();
  await page.getByText(`curl -d '{"temperature": 21.5}' ${gateway.http}/data/room`).waitFor();
  await page.getByRole('status').getByText('Live').waitFor();
});

test('shows streams as they appear, how fast they grow, how large they are and how old', async () => {
  const producer = await TestSocket.open(`${gateway.ws}/data/cam/push?header=0&device_id=harbour`);
  const timer = setInterval(() => producer.ws.send(Buffer.alloc(10_000, 1)), 50);
  const cells = async () =>
    Promise.all(['.rate', '.bytes', '.age'].map((cell) => row('harbour:cam').locator(cell).innerText()));
  await row('harbour:cam').waitFor();
  expect(await page.getByRole('heading', { name: 'No streams yet' }).isVisible()).toBe(false);
  await expectPoll(async () => Number.parseFloat((await cells())[0]!)).toBeGreaterThan(5);
  const [rate, bytes, age] = await cells();
  expect(rate).toMatch(/^\d+(\.\d)?\/s$/);
  expect(bytes).toMatch(/^\d+(\.\d)?\u202fkB\/s$/);
  expect(age).toBe('now');
  clearInterval(timer);
  await producer.close();
  // What stands still is seen to.
  await expectPoll(async () => (await cells())[2]).toMatch(/^[3-9]\u202fs$/);
  await expectPoll(async () => (await cells())[0]).toBe('–');
});

test('counts who follows', async () => {
  const followers = () => row('harbour:cam').locator('.followers').innerText();
  expect(await followers()).toBe('–');
  const socket = await TestSocket.open(`${gateway.ws}/data/cam/pull?device_id=harbour`);
  await expectPoll(followers).toBe('1');
  await socket.close();
  await expectPoll(followers).toBe('–');
});

test('connects and disconnects devices', async () => {
  const state = (id: string) => device(id).locator('.device-state').innerText();
  await page.getByLabel('Connect a device').fill('rover');
  await page.locator('#device-form').getByRole('button', { name: 'Connect' }).click();
  await expectPoll(() => state('rover')).toBe('connected');
  expect(await redis.client.smembers(':devices:connected')).toEqual(['rover']);
  await device('rover').getByRole('button').click();
  await expectPoll(() => state('rover')).toBe('not connected');
  expect(await redis.client.smembers(':devices:connected')).toEqual([]);
  expect(await redis.client.smembers(':devices:seen')).toEqual(['rover']);
  // What cannot be done is told.
  await page.getByLabel('Connect a device').fill('a:b');
  await page.keyboard.press('Enter');
  await page.locator('#device-said.problem').getByText(':').waitFor();
});

test('takes names for text', async () => {
  await store(HOSTILE, 'x');
  await row(`default:${HOSTILE}`).waitFor();
  expect(await row(`default:${HOSTILE}`).locator('.name').innerText()).toBe(HOSTILE);
  await row(`default:${HOSTILE}`).click();
  await page.getByRole('heading', { name: HOSTILE }).waitFor();
  expect(await page.title()).toBe(`default:${HOSTILE} · streamgate`);
  expect(await page.locator('img').count()).toBe(0);
  expect(await page.evaluate(() => 'broken' in window)).toBe(false);
});

test('goes back and forward, and by its own links', async () => {
  await page.goBack();
  await expectPoll(() => page.locator('.stream').count()).toBe(0);
  await page.goForward();
  await page.getByRole('heading', { name: HOSTILE }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: HOSTILE }).waitFor();
  await page.keyboard.press('Escape');
  await expectPoll(() => page.locator('.stream').count()).toBe(0);
});

test('is used with the keyboard alone', async () => {
  await store('alpha', 'a');
  await store('alpine', 'b');
  await row('default:alpine').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('alp');
  await expectPoll(shownRows).toEqual(['alpha', 'alpine']);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'alpine' }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('/');
  await page.keyboard.press('Escape');
  await expectPoll(async () => (await shownRows()).length).toBeGreaterThan(2);
});

test('shows and stores metadata', async () => {
  await redis.client.set(':stream:meta:default:alpha', '{"place":"roof"}');
  await row('default:alpha').click();
  await page.getByText('Metadata', { exact: true }).click();
  const text = page.getByRole('textbox', { name: 'Metadata' });
  await expectPoll(async () => JSON.parse((await text.inputValue()) || '{}')).toEqual({ place: 'roof' });
  const save = page.getByRole('button', { name: 'Save' });
  expect(await save.isDisabled()).toBe(true);
  await text.fill('{"place": ');
  await page.getByText('Not JSON yet').waitFor();
  expect(await save.isDisabled()).toBe(true);
  await text.fill('[1]');
  await page.getByText('Metadata is a JSON object.').waitFor();
  await text.fill('{"place": "cellar", "fps": 30}');
  await save.click();
  await page.getByText('Saved.').waitFor();
  const stored = await redis.client.get(':stream:meta:default:alpha');
  expect(JSON.parse(stored!)).toEqual({ place: 'cellar', fps: 30 });
  // Nothing can be written before it is known what is there.
  await page.getByText('Metadata', { exact: true }).click();
  let wasEditable: boolean | undefined;
  await page.route('**/graphql', async (route) => {
    wasEditable = await text.isEditable();
    await route.continue();
  });
  await page.getByText('Metadata', { exact: true }).click();
  await expectPoll(() => wasEditable).toBe(false);
  await expectPoll(() => text.isEditable()).toBe(true);
  await page.unroute('**/graphql');
  await page.keyboard.press('Escape');
});

test('forgets what is gone', async () => {
  await redis.client.flushall();
  await page.getByRole('heading', { name: 'No streams yet' }).waitFor();
  expect(await page.locator('.row').count()).toBe(0);
});

test('asks no other host, and has nothing to complain of', () => {
  expect(browser.hosts()).toEqual(new Set([`127.0.0.1:${gateway.port}`]));
  expect(browser.complaints).toEqual([]);
});
