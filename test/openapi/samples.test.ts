/** The samples of the description, run as they are shown, but for the address. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startForFile } from '../support/gateway-fixture.js';
import { postEntries } from '../support/http.js';
import { OPERATIONS, operationOf } from './described.js';

const { gateway } = await startForFile();

beforeAll(async () => {
  await postEntries(`${gateway.http}/data/cam`, 'x');
});

const run = promisify(execFile);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sg-samples-'));
  for (const name of ['frame.jpg', 'a.jpg', 'b.jpg']) await writeFile(join(folder, name), `bytes of ${name}`);
  // What is refused ends curl with an error.
  await writeFile(join(folder, '.curlrc'), 'silent\nfail-with-body\nmax-time = 20\n');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Whoever waits for the next entry gets one. */
async function whileFed<T>(work: () => Promise<T>): Promise<T> {
  const address = `${gateway.http}/data/cam`;
  const feed = () => fetch(address, { method: 'POST', body: 'x' }).catch(() => {});
  const feeding = setInterval(feed, 100);
  try {
    return await work();
  } finally {
    clearInterval(feeding);
  }
}

const sources = OPERATIONS.flatMap(({ operation }) =>
  (operation['x-codeSamples'] ?? [])
    .filter(({ lang }) => lang === 'curl')
    .map(({ source }) => source.replaceAll('http://localhost:8000', '$GATEWAY')),
);

test.each(sources)('%s', async (source) => {
  // Single quotes keep the shell from putting an address in.
  const command = source.replaceAll(/'([^']*\$GATEWAY[^']*)'/g, '"$1"');
  const env = { ...process.env, CURL_HOME: folder, GATEWAY: gateway.http };
  const { stdout } = await whileFed(() => run('sh', ['-c', command], { cwd: folder, env }));
  expect(stdout).not.toContain('"errors":[');
});

/** Runs the operation's JavaScript; what it hands to one of `told` is the result. */
async function runScript(id: string, names: Record<string, unknown>, told: string): Promise<unknown[]> {
  const { source } = operationOf(id).operation['x-codeSamples']!.find(({ lang }) => lang === 'JavaScript')!;
  const sockets: WebSocket[] = [];
  class OwnSocket extends WebSocket {
    constructor(address: string) {
      super(address);
      sockets.push(this);
    }
  }
  const result = new Promise<unknown[]>((resolve) => {
    const tell = (...values: unknown[]) => resolve(values);
    const given = { WebSocket: OwnSocket, ...names, [told]: told === 'console' ? { log: tell } : tell };
    const here = source.replaceAll('localhost:8000', `127.0.0.1:${gateway.port}`);
    new Function(...Object.keys(given), here)(...Object.values(given));
  });
  try {
    return await whileFed(() => result);
  } finally {
    for (const socket of sockets) socket.close();
  }
}

test('JavaScript that pushes', async () => {
  const frame = new TextEncoder().encode('bytes').buffer;
  expect(await runScript('pushEntries', { frame }, 'console')).toEqual([
    'stored as',
    [expect.stringMatching(/^\d+-\d+$/)],
  ]);
});

test('JavaScript that pulls', async () => {
  const [shown] = await runScript('followStreams', {}, 'show');
  expect(Buffer.from(shown as ArrayBuffer).toString()).toBe('x');
});
