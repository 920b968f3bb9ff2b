/** examples/cluster as a user runs it: a gateway over a Redis Cluster of three masters. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

const run = promisify(execFile);

const PROJECT = 'streamgate-cluster-test';
/** Not 127.0.0.1, where the port may be in use. */
const ADDRESS = '127.83.71.2';
const HTTP = `http://${ADDRESS}:8000`;
const NODES = ['redis-1', 'redis-2', 'redis-3'];
const PATIENCE = { timeout: 120_000, interval: 500 };
/** Enough that each master has some of them. */
const STREAMS = Array.from({ length: 30 }, (_, at) => `stream-${at}`);

let command: [program: string, ...args: string[]];

async function compose(...args: string[]): Promise<string> {
  const [program, ...first] = command;
  const { stdout } = await run(program, [...first, '--project-name', PROJECT, ...args], {
    cwd: resolve('examples/cluster'),
    env: { ...process.env, PUBLISH_ON: ADDRESS },
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout.trim();
}

const redis = (node: string, ...args: string[]) => compose('exec', '-T', node, 'redis-cli', ...args);

async function whenReady(): Promise<void> {
  await vi.waitFor(async () => expect((await fetch(`${HTTP}/readyz`)).status).toBe(200), PATIENCE);
}

beforeAll(async () => {
  command = await run('docker', ['compose', 'version']).then(
    () => ['docker', 'compose'],
    () => ['docker-compose'],
  );
  await compose('down', '--volumes');
  await compose('up', '--detach', '--build');
  await whenReady();
});

afterAll(() => compose('down', '--volumes', '--rmi', 'local'));

test('streams are spread over the masters, and each is read where it is', async () => {
  for (const stream of STREAMS) {
    const stored = await fetch(`${HTTP}/data/${stream}`, { method: 'POST', body: stream });
    expect([stream, stored.status, await stored.json()]).toEqual([
      stream,
      200,
      [expect.stringMatching(/^\d+-\d+$/)],
    ]);
  }
  for (const stream of STREAMS) {
    const read = await fetch(`${HTTP}/data/${stream}?last_entry_id=0`);
    expect([read.status, await read.text()]).toEqual([200, stream]);
  }
  for (const node of NODES) expect(Number(await redis(node, 'DBSIZE'))).toBeGreaterThan(0);
});

test('entries outlive all containers, and the nodes find one another again', async () => {
  await compose('down');
  await compose('up', '--detach');
  await whenReady();
  await vi.waitFor(async () => {
    const read = await fetch(`${HTTP}/data/${STREAMS[0]}?last_entry_id=0`);
    expect([read.status, await read.text()]).toEqual([200, STREAMS[0]]);
  }, PATIENCE);
  for (const node of NODES) expect(await redis(node, 'CLUSTER', 'INFO')).toContain('cluster_state:ok');
});
