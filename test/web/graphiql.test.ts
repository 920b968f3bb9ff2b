/** GraphiQL in a browser: the example tabs against the gateway that serves them, and no other host. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPage, BROWSER_PATIENCE as PATIENCE, type TestPage } from '../support/browser.js';
import { startForFile } from '../support/gateway-fixture.js';
import { TestSocket } from '../support/socket.js';

const { gateway } = await startForFile();
let browser: TestPage;
let page: Page;

beforeAll(async () => {
  // The editors put only the lines that are in sight into the page.
  browser = await openPage({ viewport: { width: 1280, height: 1600 } });
  page = browser.page;
});

afterAll(async () => {
  await browser?.close();
});

const button = (name: RegExp) => page.getByRole('button', { name });

/** The operation that the button would run. */
async function currentOperation(): Promise<string | undefined> {
  const { origins } = await browser.context.storageState();
  return origins[0]?.localStorage.find(({ name }) => name === 'graphiql:operationName')?.value;
}

async function openTab(name: string): Promise<void> {
  await page.getByRole('tab', { name }).click();
  // The editor reads its text a moment later, and up to then the button runs what the tab before had.
  await expect.poll(currentOperation, PATIENCE).toBe(name);
}

async function run(): Promise<void> {
  await button(/^Execute query/).click();
}

/** What stands in the result; undefined while it is no whole answer. */
async function result(): Promise<unknown> {
  const lines = await page.getByLabel('Result Window').locator('.CodeMirror-line').allInnerTexts();
  try {
    // The editor indents with no-break spaces.
    return JSON.parse(lines.join('\n').replaceAll('\u00a0', ' '));
  } catch {
    return undefined;
  }
}

const expectResult = () => expect.poll(result, PATIENCE);

test('opens with a tab for each example', async () => {
  const response = await page.goto(`${gateway.http}/graphql`);
  expect(response!.status()).toBe(200);
  const policy = response!.headers()['content-security-policy'];
  expect(policy).toMatch(/^default-src '(?:none|self)';/);
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
  expect(await page.title()).toBe('streamgate · GraphiQL');
  const tabs = page.getByRole('tab');
  await tabs.last().waitFor();
  expect(await tabs.allInnerTexts()).toEqual([
    'ListDevices',
    'DescribeStreams',
    'ConnectDevice',
    'FollowStreams',
  ]);
});

test('connects a device and lists it', async () => {
  await openTab('ConnectDevice');
  await run();
  await expectResult().toMatchObject({
    data: { connectDevice: { connected: true, is_new_device: true, meta_set: true } },
  });
  await fetch(`${gateway.http}/data/camera?device_id=my-device`, { method: 'POST', body: 'a frame' });
  await openTab('ListDevices');
  await run();
  await expectResult().toEqual({
    data: {
      devices: [{ id: 'my-device', meta: { parameterA: 11.2, parameterB: 'xyz' }, streamIds: ['camera'] }],
    },
  });
});

test('describes streams', async () => {
  await openTab('DescribeStreams');
  await run();
  await expectResult().toMatchObject({
    data: {
      streams: expect.arrayContaining([
        expect.objectContaining({ id: 'my-device:camera', length: 1, entriesAdded: 1, meta: {} }),
      ]),
    },
  });
});

test('follows a stream while entries are pushed', async () => {
  const producer = await TestSocket.open(`${gateway.ws}/data/counter/push?ack=1`);
  const push = async (n: number) => {
    const payload = JSON.stringify({ n });
    const [id] = await producer.push([['counter', payload.length]], payload);
    return { data: { data: { streamId: 'counter', time: id, string: payload, json: { n } } } };
  };
  await openTab('FollowStreams');
  await run();
  // Nothing tells when the subscription has begun but an entry that it shows.
  let pushed = 0;
  await expect
    .poll(async () => {
      await push(pushed++);
      return result();
    }, PATIENCE)
    .toMatchObject({ data: { data: { streamId: 'counter' } } });
  await expectResult().toEqual(await push(pushed));
  await expectResult().toEqual(await push(pushed + 1));

  await button(/^Stop query/).click();
  await button(/^Execute query/).waitFor();
  await producer.close();
});

test('knows the schema', async () => {
  await button(/^Show Documentation Explorer/i).click();
  await page.getByRole('combobox').fill('connectDevice');
  await page.getByRole('option', { name: 'Mutation.connectDevice' }).click();
  const description = page.getByText('is_new_device, meta_set');
  await expect.poll(() => description.isVisible(), PATIENCE).toBe(true);
});

test('opens its dialogs without a scroll bar to hide', async () => {
  for (const name of [/settings dialog/i, /short keys dialog/i]) {
    await button(name).click();
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
  }
  expect(browser.complaints).toEqual([]);
});

test('asks no other host, and has nothing to complain of', () => {
  expect(browser.hosts()).toEqual(new Set([`127.0.0.1:${gateway.port}`]));
  expect(browser.asked).toContain(`${gateway.ws}/graphql`);
  expect(browser.complaints).toEqual([]);
});
