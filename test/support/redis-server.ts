/** A real redis-server of a test's own, on a Unix socket in a folder that goes with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { findRedisServer } from '../../src/embedded/binaries.js';
import { killProcess } from './kill-process.js';

export interface TestRedis {
  readonly url: string;
  readonly path: string;
  readonly process: ChildProcess;
  /** A client of its own, ended with the server. */
  readonly client: Redis;
  /** Starts a server on the same socket and folder, after this one was killed. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startRedis(...settings: string[]): Promise<TestRedis> {
  const binary = await findRedisServer();
  if (binary === undefined) throw new Error('there is no redis-server: run streamgate setup');
  const folder = await mkdtemp(join(tmpdir(), 'sg-redis-'));
  const path = join(folder, 's');
  const launch = async () => {
    const args = ['--port', '0', '--unixsocket', path, '--dir', folder, '--save', '', ...settings];
    const child = spawn(binary, args, { stdio: 'ignore' });
    await reachable({ path }, child);
    return child;
  };
  let child = await launch();
  const client = new Redis({
    path,
    retryStrategy: () => 50,
    maxRetriesPerRequest: null,
    maxLoadingRetryTime: 50,
  });
  client.on('error', () => {});
  return {
    url: `unix://${path}`,
    path,
    get process() {
      return child;
    },
    client,
    restart: async () => {
      child = await launch();
    },
    stop: async () => {
      client.disconnect();
      await killProcess(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

type Address = { readonly path: string } | { readonly host: string; readonly port: number };

/**
 * Resolves once the server answers.
 * @throws Error if its process ends before, or it takes longer than 10 s
 */
export async function reachable(address: Address, child: ChildProcess): Promise<void> {
  const probe = new Redis({
    ...address,
    lazyConnect: true,
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
    // By itself it waits for as long as Redis guesses, up to 10 s.
    maxLoadingRetryTime: 50,
  });
  probe.on('error', () => {});
  try {
    await Promise.race([
      probe.ping(),
      once(child, 'exit').then(() => Promise.reject(new Error('redis-server did not start'))),
      delay(10_000, undefined, { ref: false }).then(() =>
        Promise.reject(new Error('redis-server did not answer')),
      ),
    ]);
  } finally {
    probe.disconnect();
  }
}
