/** `streamgate push`, `pull`, `ls`, `info` and `bench` as shells run them: processes, pipes, signals, exit codes. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type GatewayProcess, MAIN, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';

let redis: TestRedis;
let gateway: GatewayProcess;
let folder: string;

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGatewayProcess({
    REDIS_URL: redis.url,
    REDIS_STREAM_MAXLEN: '100000',
    ALLOW_FLUSH: '1',
  });
  folder = await mkdtemp(join(tmpdir(), 'sg-pipes-'));
});

afterAll(async () => {
  await gateway?.stop();
  await redis?.stop();
  if (folder) await rm(folder, { recursive: true });
});

/** Others use the machine at the same time. */
const soon = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000 });

class Run {
  readonly process: ChildProcessWithoutNullStreams;
  readonly #out: Buffer[] = [];
  errors = '';
  readonly #closed: Promise<unknown>;

  constructor(args: readonly string[], url = gateway.http) {
    this.process = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, STREAMGATE_URL: url } });
    this.process.stdout.on('data', (chunk: Buffer) => this.#out.push(chunk));
    this.process.stderr.on('data', (chunk: Buffer) => {
      this.errors += chunk;
    });
    this.process.stdin.on('error', () => {});
    this.#closed = once(this.process, 'close');
  }

  get out(): Buffer {
    return Buffer.concat(this.#out);
  }

  async end(): Promise<{ code: number | null; out: string; errors: string }> {
    await this.#closed;
    return { code: this.process.exitCode, out: this.out.toString('latin1'), errors: this.errors };
  }
}

/** Runs to the end, with `input` on standard input. */
function run(
  args: readonly string[],
  input: string | Uint8Array = '',
): Promise<{ code: number | null; out: string; errors: string }> {
  const child = new Run(args);
  child.process.stdin.end(input);
  return child.end();
}

async function stored(key: string): Promise<Buffer[]> {
  const entries = await redis.client.xrangeBuffer(`default:${key}`, '-', '+');
  return entries.map(([, fields]) => fields[1]!);
}

const storedTexts = async (key: string) => (await stored(key)).map(String);
const add = (key: string, id: string, value: string | Buffer) =>
  redis.client.xadd(`default:${key}`, id, 'd', value);

describe.concurrent('push', () => {
  test('stores all of standard input as one entry, byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
    const { code, out } = await run(['push', 'whole', '--ids'], bytes);
    const entries = await stored('whole');
    expect(entries).toHaveLength(1);
    expect(entries[0]!.equals(bytes)).toBe(true);
    expect(code).toBe(0);
    expect(out).toMatch(/^\d+-\d+\n$/);
  });

  test('stores each file as an entry, in order', async () => {
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    await writeFile(a, 'first');
    await writeFile(b, 'third');
    expect(await run(['push', 'files', a, '-', b], 'second')).toMatchObject({ code: 0, out: '' });
    expect(await storedTexts('files')).toEqual(['first', 'second', 'third']);
  });

  test('with --lines stores each line as it comes', async () => {
    const child = new Run(['push', 'lines', '--lines']);
    child.process.stdin.write('20.5\n21');
    await soon(async () => expect(await storedTexts('lines')).toEqual(['20.5']));
    child.process.stdin.end('.0\n\nlast');
    expect(await child.end()).toMatchObject({ code: 0, errors: '' });
    expect(await storedTexts('lines')).toEqual(['20.5', '21.0', '', 'last']);
  });

  test('with --lines stores many lines, in order', async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `${index}`);
    expect(await run(['push', 'many', '--lines'], lines.join('\n'))).toMatchObject({ code: 0 });
    expect(await storedTexts('many')).toEqual(lines);
  });

  test('with --split cuts after so many bytes', async () => {
    await run(['push', 'split', '--split', '4'], 'abcdefghij');
    expect(await storedTexts('split')).toEqual(['abcd', 'efgh', 'ij']);
  });

  test('with --mjpeg stores each picture', async () => {
    const pictures = await Promise.all(
      [10, 200].map((grey) =>
        sharp({ create: { width: 40, height: 30, channels: 3, background: { r: grey, g: 0, b: 0 } } })
          .jpeg()
          .toBuffer(),
      ),
    );
    await run(
      ['push', 'mjpeg', '--mjpeg'],
      Buffer.concat(pictures.flatMap((picture) => [Buffer.from('--frame\r\n\r\n'), picture])),
    );
    const entries = await stored('mjpeg');
    expect(entries.map((entry, index) => entry.equals(pictures[index]!))).toEqual([true, true]);
  });

  test('SIGINT stores what was read, and ends', async () => {
    const child = new Run(['push', 'interrupted', '--lines']);
    child.process.stdin.write('1\n2\n3 is not whole');
    await soon(async () => expect(await storedTexts('interrupted')).toEqual(['1', '2']));
    child.process.kill('SIGINT');
    expect(await child.end()).toMatchObject({ code: 0, errors: '' });
    expect(await storedTexts('interrupted')).toEqual(['1', '2']);
  });

  test.each([
    [['push', ':event:x'], /reserved_name, HTTP 403\)\n$/],
    [['push', 'cam', '/no/such/file'], /^cannot read \/no\/such\/file: ENOENT[^\n]*\n$/],
    [
      ['push', 'cam', '--url', 'http://127.0.0.1:1'],
      /^no gateway answers at http:\/\/127.0.0.1:1: [^\n]*\n$/,
    ],
    [['push', 'cam', '--split', '0'], /whole number from 1/],
    [['push', 'cam', '--mjpeg'], /ends within a JPEG/],
  ])('%j fails in a sentence', async (args, told) => {
    const { code, errors } = await run(args, Buffer.from([0xff, 0xd8, 0xff, 0xe0]));
    expect(errors).toMatch(told);
    expect(code).toBe(1);
  });
});

