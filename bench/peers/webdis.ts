/** Webdis, Redis commands over HTTP: the peer of the REST endpoints, where it is installed. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../test/support/free-port.js';
import { killProcess } from '../../test/support/kill-process.js';
import { findPeer } from './programs.js';

export interface Webdis {
  readonly pid: number;
  readonly port: number;
  /** The body that a path answers, byte for byte as latin1. */
  ask(path: string): Promise<string>;
  stop(): Promise<void>;
}

const PATIENCE_MS = 5000;
const POLL_MS = 20;

export const findWebdis = () => findPeer('webdis');

/** Starts it with its own defaults in front of a Redis on a Unix socket. */
export async function startWebdis(program: string, redisPath: string): Promise<Webdis> {
  const folder = await mkdtemp(join(tmpdir(), 'sg-webdis-'));
  const file = join(folder, 'webdis.json');
  const port = await freePort();
  const settings = {
    redis_host: redisPath,
    http_host: '127.0.0.1',
    http_port: port,
    daemonize: false,
    verbosity: 0,
    logfile: join(folder, 'log'),
  };
  await writeFile(file, JSON.stringify(settings));
  // Its event library warns of connections that clients have closed.
  const child = spawn(program, [file], { stdio: 'ignore' });
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return Buffer.from(await answer.arrayBuffer()).toString('latin1');
  };
  const stop = async () => {
    await killProcess(child);
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await ask('/PING').catch(() => '')).includes('PONG')) {
    if (performance.now() > deadline) {
      await stop();
      throw new Error('Webdis does not answer');
    }
    await delay(POLL_MS);
  }
  return { pid: child.pid!, port, ask, stop };
}
