/** A stream of frames at an address that `<img>` plays. */
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { startGatewayProcess } from '../../../support/gateway-process.js';
import { postEntries, refused } from '../../../support/http.js';
import { type FramePart, nextFrame, OpenAnswer } from '../../../support/open-answer.js';

const WAIT = { timeout: 10_000 };
const MIB = 1024 * 1024;
/** What a JPEG begins with. */
const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xe0]);

const { redis, gateway } = await startForFile();
let streams = 0;

const freshSid = () => `cam-${streams++}`;
const jpeg = (content: string | Buffer) => Buffer.concat([JPEG, Buffer.from(content)]);
const contentOf = ({ bytes }: FramePart) => bytes.subarray(JPEG.length).toString();
const post = async (sid: string, body: Buffer) =>
  (await postEntries(`${gateway.http}/data/${sid}`, new Uint8Array(body)))[0]!;

/** Opens the address and reads up to the first boundary. */
async function watch(
  sid: string,
  query = '',
  { port } = gateway,
  headers: Record<string, string> = {},
): Promise<{ answer: OpenAnswer; next: () => Promise<FramePart>; leave: () => void }> {
  const answer = await OpenAnswer.open({ port }, `/data/${sid}/mjpeg${query}`, headers);
  onTestFinished(() => answer.leave());
  expect(answer.response.statusCode).toBe(200);
  const [, boundary] = /^multipart\/x-mixed-replace; boundary=([\w-]+)$/.exec(
    answer.response.headers['content-type']!,
  )!;
  expect((await answer.until('\r\n')).toString()).toBe(`--${boundary}`);
  return { answer, next: () => nextFrame(answer, boundary!), leave: () => answer.leave() };
}

describe('what is shown', () => {
  test('the newest frame at once, then each that comes, whole before the next is there', async () => {
    const sid = freshSid();
    await post(sid, jpeg('old'));
    const stored = await post(sid, jpeg('stored'));
    const { next } = await watch(sid);
    expect(await next()).toEqual({ type: 'image/jpeg', id: stored, bytes: jpeg('stored') });
    for (const content of ['first', 'second\r\n\r\n--frame--\r\n', '']) {
      const id = await post(sid, jpeg(content));
      expect(await next()).toEqual({ type: 'image/jpeg', id, bytes: jpeg(content) });
    }
  });

  test('to browsers with the head of the next part, without which they would not show it', async () => {
    const sid = freshSid();
    await post(sid, jpeg('first'));
    const answer = await OpenAnswer.open(gateway, `/data/${sid}/mjpeg`, {
      'sec-fetch-dest': 'image',
    });
    onTestFinished(() => answer.leave());
    const [, boundary] = /boundary=(.+)$/.exec(answer.response.headers['content-type']!)!;
    const head = `--${boundary}\r\nContent-Type: image/jpeg\r\n\r\n`;
    expect((await answer.until('\r\n\r\n')).toString()).toBe(head.slice(0, -4));
    for (const content of ['first', 'second']) {
      const part = `${jpeg(content).toString('latin1')}\r\n${head}`;
      expect((await answer.bytes(part.length)).toString('latin1')).toBe(part);
      await post(sid, jpeg('second'));
    }
  });

  test.each([
    ['Java', 'Java/17.0.16', 'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2'],
    ['a program that asks for JPEGs', 'camera-wall/1.0', 'image/jpeg'],
  ])('to %s with the length and id of each part', async (_name, userAgent, accept) => {
    const sid = freshSid();
    const id = await post(sid, jpeg('first'));
    const { next } = await watch(sid, '', gateway, { 'user-agent': userAgent, accept });
    expect(await next()).toEqual({ type: 'image/jpeg', id, bytes: jpeg('first') });
  });

  test('of a stream without entries the first, once it comes', async () => {
    const sid = freshSid();
    const { next } = await watch(sid);
    const first = next();
    await post(sid, jpeg('first'));
    expect(contentOf(await first)).toBe('first');
  });

  test('the same to all who watch, as they come and go', async () => {
    const sid = freshSid();
    const watchers = await Promise.all([watch(sid), watch(sid), watch(sid)]);
    for (let n = 0; n < 5; n++) {
      const id = await post(sid, jpeg(String(n)));
      if (n === 3) watchers.pop()!.leave();
      for (const { next } of watchers) expect(await next()).toMatchObject({ id });
    }
  });

  test('each frame under its own type, or under what the metadata says', async () => {
    const sid = freshSid();
    const { next } = await watch(sid);
    await post(sid, Buffer.from('GIF89a…'));
    expect((await next()).type).toBe('image/gif');
    await post(sid, Buffer.from([0, 1, 2]));
    expect((await next()).type).toBe('application/octet-stream');

    const named = freshSid();
    await redis.client.set(`:stream:meta:default:${named}`, '{"content_type": "image/avif"}');
    await post(named, Buffer.from([0, 1, 2]));
    expect((await (await watch(named)).next()).type).toBe('image/avif');
  });

  test('to nobody as a page of the gateway, nor to pages of other sites', async () => {
    const { answer } = await watch(freshSid());
    expect(answer.response.headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': 'sandbox',
      'cross-origin-resource-policy': 'same-site',
      'x-content-type-options': 'nosniff',
    });
  });

  test('of another device, behind a prefix', async () => {
    const id = (await redis.client.xadd('dev:front-cam', '*', 'd', jpeg('x')))!;
    expect(await (await watch('cam', '?device_id=dev&prefix=front-')).next()).toMatchObject({ id });
  });
});

