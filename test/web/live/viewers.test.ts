/** Streams opened on the live page, in real Chromium: what is shown, and in which order. */
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BROWSER_PATIENCE, openPage, type TestPage } from '../../support/browser.js';
import { startForFile } from '../../support/gateway-fixture.js';
import { TestSocket } from '../../support/socket.js';

/** So few entries are kept that trimming can overtake a reader. */
const KEPT = 400;

declare global {
  interface Window {
    pixelsOf(canvas: HTMLCanvasElement): Uint8ClampedArray;
    /** What `numberedImage` wrote; undefined while nothing was painted. */
    numberIn(canvas: HTMLCanvasElement | null): number | undefined;
  }
}

const { redis, gateway } = await startForFile({ REDIS_STREAM_MAXLEN: String(KEPT) });
let browser: TestPage;
let page: Page;

beforeAll(async () => {
  browser = await openPage({ viewport: { width: 1280, height: 800 } });
  page = browser.page;
  // By a canvas made for it: the browser warns where others are read often.
  await page.addInitScript(() => {
    const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
    window.pixelsOf = (canvas) => {
      Object.assign(context.canvas, { width: canvas.width, height: canvas.height });
      context.drawImage(canvas, 0, 0);
      return context.getImageData(0, 0, canvas.width, canvas.height).data;
    };
    window.numberIn = (canvas) => {
      if (canvas === null || canvas.width === 0) return undefined;
      const [r, g, b] = window.pixelsOf(canvas);
      return r! * 65536 + g! * 256 + b!;
    };
  });
});

afterAll(async () => {
  await browser?.close();
});

const expectPoll = <T>(read: () => T | Promise<T>) => expect.poll(read, BROWSER_PATIENCE);

/** Stores one entry. @returns its id */
async function store(sid: string, body: string | Buffer): Promise<string> {
  const response = await fetch(`${gateway.http}/data/${encodeURIComponent(sid)}`, {
    method: 'POST',
    body: new Uint8Array(Buffer.from(body as Buffer)),
  });
  return ((await response.json()) as string[])[0]!;
}

const open = (sid: string) => page.goto(`${gateway.http}/#/default:${encodeURIComponent(sid)}`);

const button = (name: string) => page.getByRole('button', { name, exact: true });
const shownId = async () => /\d{13}-\d+/.exec(await page.locator('.entry-facts').innerText())?.[0];
const facts = () => page.locator('.facts').last().innerText();

/** Goes to a time. @param time milliseconds since 1970 */
async function goTo(time: number): Promise<void> {
  const local = await page.evaluate(
    (time) => new Date(time - new Date(time).getTimezoneOffset() * 60_000).toISOString().slice(0, -1),
    time,
  );
  await page.getByLabel('Go to a time').fill(local);
  await button('Go').click();
}

/** An image whose one colour is a number. */
function numberedImage(number: number, { width = 64, height = 48 } = {}): Promise<Buffer> {
  const background = { r: number >> 16, g: (number >> 8) & 255, b: number & 255 };
  return sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();
}

const paintedNumber = () => page.evaluate(() => window.numberIn(document.querySelector('canvas')));

