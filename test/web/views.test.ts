/** Streams at addresses that a browser knows what to do with: an `<img>` that plays, an EventSource that comes back. */
import { once } from 'node:events';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BROWSER_PATIENCE, openPage, type TestPage } from '../support/browser.js';
import { freePort } from '../support/free-port.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { postEntries } from '../support/http.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';

const COLOURS = { red: [255, 0, 0], green: [0, 255, 0], blue: [0, 0, 255], white: [255, 255, 255] } as const;
type Colour = keyof typeof COLOURS;

let redis: TestRedis;
let gateway: GatewayProcess;
/** Of the gateway's own, since the page comes back after it was started anew. */
let settings: Record<string, string>;
let browser: TestPage;

beforeAll(async () => {
  redis = await startRedis();
  settings = { REDIS_URL: redis.url, PORT: String(await freePort()) };
  gateway = await startGatewayProcess(settings);
  browser = await openPage();
  // Something of the gateway's origin that asks for nothing by itself.
  await browser.page.goto(`${gateway.http}/healthz`);
});

afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
  await redis?.stop();
});

async function postPicture(
  sid: string,
  colour: Colour,
  format: 'jpeg' | 'png' | 'webp' = 'jpeg',
): Promise<void> {
  const [r, g, b] = COLOURS[colour];
  const picture = sharp({ create: { width: 64, height: 48, channels: 3, background: { r, g, b } } });
  await postEntries(`${gateway.http}/data/${sid}`, new Uint8Array(await picture.toFormat(format).toBuffer()));
}

/** Puts a picture onto the page. */
async function show(id: string, address: string): Promise<void> {
  await browser.page.evaluate(
    ([id, address]) => {
      const picture = document.createElement('img');
      picture.id = id!;
      picture.src = address!;
      document.body.append(picture);
    },
    [id, address],
  );
}

/** The colour of a picture's middle, by a canvas: undefined while there is none. */
async function colourOf(id: string): Promise<Colour | undefined> {
  const pixel = await browser.page.evaluate((id) => {
    const picture = document.getElementById(id) as HTMLImageElement;
    if (picture.naturalWidth === 0) return undefined;
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('2d')!;
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return [...context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data];
  }, id);
  if (pixel === undefined) return undefined;
  const isNear = (colour: Colour) => COLOURS[colour].every((value, at) => Math.abs(value - pixel[at]!) < 8);
  return (Object.keys(COLOURS) as Colour[]).find(isNear);
}

const expectColour = (id: string, colour: Colour) =>
  expect.poll(() => colourOf(id), BROWSER_PATIENCE).toBe(colour);

test('an <img> plays a stream: each frame is shown when it has come, and not with the next', async () => {
  await postPicture('cam', 'white');
  await show('live', '/data/cam/mjpeg');
  await expectColour('live', 'white');
  for (const colour of ['red', 'green', 'blue', 'red', 'white'] as const) {
    await postPicture('cam', colour);
    await expectColour('live', colour);
  }
});

test('whatever kind of picture comes', async () => {
  await show('kinds', '/data/kinds/mjpeg?max_fps=30');
  for (const [colour, format] of [
    ['red', 'jpeg'],
    ['green', 'png'],
    ['blue', 'webp'],
  ] as const) {
    await postPicture('kinds', colour, format);
    await expectColour('kinds', colour);
  }
});

test('and shows the newest of a stream', async () => {
  await postPicture('still', 'red');
  await postPicture('still', 'blue');
  await show('still', '/data/still/latest');
  await expectColour('still', 'blue');
  const shown = await browser.page.evaluate(async () => {
    const first = await fetch('/data/still/latest');
    // The browser asks again, is told that nothing has changed, and has kept it.
    const again = await fetch('/data/still/latest');
    return [first.headers.get('etag') === again.headers.get('etag'), (await again.blob()).size > 0];
  });
  expect(shown).toEqual([true, true]);
});

test('what a producer says is a page runs no script, whatever it holds', async () => {
  await redis.client.set(':stream:meta:default:page', '{"content_type": "text/html"}');
  await postEntries(`${gateway.http}/data/page`, '<p>shown</p><script>document.title = "ran"</script>');
  const page = await browser.context.newPage();
  await page.goto(`${gateway.http}/data/page/latest`);
  await page.getByText('shown').waitFor();
  expect(await page.title()).toBe('');
  expect(await page.evaluate(() => window.origin)).toBe('null');
  await page.close();
});

test('an EventSource gets each entry once, though the gateway is started anew', async () => {
  await browser.page.evaluate(() => {
    const heard: string[] = [];
    Object.assign(window, { heard });
    const source = new EventSource('/data/temp/events?last_entry_id=0');
    source.onmessage = ({ data, lastEventId }) => heard.push(`${lastEventId} ${data}`);
    source.addEventListener('binary', ({ data }: MessageEvent<string>) =>
      heard.push(`binary ${atob(data).length}`),
    );
  });
  const heard = () => browser.page.evaluate(() => (window as unknown as { heard: string[] }).heard);
  const [first] = await postEntries(`${gateway.http}/data/temp`, '21.5\n°C');
  await expect.poll(heard, BROWSER_PATIENCE).toEqual([`${first} 21.5\n°C`]);
  await postEntries(`${gateway.http}/data/temp`, new Uint8Array([0xff, 0]));
  await expect.poll(heard, BROWSER_PATIENCE).toHaveLength(2);

  const exit = once(gateway.process, 'exit');
  gateway.process.kill('SIGKILL');
  await exit;
  const missed = await redis.client.xadd('default:temp', '*', 'd', 'while away');
  gateway = await startGatewayProcess(settings);
  await expect.poll(heard, BROWSER_PATIENCE).toHaveLength(3);
  const [last] = await postEntries(`${gateway.http}/data/temp`, 'last');
  await expect
    .poll(heard, BROWSER_PATIENCE)
    .toEqual([`${first} 21.5\n°C`, 'binary 2', `${missed} while away`, `${last} last`]);
});
