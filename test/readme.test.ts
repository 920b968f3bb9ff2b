/** What the README has you type into a shell works as it stands. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startForFile } from './support/gateway-fixture.js';

const { redis, gateway } = await startForFile();
const readme = await readFile('README.md', 'utf8');
let folder: string;

/** The first shell block of a section. */
function shellOf(section: string): string {
  const [, text] = readme.split(`\n## ${section}\n`);
  return /```sh\n([\s\S]*?)```/.exec(text!)![1]!;
}

/** @returns standard output */
async function run(script: string): Promise<string> {
  const commands = script.replaceAll('http://localhost:8000', gateway.http).replaceAll('curl ', 'curl -sSf ');
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
  const [first] = /^curl .*$/m.exec(shellOf('Run it').concat(readme.split('Does it work?')[1]!))!;
  expect(await run(first!)).toMatch(/^\["\d+-\d+"\]$/);
});

test('what is pushed is stored', async () => {
  const ids = await run(shellOf('Push'));
  expect(ids.match(/\d{13}-\d+/g)).toHaveLength(5);
  expect(await redis.client.xlen('default:left')).toBe(1);
});

test('what is read without WebSockets is the entries alone, and the head is shown', async () => {
  const [newest] = shellOf('Without WebSockets').split('\n');
  const head = await run(newest!);
  expect(head).toMatch(/^HTTP\/1\.1 200/);
  expect(head).toMatch(/^x-last-entry-id: \d+-\d+\r$/m);
  expect(await readFile(join(folder, 'newest.jpg'))).toEqual(await readFile(join(folder, 'b.jpg')));
  for (const command of shellOf('Without WebSockets').trim().split('\n').slice(1)) {
    expect(await run(command)).toMatch(/^HTTP\/1\.1 200/);
  }
});

test('the first GraphQL query prints the streams', async () => {
  const answer = JSON.parse(await run(shellOf('GraphQL')));
  expect(answer.data.streams).toContainEqual({
    id: 'default:cam',
    length: 3,
    lastEntryTime: expect.stringMatching(/Z$/),
  });
});
