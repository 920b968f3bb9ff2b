/** The live page over a restart of the gateway: it goes on by itself. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BROWSER_PATIENCE, openPage, type TestPage } from '../../support/browser.js';
import { freePort } from '../../support/free-port.js';
import { type GatewayProcess, startGatewayProcess } from '../../support/gateway-process.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';

let redis: TestRedis;
/** Of the gateway, each time that it is started. */
let settings: Record<string, string>;
let gateway: GatewayProcess;
let browser: TestPage;

beforeAll(async () => {
  redis = await startRedis();
  settings = { REDIS_URL: redis.url, PORT: String(await freePort()) };
  gateway = await startGatewayProcess(settings);
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
  await gateway.stop();
  const banner = page.getByRole('alert').filter({ hasText: 'No connection.' });
  await banner.waitFor();
  await add('meanwhile');
  gateway = await startGatewayProcess(settings);
  await banner.waitFor({ state: 'hidden' });
  await add('after');
  await expectPoll(lines).toEqual(['before', 'meanwhile', 'after']);
  expect(await page.evaluate(() => (window as { isSamePage?: boolean }).isSamePage)).toBe(true);
});

test('tells of entries that were trimmed away meanwhile', async () => {
  const { page } = browser;
  const lines = () => page.locator('.tail code').allInnerTexts();
  const notice = page.locator('.notice');
  expect(await notice.isVisible()).toBe(false);
  await gateway.stop();
  for (const text of ['lost', 'lost, too', 'kept']) await redis.client.xadd('default:log', '*', 'd', text);
  await redis.client.xtrim('default:log', 'MAXLEN', 1);
  gateway = await startGatewayProcess(settings);
  await expectPoll(lines).toEqual(['before', 'meanwhile', 'after', 'kept']);
  await notice.getByText(/^Entries between .* and .* were trimmed away\.$/).waitFor();
  await notice.getByRole('button', { name: 'Dismiss' }).click();
  await notice.waitFor({ state: 'hidden' });
});

test('says so while Redis is away, and goes on', async () => {
  const { page } = browser;
  redis.process.kill('SIGKILL');
  const banner = page.getByRole('alert').filter({ hasText: 'Redis' });
  await expectPoll(() => banner.isVisible()).toBe(true);
  await redis.restart();
  await expectPoll(() => banner.isVisible()).toBe(false);
});

test('names masters of a cluster that are away, and shows the streams all the same', async () => {
  const { page } = browser;
  let away: string[] = [];
  await page.routeWebSocket(/\/overview/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((text) => {
      const overview = JSON.parse(String(text)) as object;
      socket.send(JSON.stringify({ ...overview, ...(away.length === 0 ? {} : { away }) }));
    });
  });
  await page.reload();
  const note = page.locator('#part-away');
  await expectPoll(() => page.locator('body').getAttribute('data-connection')).toBe('live');
  expect(await note.isVisible()).toBe(false);
  away = ['10.0.0.1:6379', '10.0.0.2:6379'];
  await expectPoll(() => note.innerText()).toBe(
    'Redis Cluster: 10.0.0.1:6379, 10.0.0.2:6379 are away. Streams there are shown as they were.',
  );
  expect(await page.locator('#banner').isVisible()).toBe(false);
  away = ['10.0.0.1:6379'];
  await expectPoll(() => note.innerText()).toMatch(/6379 is away/);
  away = [];
  await expectPoll(() => note.isVisible()).toBe(false);
});
