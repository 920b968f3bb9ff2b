/** The head of a GET's answer: small enough for the clients and proxies that people have, whatever is asked for. */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { Streamgate } from '../../../../src/client/node.js';
import { freePort } from '../../../support/free-port.js';
import { startForFile } from '../../../support/gateway-fixture.js';
import { refused } from '../../../support/http.js';
import { findNginx, PYTHON } from '../../../support/machine.js';
import { RawClient } from '../../../support/raw-client.js';

const ENTRIES = 600;
const MAX_HEAD = 4096;
/** More than the buffers of the system hold for a client that does not read. */
const LARGE_BODY = 60 * 1024 * 1024;
const run = promisify(execFile);

const { redis, gateway } = await startForFile();

const payloads = Array.from({ length: ENTRIES }, (_, index) => String(index));
async function store(
  sid: string,
  ids: (index: number) => string = (index) => `${1_795_336_103_800 + index}-0`,
) {
  const pipeline = redis.client.pipeline();
  for (const [index, payload] of payloads.entries())
    pipeline.xadd(`default:${sid}`, ids(index), 'd', payload);
  await pipeline.exec();
}
await store('many');
await store('long-ids', (index) => `18446744073709551000-${10n ** 18n + BigInt(index)}`);
await store('ü'.repeat(256));
for (let n = 0; n < 100; n++) await redis.client.xadd(`default:s${n}`, '1795336103800-0', 'd', 'x');

/** nginx as most people set it up: only what HTTP/1.1 to the gateway needs. */
async function startNginx(): Promise<{ readonly http: string; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'sg-nginx-'));
  const port = await freePort();
  const file = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ');
  await writeFile(
    file,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
     events {}
     http { access_log off; ${temporary}
       server { listen 127.0.0.1:${port};
         location / { proxy_pass ${gateway.http}; proxy_http_version 1.1; proxy_set_header Host localhost; } } }`,
  );
  const child = spawn((await findNginx())!, ['-p', folder, '-c', file], { stdio: 'ignore' });
  const http = `http://127.0.0.1:${port}`;
  const isUp = () =>
    fetch(`${http}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (child.exitCode === null && !(await isUp())) await delay(20);
  return {
    http,
    stop: async () => {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const nginx = await startNginx();
afterAll(() => nginx.stop());

/** Sends a GET by a plain socket. @returns the head of the answer, with its end, and its status */
async function headOf(path: string, headers = ''): Promise<{ status: number; head: string }> {
  const client = await RawClient.open(gateway.port);
  client.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n${headers}\r\n`);
  await client.until(() => client.text.includes('\r\n\r\n'));
  client.destroy();
  const head = client.text.slice(0, client.text.indexOf('\r\n\r\n') + 4);
  return { status: client.statuses[0]!, head };
}

describe('a count of a million works', () => {
  const path = '/data/many?last_entry_id=0&count=1000000';
  const through = [
    ['alone', gateway.http],
    ['through nginx', nginx.http],
  ] as const;

  test.each(through)('with fetch, %s', async (_, http) => {
    let cursor = '0';
    let text = '';
    let polls = 0;
    while (text.length < payloads.join('').length) {
      const answer = await fetch(`${http}/data/many?count=1000000&last_entry_id=${cursor}`);
      expect(answer.status).toBe(200);
      cursor = answer.headers.get('x-last-entry-id')!;
      text += await answer.text();
      polls++;
    }
    expect(text).toBe(payloads.join(''));
    expect(polls).toBeLessThan(ENTRIES / 50);
  });

  test.each(through)('with curl, %s', async (_, http) => {
    const { stdout } = await run('curl', ['-sS', '--fail', http + path]);
    expect(payloads.join('').startsWith(stdout)).toBe(true);
    expect(stdout.length).toBeGreaterThan(100);
  });

  test.each(through)('with requests and aiohttp, %s', async (_, http) => {
    const script = `
import asyncio, sys, requests, aiohttp
url = sys.argv[1]
print(requests.get(url).status_code, end=' ')
async def main():
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        await answer.read()
        print(answer.status)
asyncio.run(main())`;
    expect((await run(PYTHON, ['-c', script, http + path])).stdout.trim()).toBe('200 200');
  });

  test.each(through)('with the library for JavaScript, %s', async (_, http) => {
    const { entries } = await new Streamgate(http).read('many', { lastEntryId: '0', count: ENTRIES });
    expect(entries.map(({ data }) => Buffer.from(data).toString())).toEqual(payloads);
  });

  test.each(through)('with the client for Python, %s', async (_, http) => {
    const script = `
import asyncio, sys
sys.path.insert(0, 'examples')
from streamgate import Streamgate
entries, _ = asyncio.run(Streamgate(sys.argv[1]).read('many', count=${ENTRIES}))
print(b' '.join(entry.data for entry in entries).decode())`;
    expect((await run(PYTHON, ['-c', script, http])).stdout.trim()).toBe(payloads.join(' '));
  });
});

