/** The live page over a restart of the gateway: it goes on by itself. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BROWSER_PATIENCE, openPage, type TestPage } from '../../support/browser.js';
import { type GatewayProcess, startGatewayProcess } from '../../support/gateway-process.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';

let redis: TestRedis;
let gateway: GatewayProcess;
let browser: TestPage;

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGatewayProcess({ REDIS_URL: redis.url });
  browser = await openPage();
});

afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
  await redis?.stop();
});

const expectPoll = <T>(read: () => T | Promise<T>) => expect.poll(read, BROWSER_PATIENCE);

test('says that the gateway is away, and goes on once it is back, without a gap and without a reload', async () => {
  const { page } = browser;
  const add = (text: string) => redis.client.xadd('default:log', '*', 'd', text);
  const lines = () => page.locator('.tail code').allInnerTexts();
  await add('before');
  await page.goto(`${gateway.http}/#/default:log`);
  await expectPoll(lines).toEqual(['before']);
  await page.evaluate(() => {
    (window as { isSamePage?: boolean }).isSamePage = true;
  });
  const { port } = gateway;
  await gateway.stop();
  const banner = page.getByRole('alert').filter({ hasText: 'No connection.' });
  await banner.waitFor();
  await add('meanwhile');
  gateway = await startGatewayProcess({ REDIS_URL: redis.url, PORT: String(port) });
  await banner.waitFor({ state: 'hidden' });
  await add('after');
  await expectPoll(lines).toEqual(['before', 'meanwhile', 'after']);
  expect(await page.evaluate(() => (window as { isSamePage?: boolean }).isSamePage)).toBe(true);
});
