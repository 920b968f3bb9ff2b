/** docker-compose.yml as a user runs it: from the build of the images to the end of their containers. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';

const run = promisify(execFile);

const PROJECT = 'streamgate-image-test';
/** Not 127.0.0.1, where the port may be in use. */
const ADDRESS = '127.83.71.1';
const HTTP = `http://${ADDRESS}:8000`;
/** For a start of both containers, each with checks of its health every few seconds. */
const PATIENCE = { timeout: 120_000, interval: 500 };

let command: [program: string, ...args: string[]];

async function compose(...args: string[]): Promise<string> {
  const [program, ...first] = command;
  const { stdout } = await run(program, [...first, '--project-name', PROJECT, ...args], {
    env: { ...process.env, PUBLISH_ON: ADDRESS },
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout.trim();
}

const inspect = async (container: string, template: string) =>
  (await run('docker', ['inspect', '--format', template, container])).stdout.trim();

async function whenHealthy(): Promise<string> {
  const container = await compose('ps', '-q', 'gateway');
  await vi.waitFor(
    async () => expect(await inspect(container, '{{.State.Health.Status}}')).toBe('healthy'),
    PATIENCE,
  );
  return container;
}

/** Runs a client command in the gateway's container. @returns what it printed */
async function streamgate(container: string, args: string[], input = ''): Promise<string> {
  const child = spawn('docker', ['exec', '-i', container, 'streamgate', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stdin.end(input);
  expect(await once(child, 'close')).toEqual([0, null]);
  return out;
}

beforeAll(async () => {
  command = await run('docker', ['compose', 'version']).then(
    () => ['docker', 'compose'],
    () => ['docker-compose'],
  );
  await compose('down', '--volumes');
  await compose('up', '--detach', '--build');
});

afterAll(() => compose('down', '--volumes', '--rmi', 'local'));

test('entries are stored and read, by HTTP and by the commands in the image', async () => {
  const container = await whenHealthy();
  const stored = await fetch(`${HTTP}/data/greeting`, { method: 'POST', body: 'héllo' });
  expect([stored.status, await stored.json()]).toEqual([200, [expect.stringMatching(/^\d+-\d+$/)]]);
  const read = await fetch(`${HTTP}/data/greeting?last_entry_id=0`);
  expect([read.status, await read.text()]).toEqual([200, 'héllo']);

  await streamgate(container, ['push', 'lines', '--lines'], 'one\n');
  expect(await streamgate(container, ['pull', 'lines', '--latest'])).toContain('one');
});

test('SIGTERM closes connections with a reason and ends the gateway in order', async () => {
  const container = await whenHealthy();
  const socket = new WebSocket(`ws://${ADDRESS}:8000/data/greeting/pull?last_entry_id=$`);
  await once(socket, 'open');
  const closed = once(socket, 'close');
  await compose('stop', 'gateway');
  const [code, reason] = (await closed) as [number, Buffer];
  expect([code, String(reason)]).toEqual([1001, expect.stringMatching(/./)]);
  expect(await inspect(container, '{{.State.ExitCode}} {{.State.OOMKilled}}')).toBe('0 false');
});

test('entries outlive both containers', async () => {
  await compose('down');
  await compose('up', '--detach');
  await whenHealthy();
  const read = await fetch(`${HTTP}/data/greeting?last_entry_id=0`);
  expect([read.status, await read.text()]).toEqual([200, 'héllo']);
});