describe('images', () => {
  /** What a camera sends while the page looks at it. */
  const RATE = 60;
  const WATCHED_MS = 3000;
  /** A display that shows so little is slower than any camera. */
  const SLOW_FRAME_MS = 150;
  const FIRST = 1000;
  let frames: Buffer[];

  beforeAll(async () => {
    const numbers = Array.from({ length: RATE * 20 }, (_, index) => FIRST + index);
    frames = await Promise.all(numbers.map((number) => numberedImage(number)));
  });

  /** Sends the frames, `RATE` a second. */
  async function startCamera(sid: string) {
    const socket = await TestSocket.open(`${gateway.ws}/data/${sid}/push?header=0`);
    let sent = 0;
    const begun = performance.now();
    const timer = setInterval(() => {
      const due = Math.min(((performance.now() - begun) / 1000) * RATE, frames.length);
      while (sent < due) socket.ws.send(frames[sent++]!);
    }, 1000 / RATE);
    return {
      /** The number in the newest frame. */
      newest: () => FIRST + sent - 1,
      stop: () => {
        clearInterval(timer);
        return socket.close();
      },
    };
  }

  test('play at a browser’s pace while the camera sends 60 a second, and never an older after a newer', async () => {
    const camera = await startCamera('fast');
    await open('fast');
    await expectPoll(paintedNumber).toBeGreaterThan(FIRST);
    const before = camera.newest();
    const seen = await page.evaluate(async (ms) => {
      const canvas = document.querySelector('canvas')!;
      const numbers: number[] = [];
      const end = performance.now() + ms;
      while (performance.now() < end) {
        await new Promise(requestAnimationFrame);
        const number = window.numberIn(canvas)!;
        if (number !== numbers.at(-1)) numbers.push(number);
      }
      return numbers;
    }, WATCHED_MS);
    const sent = camera.newest() - before;
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    // Generous bounds: other tests run at the same time.
    expect(seen.length).toBeGreaterThan((WATCHED_MS / 1000) * 3);
    expect(seen.length).toBeLessThanOrEqual(sent + 2);
    expect(await facts()).toMatch(/64 × 48 PNG .* fps/s);
    await camera.stop();
    // The last one stays.
    await expectPoll(paintedNumber).toBe(camera.newest());
  });

  test('are skipped for a slow display, which stays with the newest', async () => {
    const camera = await startCamera('slow');
    await page.addInitScript((ms) => {
      if (!location.hash.endsWith(':slow')) return;
      window.requestAnimationFrame = (draw) => window.setTimeout(() => draw(performance.now()), ms);
    }, SLOW_FRAME_MS);
    await page.goto('about:blank');
    await open('slow');
    await expectPoll(paintedNumber).toBeGreaterThan(FIRST);
    await expectPoll(async () => Number(/([\d,]+) skipped/.exec(await facts())?.[1])).toBeGreaterThan(
      RATE * 2,
    );
    // Every frame in turn would be behind by as many as were skipped.
    const shown = await paintedNumber();
    expect(camera.newest() - shown!).toBeLessThan(RATE);
    await camera.stop();
    await expectPoll(paintedNumber).toBe(camera.newest());
    await page.goto('about:blank');
  });

  test('pause, step back and forward, and play on', async () => {
    const ids: string[] = [];
    for (let number = 1; number <= 5; number++) ids.push(await store('steps', await numberedImage(number)));
    await open('steps');
    await expectPoll(paintedNumber).toBe(5);
    await page.keyboard.press('[');
    await expectPoll(paintedNumber).toBe(4);
    await page.keyboard.press('ArrowLeft');
    await expectPoll(paintedNumber).toBe(3);
    expect(await shownId()).toBe(ids[2]);
    await page.keyboard.press(']');
    await expectPoll(paintedNumber).toBe(4);
    await button('Next entry').click();
    await expectPoll(paintedNumber).toBe(5);
    await button('Next entry').click();
    await page.getByText('This is the newest entry.').waitFor();
    // What comes while it is paused is not shown before it plays on.
    await store('steps', await numberedImage(6));
    await button('Previous entry').click();
    await expectPoll(paintedNumber).toBe(4);
    await page.keyboard.press('Space');
    await expectPoll(paintedNumber).toBe(6);
    await button('Pause').waitFor();
  });

  test('have addresses of their own', async () => {
    await browser.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: gateway.http });
    await button('Previous entry').click();
    await expectPoll(paintedNumber).toBe(5);
    await button('Copy URL').click();
    await button('Copied').waitFor();
    const address = await page.evaluate(() => navigator.clipboard.readText());
    expect(address).toBe(`${gateway.http}/data/steps/latest?at=${await shownId()}`);
    const answer = await fetch(address);
    expect(answer.headers.get('content-type')).toBe('image/png');
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(await numberedImage(5));
  });

  test('of a time gone by are shown as they were then', async () => {
    for (let second = 0; second < 5; second++) {
      const time = 1_750_000_000_000 + second * 1000;
      await redis.client.xadd('default:past', `${time}-0`, 'd', await numberedImage(second + 1));
    }
    await open('past');
    await expectPoll(paintedNumber).toBe(5);
    await goTo(1_750_000_002_500);
    await expectPoll(paintedNumber).toBe(3);
    await button('Play live').waitFor();
  });
});

// How soon it is marked follows from how fast this machine stored the frames.
test('a camera that stops is marked as stale, and no longer when it goes on', {
  timeout: 120_000,
}, async () => {
  const whole = await numberedImage(7);
  // Also without its end mark a browser shows it.
  const frame = whole[0] === 0xff ? whole.subarray(0, -2) : whole;
  await store('stopping', frame);
  await open('stopping');
  const notice = page.locator('.stale');
  for (let n = 0; n < 10; n++) await store('stopping', frame);
  expect(await notice.isVisible()).toBe(false);
  await notice.getByText(/^No new entry for \d/).waitFor({ timeout: 90_000 });
  expect(await page.locator('.stage.is-stale').count()).toBe(1);
  await store('stopping', frame);
  await notice.waitFor({ state: 'hidden' });
});