describe.concurrent('pull', () => {
  test('writes payloads as they are, and ends after -n', async () => {
    for (const [index, value] of ['a', 'b', 'c'].entries()) await add('plain', `${index + 1}-0`, value);
    expect(await run(['pull', 'plain', '--last-entry-id', '0', '-n', '2'])).toMatchObject({
      code: 0,
      out: 'ab',
      errors: '',
    });
    const lines = await run(['pull', 'plain', '--last-entry-id', '1', '-n', '2', '--lines']);
    expect(lines.out).toBe('b\nc\n');
  });

  test('--latest writes the newest entry, however old, and ends', async () => {
    const frame = Buffer.from(Array.from({ length: 500_000 }, (_, index) => index % 256));
    await add('newest', '1-0', 'old');
    await add('newest', '2-0', frame);
    const { out, code } = await run(['pull', 'newest', '--latest']);
    expect(Buffer.from(out, 'latin1').equals(frame)).toBe(true);
    expect(code).toBe(0);
  });

  test('follows, and ends with SIGINT', async () => {
    const child = new Run(['pull', 'followed', '--lines', '--last-entry-id', '0']);
    await add('followed', '1-0', 'one');
    await soon(() => expect(String(child.out)).toBe('one\n'));
    await add('followed', '2-0', 'two');
    await soon(() => expect(String(child.out)).toBe('one\ntwo\n'));
    child.process.kill('SIGINT');
    expect(await child.end()).toMatchObject({ code: 0, errors: '' });
  });

  test('--json has a line an entry, of several streams, bytes that are no text in base64', async () => {
    await add('json-a', '1700000000000-1', '{"x": 1}');
    await add('json-b', '1700000000001-0', Buffer.from([0xff, 0]));
    const { out } = await run(['pull', 'json-a', 'json-b', '--json', '--last-entry-id', '0', '-n', '2']);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.sort((a, b) => (a.stream < b.stream ? -1 : 1))).toEqual([
      { stream: 'json-a', id: '1700000000000-1', time: '2023-11-14T22:13:20.000Z', data: '{"x": 1}' },
      { stream: 'json-b', id: '1700000000001-0', time: '2023-11-14T22:13:20.001Z', data: { base64: '/wA=' } },
    ]);
  });

  test('--files writes each entry into a file within the folder', async () => {
    await add('../up', '1-0', 'text');
    await add('../up', '2-0', Buffer.from([0xff, 0xd8, 0xff, 0]));
    const into = join(folder, 'out');
    const { out } = await run(['pull', '../up', '--files', into, '--last-entry-id', '0', '-n', '2']);
    expect((await readdir(into)).sort()).toEqual(['..%2Fup-1-0.txt', '..%2Fup-2-0.jpg']);
    expect(out.trim().split('\n')).toEqual([join(into, '..%2Fup-1-0.txt'), join(into, '..%2Fup-2-0.jpg')]);
    const pattern = join(folder, 'by', '{stream}', '{id}');
    await run(['pull', '../up', '--files', pattern, '--last-entry-id', '0', '-n', '1']);
    expect(await readFile(join(folder, 'by', '..%2Fup', '1-0'), 'utf8')).toBe('text');
  });

  test('ends quietly when nobody reads any more', async () => {
    await Promise.all(
      Array.from({ length: 300 }, (_, index) => add('unread', `${index + 1}-0`, 'x'.repeat(10_000))),
    );
    const child = new Run(['pull', 'unread', '--last-entry-id', '0']);
    await soon(() => expect(child.out.length).toBeGreaterThan(0));
    child.process.stdout.destroy();
    // What comes later finds nobody, even if all that was there fitted into the pipe.
    const timer = setInterval(() => void add('unread', '*', 'x'), 50);
    const { code, errors } = await child.end().finally(() => clearInterval(timer));
    expect([code, errors]).toEqual([0, '']);
  });

  test.each([
    [['pull', 'a+b', 'c', '--device', 'a:b'], /bad_name/],
    [['pull', 'cam', '--url', 'http://127.0.0.1:1'], /^no gateway answers/],
    [['pull', 'cam', '--from', 'yesterday'], /must be an ISO 8601 time/],
    [['pull', 'cam', '--from', '10m', '--last-entry-id', '0'], /cannot be used with/],
  ])('%j fails in a sentence', async (args, told) => {
    const { code, errors } = await run(args);
    expect(errors).toMatch(told);
    expect(code).toBe(1);
  });
});

