/** Sentinels that watch a master of this machine and put a replica in its place when it is gone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, vi } from 'vitest';
import { findRedisServer } from '../../src/embedded/binaries.js';
import { freePort } from './free-port.js';

const NAME = 'main';
/** Once in 10 s otherwise, and so on. */
const HASTY = ['INFO-PERIOD', '200', 'PING-PERIOD', '200', 'ASK-PERIOD', '200', 'PUBLISH-PERIOD', '200'];
const WAIT = { timeout: 15_000, interval: 20 };

export interface Sentinels {
  /** `redis+sentinel://…`, naming all of them. */
  readonly url: string;
  /** The port of the master that they name. */
  masterPort(): Promise<number>;
  /** Has a replica take the master's place, though that is there. */
  failOver(): Promise<void>;
  stop(): Promise<void>;
}

/** As many as can agree without one of them. Resolves once they know one another and the replica. */
export async function startSentinels(masterPort: number): Promise<Sentinels> {
  const folder = await mkdtemp(join(tmpdir(), 'sg-sentinel-'));
  const ports = [await freePort(), await freePort(), await freePort()];
  const children = await Promise.all(ports.map((port) => launch(folder, port, masterPort)));
  const clients = ports.map(
    (port) => new Redis(port, { retryStrategy: () => 50, maxRetriesPerRequest: null }),
  );
  for (const client of clients) client.on('error', () => {});
  for (const client of clients) await client.call('SENTINEL', 'DEBUG', ...HASTY);
  await vi.waitFor(async () => {
    for (const client of clients) {
      expect(await client.call('SENTINEL', 'SENTINELS', NAME)).toHaveLength(ports.length - 1);
      expect(await client.call('SENTINEL', 'REPLICAS', NAME)).toHaveLength(1);
    }
  }, WAIT);
  return {
    url: `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join()}/${NAME}`,
    masterPort: async () => {
      const [, port] = (await clients[0]!.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as string[];
      return Number(port);
    },
    failOver: async () => {
      await clients[0]!.call('SENTINEL', 'FAILOVER', NAME);
    },
    stop: async () => {
      for (const client of clients) client.disconnect();
      await Promise.all(
        children.map(async (child) => {
          child.kill('SIGKILL');
          await once(child, 'exit');
        }),
      );
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function launch(folder: string, port: number, masterPort: number): Promise<ChildProcess> {
  const binary = await findRedisServer();
  const file = join(folder, `${port}.conf`);
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${NAME} 500`,
    `sentinel failover-timeout ${NAME} 3000`,
  ];
  await writeFile(file, lines.join('\n'));
  return spawn(binary!, [file, '--sentinel'], { stdio: 'ignore' });
}
