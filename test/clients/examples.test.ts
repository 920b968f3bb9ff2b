/** The examples run as they stand. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { findChromium, PYTHON } from '../support/machine.js';

const EXAMPLES = join(import.meta.dirname, '../../examples');
const PNG = Buffer.from('\x89PNG\r\n', 'latin1');

let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGatewayProcess();
});

afterAll(() => gateway?.stop());

async function python(...parameters: string[]): Promise<string> {
  const env = { ...process.env, NO_PROXY: '*', PYTHONDONTWRITEBYTECODE: '1' };
  const { stdout } = await promisify(execFile)(PYTHON, parameters, { cwd: EXAMPLES, env });
  return stdout;
}

const example = (name: string, ...parameters: string[]) => python(name, ...parameters, '--url', gateway.http);

test('each compiles', async () => {
  const names = (await readdir(EXAMPLES)).filter((name) => name.endsWith('.py'));
  expect(names).toContain('streamgate.py');
  const folder = await mkdtemp(join(tmpdir(), 'sg-examples-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const name of names) {
    const compile = `import py_compile; py_compile.compile('${name}', '${folder}/c', doraise=True)`;
    await python('-W', 'error', '-c', compile);
  }
});

test('push_camera.py pushes pictures, and follow.py prints what came', async () => {
  await example('push_camera.py', 'cam', '--frames', '5', '--fps', '100');
  const lines = (await example('follow.py', 'cam', '--after', '0', '--entries', '5')).trim().split('\n');
  expect(lines).toHaveLength(5);
  for (const line of lines) expect(line).toMatch(/^cam \d+-\d+ \d+ bytes$/);
  const answer = await fetch(`${gateway.http}/data/cam?last_entry_id=0&latest=1`);
  expect(Buffer.from(await answer.arrayBuffer()).subarray(0, PNG.length)).toEqual(PNG);
  await fetch(`${gateway.http}/data/temp`, { method: 'POST', body: '21.5' });
  expect(await example('follow.py', 'temp', '--after', '0', '--entries', '1')).toMatch(
    /^temp \d+-\d+ 21.5\n$/,
  );
});

test('browser.html shows the newest picture', async () => {
  await example('push_camera.py', 'seen', '--frames', '2', '--fps', '100');
  const page = await readFile(join(EXAMPLES, 'browser.html'));
  const server = createServer((_request, response) =>
    response.setHeader('content-type', 'text/html').end(page),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const browser = await chromium.launch({ executablePath: (await findChromium())!, args: ['--no-sandbox'] });
  onTestFinished(async () => {
    await browser.close();
    server.close();
  });
  const tab = await browser.newPage();
  const { port } = server.address() as AddressInfo;
  await tab.goto(`http://127.0.0.1:${port}/?stream=seen&gateway=${gateway.ws}`);
  const shown = () =>
    tab.evaluate<{ src: string; naturalWidth: number }>(
      "(({ src, naturalWidth }) => ({ src, naturalWidth }))(document.querySelector('img'))",
    );
  await expect.poll(shown, { timeout: 15_000 }).toMatchObject({ naturalWidth: 320 });
  const { src } = await shown();
  await example('push_camera.py', 'seen', '--frames', '1');
  await expect.poll(async () => (await shown()).src, { timeout: 15_000 }).not.toBe(src);
  expect(await tab.textContent('#state')).toBe('live');
});