test('a JPEG without its end, or half of one, is shown as <img> shows it', async () => {
  const jpeg = await sharp({ create: { width: 96, height: 64, channels: 3, background: '#c30' } })
    .jpeg()
    .toBuffer();
  await store('cut-off', jpeg.subarray(0, -2));
  await open('cut-off');
  await expectPoll(facts).toContain('96 × 64 JPEG');
  await store('cut-off', jpeg.subarray(0, Math.floor(jpeg.length - 20)));
  await expectPoll(facts).toContain('96 × 64 JPEG');
  expect(await page.getByText('This entry is no image that can be shown.').isVisible()).toBe(false);
});

describe('numbers', () => {
  /** Pixels of the plot that have the colour of a series, as the page has set it. */
  const colouredPixels = (series: number) =>
    page.evaluate((series) => {
      const canvas = document.querySelector<HTMLCanvasElement>('.u-wrap canvas');
      if (canvas === null) return 0;
      const colour = getComputedStyle(document.documentElement).getPropertyValue(`--series-${series}`);
      const [r, g, b] = colour
        .trim()
        .match(/[0-9a-f]{2}/g)!
        .map((part) => Number.parseInt(part, 16));
      const data = window.pixelsOf(canvas);
      let count = 0;
      for (let at = 0; at < data.length; at += 4) {
        if (data[at] === r && data[at + 1] === g && data[at + 2] === b) count++;
      }
      return count;
    }, series);
  const legend = () => page.locator('.legend').innerText();

  test('are plotted, those before and those that come, a curve for each field', async () => {
    for (let n = 0; n < 30; n++) await store('room', JSON.stringify({ t: { inside: 20 + n / 10 }, fan: n }));
    await open('room');
    await expectPoll(facts).toContain('30 points');
    await expectPoll(legend).toMatch(/t\.inside\s+22\.9\s+fan\s+29/);
    await expectPoll(() => colouredPixels(1)).toBeGreaterThan(0);
    await expectPoll(() => colouredPixels(2)).toBeGreaterThan(0);
    await store('room', JSON.stringify({ t: { inside: 25 }, fan: -3, lamp: 1 }));
    await expectPoll(legend).toMatch(/t\.inside\s+25\s+fan\s+-3\s+lamp\s+1/);
    await expectPoll(facts).toContain('31 points');
    // A click takes a curve away.
    await page.getByRole('button', { name: /^fan/ }).click();
    await expectPoll(() => colouredPixels(2)).toBe(0);
  });

  test('that are more than eight are said, and drawn when they are chosen', async () => {
    await store('wide', JSON.stringify(Array.from({ length: 70 }, (_, n) => n + 1)));
    await open('wide');
    await expectPoll(legend).toMatch(/8 of 70 numbers are drawn: click a name to draw it/);
    const tenth = page.getByRole('button', { name: /^\[9\]/ });
    expect(await tenth.getAttribute('aria-pressed')).toBe('false');
    await tenth.click();
    await expectPoll(legend).toMatch(/9 of 70 numbers/);
  });

  test('of another magnitude have a scale of their own', async () => {
    for (let n = 0; n < 20; n++) await store('mixed', JSON.stringify({ seq: 5_000_000 + n, temp: n % 2 }));
    await open('mixed');
    await expectPoll(legend).toMatch(/seq\s+5000019\s+right axis/);
    // Beside millions it would be a flat line: so it goes up and down over the whole height.
    await expectPoll(() => colouredPixels(2)).toBeGreaterThan(300);
  });

  test('of a few seconds are seen in a day, and no line leads over an outage', async () => {
    const now = Date.now();
    for (let n = 0; n < 200; n++) {
      await redis.client.xadd('default:day', `${now - 36_000_000 + n * 100}-0`, 'd', '5');
    }
    await redis.client.xadd('default:day', `${now - 1000}-0`, 'd', '6');
    await open('day');
    await page.getByLabel('Time shown').selectOption('86400000');
    await expectPoll(facts).toContain('201 points');
    await expectPoll(() => colouredPixels(1)).toBeGreaterThan(4);
    // A line over ten hours would have hundreds.
    expect(await colouredPixels(1)).toBeLessThan(100);
  });

  test('of the chosen time only', async () => {
    const now = Date.now();
    for (const age of [3000, 2000, 1000, 40, 5]) {
      await redis.client.xadd('default:sparse', `${now - age * 1000}-0`, 'd', String(age));
    }
    await open('sparse');
    await expectPoll(facts).toContain('2 points');
    await page.getByLabel('Time shown').selectOption('3600000');
    await expectPoll(facts).toContain('5 points');
  });
});