describe('one who cannot take every frame', () => {
  test('is sent at most max_fps of them, never one older than the last', async () => {
    const sid = freshSid();
    await post(sid, jpeg('0'));
    const { next } = await watch(sid, '?max_fps=2');
    await next();
    const skipped = await gateway.metric('entries_skipped_total');
    for (let n = 1; n <= 20; n++) await post(sid, jpeg(String(n)));
    const begun = performance.now();
    const shown: number[] = [];
    while (shown.at(-1) !== 20) shown.push(Number(contentOf(await next())));
    expect(shown).toEqual([...new Set(shown)].sort((a, b) => a - b));
    expect(shown.length).toBeLessThanOrEqual(2 + (performance.now() - begun) / 400);
    expect(await gateway.metric('entries_skipped_total')).toBeGreaterThan(skipped);
  });

  test('costs a frame, and goes on with the newest when it reads again', async () => {
    const sid = freshSid();
    const frames = 30;
    await post(sid, jpeg('first'));
    const { next } = await watch(sid);
    await next();
    const before = await gateway.residentBytes();
    // The socket's buffers take some; the rest is for nobody.
    for (let n = 0; n < frames; n++) await post(sid, jpeg(Buffer.alloc(2 * MIB, n)));
    await expect.poll(() => gateway.metric('followers{state="behind"}'), WAIT).toBe(1);
    expect(await gateway.metric('unread_answer_bytes')).toBeLessThan(3 * MIB);
    expect((await gateway.residentBytes()) - before).toBeLessThan(200 * MIB);
    const shown: number[] = [];
    while (shown.at(-1) !== frames - 1) shown.push((await next()).bytes[JPEG.length]!);
    expect(shown).toEqual([...shown].sort((a, b) => a - b));
    expect(shown.length).toBeLessThan(frames / 2);
    expect(await gateway.metric('unread_answer_bytes')).toBe(0);
    const id = await post(sid, jpeg('last'));
    expect(await next()).toMatchObject({ id });
  });

  test('is closed where too much is unread by all', async () => {
    const small = await startGatewayProcess({ REDIS_URL: redis.url, MAX_UNREAD_BYTES: String(3 * MIB) });
    try {
      const sid = freshSid();
      // The system's buffers may hold 37 MiB of it.
      await post(sid, jpeg(Buffer.alloc(60 * MIB)));
      const first = await watch(sid, '', small);
      await expect.poll(() => small.metric('followers{state="behind"}'), WAIT).toBe(1);
      const second = await watch(sid, '', small);
      await expect(second.answer.rest()).rejects.toThrow('aborted');
      await expect.poll(() => small.metric('slow_closes_total{endpoint="mjpeg"}'), WAIT).toBe(1);
      expect(await small.metric('failures_total{code="overloaded"}')).toBe(1);
      expect(await small.metric('connections{endpoint="mjpeg"}')).toBe(1);
      expect((await first.next()).bytes.length).toBe(60 * MIB + JPEG.length);
    } finally {
      await small.stop();
    }
  });
});

