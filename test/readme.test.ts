/** What the README and the first pages have you type into a shell works as it stands. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startForFile } from './support/gateway-fixture.js';
import { MAIN } from './support/gateway-process.js';
import { PYTHON } from './support/machine.js';

const { redis, gateway } = await startForFile();
let folder: string;

/** The shell block after the first place with a text. */
async function shellOf(path: string, after: string): Promise<string> {
  const [, text] = (await readFile(path, 'utf8')).split(after);
  return /```sh\n([\s\S]*?)```/.exec(text!)![1]!;
}

const here = (text: string) => text.replaceAll('http://localhost:8000', gateway.http);

/** @returns standard output */
async function run(script: string): Promise<string> {
  const commands = here(script).replaceAll('curl ', 'curl -sSf ');
  return (await promisify(execFile)('bash', ['-e', '-c', commands], { cwd: folder })).stdout;
}

const pictureOf = (background: string) =>
  sharp({ create: { width: 8, height: 8, channels: 3, background } })
    .jpeg()
    .toBuffer();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sg-readme-'));
  for (const [name, colour] of [
    ['frame', 'red'],
    ['a', 'green'],
    ['b', 'blue'],
  ] as const) {
    await writeFile(join(folder, `${name}.jpg`), await pictureOf(colour));
  }
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('the first thing to try needs nothing but curl', async () => {
  const first = await shellOf('README.md', 'in another terminal:');
  for (const command of first.trim().split('\n')) expect(command).toMatch(/^curl /);
  expect(await run(first)).toMatch(/^\["\d+-\d+"\]\["\d+-\d+"\]22\.1$/);
});

test('the sensor of the README is stored while it runs', async () => {
  const script = await shellOf('README.md', '**A sensor, from a shell**');
  const streamgate = `streamgate() { '${process.execPath}' '${MAIN}' "$@" --url ${gateway.http}; }\n`;
  // It never ends by itself.
  await run(
    `${streamgate}${script.replace('while sleep 1', 'for second in 1 2; do sleep 1').replace('; do cut', '; cut')}`,
  );
  expect(await redis.client.xlen('default:load')).toBe(2);
});

test('the sensor in Python of the README is stored while it runs', async () => {
  const [, program] = /```python\n([\s\S]*?)```/.exec(await readFile('README.md', 'utf8'))!;
  await writeFile(join(folder, 'waves.py'), here(program!).replace('while True', 'for _ in range(2)'));
  await run(`'${PYTHON}' waves.py`);
  expect(await redis.client.xlen('default:waves')).toBe(2);
});

test('what is pushed is stored', async () => {
  const ids = await run(await shellOf('docs/push.md', '## Over HTTP'));
  expect(ids.match(/\d{13}-\d+/g)).toHaveLength(5);
  expect(await redis.client.xlen('default:left')).toBe(1);
});

test('what is read without WebSockets is the entries alone, and the head is shown', async () => {
  const [newest, ...others] = (await shellOf('docs/rest.md', '## Read entries')).trim().split('\n');
  const head = await run(newest!);
  expect(head).toMatch(/^HTTP\/1\.1 200/);
  expect(head).toMatch(/^x-last-entry-id: \d+-\d+\r$/m);
  expect(await readFile(join(folder, 'newest.jpg'))).toEqual(await readFile(join(folder, 'b.jpg')));
  for (const command of others) expect(await run(command)).toMatch(/^HTTP\/1\.1 200/);
});

test('the first GraphQL query prints the streams', async () => {
  const answer = JSON.parse(await run(await shellOf('docs/graphql.md', '# GraphQL')));
  expect(answer.data.streams).toContainEqual({
    id: 'default:cam',
    length: 3,
    lastEntryTime: expect.stringMatching(/Z$/),
  });
});