test('a time gone by is shown with what there was about it', async () => {
  const begun = 1_750_000_000_000;
  const words = ['zero', 'one', 'two', 'three', 'four'];
  for (const [minute, word] of words.entries()) {
    const id = `${begun + minute * 60_000}-0`;
    await redis.client.xadd('default:old-numbers', id, 'd', String(minute));
    await redis.client.xadd('default:old-words', id, 'd', word);
  }
  await open('old-numbers');
  await page.getByLabel('Time shown').selectOption('600000');
  await goTo(begun + 2.5 * 60_000);
  await expectPoll(facts).toContain('5 points');
  expect(await shownId()).toBe(`${begun + 2 * 60_000}-0`);
  await open('old-words');
  const lines = (among: string) => page.locator(`.tail ${among} code`).allInnerTexts();
  await expectPoll(() => lines('li')).toEqual(words);
  await goTo(begun + 2.5 * 60_000);
  await expectPoll(() => lines('li')).toEqual(['two', 'three', 'four']);
  await expectPoll(() => lines('.chosen')).toEqual(['two']);
  await page.keyboard.press('[');
  await expectPoll(() => lines('.chosen')).toEqual(['one']);
  expect(await lines('li')).toEqual(['one', 'two', 'three', 'four']);
  await goTo(begun - 1000);
  await page.getByText('The stream holds nothing that is as old.').waitFor();
});

describe('text', () => {
  const lines = () => page.locator('.tail code').allInnerTexts();
  const HOSTILE = '<img src=x onerror="window.broken = 1"><script>window.broken = 1</script>';

  test('is a tail, whatever it says, and JSON is laid out on demand', async () => {
    await store('log', 'first');
    await open('log');
    await expectPoll(lines).toEqual(['first']);
    await store('log', HOSTILE);
    await store('log', '{"level":"info","tags":["a"]}');
    await expectPoll(lines).toEqual(['first', HOSTILE, '{"level":"info","tags":["a"]}']);
    expect(await page.evaluate(() => 'broken' in window)).toBe(false);
    expect(await page.locator('.tail img, .tail script').count()).toBe(0);
    await page.getByLabel('Pretty JSON').check();
    await expectPoll(async () => (await lines()).at(-1)).toContain('{\n  "level": "info"');
  });

  test('is bounded', async () => {
    const producer = await TestSocket.open(`${gateway.ws}/data/chatter/push?header=0`);
    producer.ws.send('line 0');
    await open('chatter');
    await expectPoll(lines).toContain('line 0');
    for (let n = 1; n <= 900; n++) producer.ws.send(`line ${n}`);
    await expectPoll(async () => (await lines()).at(-1)).toBe('line 900');
    expect((await lines()).length).toBe(200);
    await producer.close();
  });
});

test('all else is shown as bytes, and by choice anything is', async () => {
  await store('bytes', Buffer.from([0, 1, 2, 0xff, 0x41, 0x42]));
  await open('bytes');
  const dump = () => page.locator('.hex-dump').innerText();
  await expectPoll(dump).toMatch(/^000000 {2}00 01 02 ff 41 42 .*····AB$/);
  await store('words', 'hello');
  await open('words');
  await button('Hex').click();
  await expectPoll(dump).toMatch(/68 65 6c 6c 6f .* hello$/);
});

test('a stream without entries is waited for', async () => {
  await open('later');
  await page.getByText('Waiting for the first entry').waitFor();
  await store('later', await numberedImage(77));
  await expectPoll(paintedNumber).toBe(77);
});

test('asks no other host, and has nothing to complain of', () => {
  expect(browser.hosts()).toEqual(new Set([`127.0.0.1:${gateway.port}`]));
  const pulls = browser.asked.filter((address) => /^ws:.*\/pull\?/.test(address));
  expect(pulls.length).toBeGreaterThan(0);
  for (const address of pulls) expect(address).toMatch(/header=msgpack.*ack=|ack=.*header=msgpack/);
  expect(browser.complaints).toEqual([]);
});