describe('the end', () => {
  test('who leaves is followed for no longer', async () => {
    const before = await gateway.metric('connections{endpoint="mjpeg"}');
    const { leave } = await watch(freshSid());
    expect(await gateway.metric('connections{endpoint="mjpeg"}')).toBe(before + 1);
    leave();
    await expect.poll(() => gateway.metric('connections{endpoint="mjpeg"}'), WAIT).toBe(before);
    await expect.poll(() => gateway.metric('followed_streams'), WAIT).toBe(0);
  });

  test('a gateway that goes down ends it, behind a whole frame', async () => {
    const other = await startGatewayProcess({ REDIS_URL: redis.url });
    onTestFinished(async () => void (await other.stop()));
    const sid = freshSid();
    await post(sid, jpeg(Buffer.alloc(16 * MIB)));
    const { answer, next } = await watch(sid, '', other);
    // Who does not read at all does not hold it up.
    await watch(sid, '', other);
    await expect.poll(() => other.metric('followers{state="behind"}'), WAIT).toBe(2);
    const exit = once(other.process, 'exit');
    other.process.kill('SIGTERM');
    await expect.poll(() => other.log.map(({ msg }) => msg), WAIT).toContain('stopping');
    expect((await next()).bytes.length).toBe(16 * MIB + JPEG.length);
    expect((await answer.rest()).toString()).toMatch(/^(X-Filler: 0\r\n)*$/);
    expect(await exit).toEqual([0, null]);
  });

  test('a key that is no stream any more ends it, and is counted', async () => {
    const sid = freshSid();
    const failures = await gateway.metric('failures_total{code="wrong_type"}');
    await post(sid, jpeg('x'));
    const { answer, next } = await watch(sid);
    await next();
    await redis.client.multi().del(`default:${sid}`).set(`default:${sid}`, 'x').exec();
    await answer.rest();
    expect(await gateway.metric('failures_total{code="wrong_type"}')).toBe(failures + 1);
  });
});

describe('requests', () => {
  test.each([
    ['several streams', '/data/a+b/mjpeg', 400, 'bad_parameter', /one stream/],
    ['max_fps', '/data/a/mjpeg?max_fps=-1', 400, 'bad_parameter', /max_fps/],
    ['a bad name', '/data/%00/mjpeg', 400, 'bad_name', /control/],
    [
      'a key that is no stream',
      '/data/text/mjpeg',
      409,
      'wrong_type',
      /^the key exists and is not a stream$/,
    ],
  ])('are refused: %s', async (_what, path, status, code, message) => {
    await redis.client.set('default:text', 'x');
    const answer = await refused(await fetch(`${gateway.http}${path}`));
    expect(answer).toEqual({ status, code, error: expect.stringMatching(message) });
  });

  test('HEAD is answered with the head', async () => {
    const response = await fetch(`${gateway.http}/data/a/mjpeg/`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^multipart\/x-mixed-replace/);
    expect(await response.text()).toBe('');
  });

  test('frames and bytes are counted', async () => {
    const sid = freshSid();
    const entries = await gateway.metric('entries_out_total{endpoint="mjpeg"}');
    await post(sid, jpeg('x'));
    await (await watch(sid)).next();
    expect(await gateway.metric('entries_out_total{endpoint="mjpeg"}')).toBe(entries + 1);
  });
});
