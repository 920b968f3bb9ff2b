/** A redis-server that a killed gateway has left behind in a folder. */
import { readlink, realpath } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../system/logger.js';
import { EmbeddedRedisError } from './embedded-error.js';
import { ask, isNobody } from './unix-socket.js';

const ANSWER_MS = 5000;
const END_MS = 10_000;
const POLL_MS = 20;

/**
 * Ends the redis-server that answers on the socket `name` of `folder`, if there is one, and resolves when
 * it is gone: two of them would ruin each other's append-only file. Only for who holds the folder's lock.
 * @throws EmbeddedRedisError if it neither ends nor may be killed.
 */
export async function endOrphan(folder: string, name: string, logger: Logger): Promise<void> {
  const info = await say(name, 'INFO server');
  if (info === undefined) return;
  logger.warn('An orphaned Redis uses the data folder; stopping it.');
  await say(name, 'SHUTDOWN');
  if (await isGone(name)) return;
  const pid = Number(/^process_id:(\d+)/m.exec(info)?.[1]);
  if (pid && (await kill(pid, folder)) && (await isGone(name))) return;
  throw new EmbeddedRedisError(`Another Redis uses ${name} and does not stop: kill it, then start again.`);
}

/** The answer to `command`, empty if none comes in time, or undefined if nobody listens. */
async function say(name: string, command: string): Promise<string | undefined> {
  try {
    return await ask(name, `${command}\r\nQUIT\r\n`, ANSWER_MS);
  } catch (cause) {
    return isNobody(cause) ? undefined : '';
  }
}

async function isGone(name: string): Promise<boolean> {
  const deadline = performance.now() + END_MS;
  while (performance.now() < deadline) {
    if ((await say(name, 'PING')) === undefined) return true;
    await delay(POLL_MS);
  }
  return false;
}

/**
 * Kills process `pid` if `folder` is its current one, as it is that of a Redis that serves it: the number
 * came over a socket, so it may be one of another container, and that of a stranger here.
 */
async function kill(pid: number, folder: string): Promise<boolean> {
  try {
    // Only Linux has such containers, and /proc.
    const isOurs =
      process.platform !== 'linux' || (await readlink(`/proc/${pid}/cwd`)) === (await realpath(folder));
    return isOurs && process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}