describe.concurrent('about streams', () => {
  test('ls lists them, or those that fit', async () => {
    await add('list-one', '1-0', 'x');
    await redis.client.xadd('cam9:list-two', '*', 'd', 'x');
    const { out, code } = await run(['ls', 'list-']);
    expect(out).toMatch(/^1 +[\d.]+ h {2}default:list-one\n$/m);
    expect(out).toMatch(/^1 +[\d.]+ (ms|s) {2}cam9:list-two$/m);
    expect(out.split('\n')).toHaveLength(3);
    expect(code).toBe(0);
    expect((await run(['ls', 'cam9:*'])).out).toMatch(/list-two\n$/);
    expect((await run(['ls', '[list-two]'])).out).toBe('');
  });

  test('info tells what a stream holds', async () => {
    await redis.client.xadd('cam8:info', '5-0', 'd', '{"a": 1}');
    await redis.client.set(':stream:meta:cam8:info', '{"unit": "K"}');
    const { out } = await run(['info', 'info', '--device', 'cam8']);
    expect(out).toContain('entries        1, 1 ever added\n');
    expect(out).toContain('its size       8 B, application/json\n');
    expect(out).toContain('metadata       {"unit":"K"}\n');
    const { out: json } = await run(['info', 'cam8:info', '--json']);
    expect(JSON.parse(json)).toMatchObject({
      id: 'cam8:info',
      length: 1,
      lastEntryId: '5-0',
      meta: { unit: 'K' },
    });
    expect(await run(['info', 'nothing'])).toMatchObject({
      code: 1,
      errors: 'there is no stream nothing: no such key\n',
    });
  });

  test('bench says what it measured, and leaves nothing behind', async () => {
    const { out, code } = await run([
      'bench',
      '--duration',
      '1',
      '--size',
      '100',
      '--rate',
      '50',
      '--device',
      'bench',
    ]);
    expect(out).toMatch(/^entries of 100 B, .* for 1 s, in the stream bench-\w+ at http/);
    expect(out).toMatch(/\npush, acknowledged +\d+ messages\/s, [\d.]+ MB\/s \(/);
    expect(out).toMatch(/\npush to pull +p50 [\d.e+]+ ms, p99 [\d.e+]+ ms \(\d+ of \d+ entries, 50\/s\)\n$/);
    expect(code).toBe(0);
    expect(await redis.client.keys('bench:*')).toEqual([]);
  });
});

test('one pipe into the other', async () => {
  const pull = new Run(['pull', 'through', '--last-entry-id', '0', '-n', '3', '--lines']);
  const push = new Run(['push', 'copy', '--lines', '--ids']);
  pull.process.stdout.pipe(push.process.stdin);
  for (const value of ['1', '2', '3']) await add('through', '*', value);
  const { out } = await push.end();
  expect(await storedTexts('copy')).toEqual(['1', '2', '3']);
  expect(out.trim().split('\n')).toHaveLength(3);
});