describe('the head stays below 4 kB', () => {
  test.each([
    ['of many entries', '/data/many?last_entry_id=0&count=600'],
    ['of ids with many digits', '/data/long-ids?last_entry_id=0&count=600'],
    ['of a name with many escapes', `/data/${'%C3%BC'.repeat(256)}?last_entry_id=0&count=600&gaps=1`],
    [
      'of many streams',
      `/data/${Array.from({ length: 100 }, (_, n) => `s${n}`).join('+')}?last_entry_id=0&count=9`,
    ],
  ])('%s', async (_, path) => {
    const { status, head } = await headOf(path);
    expect(status).toBe(200);
    expect(head.length).toBeLessThan(MAX_HEAD);
    expect(JSON.parse(/x-offsets: (.*)\r/.exec(head)![1]!).length).toBeGreaterThan(0);
    const packed = await headOf(path, 'Accept: application/msgpack\r\n');
    expect(packed.status).toBe(200);
    expect(packed.head.length).toBeLessThan(MAX_HEAD);
    expect(packed.head).not.toContain('\r\nx-offsets');
  });

  test('and with more streams than it has room for the request is refused', async () => {
    const path = `/data/${Array.from({ length: 1024 }, (_, n) => `t${n}`).join('+')}`;
    for (const headers of [{}, { accept: 'application/msgpack' }]) {
      const answer = await refused(await fetch(`${gateway.http}${path}?last_entry_id=0`, { headers }));
      expect(answer).toEqual({
        status: 400,
        code: 'bad_parameter',
        error: expect.stringMatching(/cursors of 1024 streams .* fewer streams/),
      });
    }
  });

  test('and a name too long for it is refused, and read as MessagePack', async () => {
    const name = '%C3%BC'.repeat(256);
    const path = `/data/${name}?device_id=${name}&prefix=${name}&keep_device_id_in_stream_id=1&block=-1`;
    expect(await refused(await fetch(gateway.http + path))).toMatchObject({
      status: 400,
      error: expect.stringContaining('msgpack'),
    });
    const packed = await fetch(gateway.http + path, { headers: { accept: 'application/msgpack' } });
    expect(packed.status).toBe(200);
  });
});

test('its bytes count as unread, like those of the body', async () => {
  await redis.client.xadd('default:large', '1-0', 'd', Buffer.alloc(LARGE_BODY));
  const client = await RawClient.open(gateway.port);
  client.pause();
  client.send('GET /data/large?last_entry_id=0 HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await expect.poll(() => gateway.metric('unread_answer_bytes'), { timeout: 10_000 }).toBeGreaterThan(0);
  expect(await gateway.metric('unread_answer_bytes')).toBeGreaterThan(LARGE_BODY);
  client.destroy();
});

test('of many streams none is passed over', async () => {
  const sids = Array.from({ length: 120 }, (_, n) => `u${n}`);
  for (let round = 1; round <= 3; round++) {
    const pipeline = redis.client.pipeline();
    for (const sid of sids)
      pipeline.xadd(`default:${sid}`, `${1_795_336_103_800 + round}-0`, 'd', `${round}`);
    await pipeline.exec();
  }
  let cursor = '0';
  const seen = new Map(sids.map((sid) => [sid, 0]));
  for (let polls = 0; polls < 30 && [...seen.values()].some((count) => count < 3); polls++) {
    const answer = await fetch(
      `${gateway.http}/data/${sids.join('+')}?count=10&last_entry_id=${encodeURIComponent(cursor)}`,
    );
    cursor = answer.headers.get('x-last-entry-id')!;
    for (const [sid] of JSON.parse(answer.headers.get('x-offsets')!)) seen.set(sid, seen.get(sid)! + 1);
  }
  expect(new Set(seen.values())).toEqual(new Set([3]));
});

test('a pull of many streams from their ends begins there, with the libraries', async () => {
  const sids = Array.from({ length: 300 }, (_, n) => `v${n}`);
  const ending = new AbortController();
  const pull = new Streamgate(gateway.http).pull(sids, { signal: ending.signal });
  const next = pull.next();
  await expect.poll(() => gateway.metric('followers'), { timeout: 20_000 }).toBe(1);
  await redis.client.xadd('default:v299', '*', 'd', 'new');
  expect((await next).value).toMatchObject({ stream: 'v299' });
  ending.abort();
});
