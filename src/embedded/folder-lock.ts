/**
 * A lock on a folder that dies with its holder: a Unix socket in the folder that the holder listens on.
 * Whether one is alive is what the kernel says on connecting, so neither a reused process id nor a
 * container in which every gateway is process 1 can mislead it, and a killed holder leaves but a name.
 *
 * Everyone puts up a socket of a name of its own first, and holds the lock when it then finds no other
 * alive. Of two, the one that put its up later sees the other's, so both can never hold it, however
 * long either is halted in between. Names are never used again, so that a dead one can be removed
 * without a race. They begin with the time: of those that start at once the earliest goes on.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmod, readdir, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedRedisError } from './embedded-error.js';
import { isListening, socketName } from './unix-socket.js';

export interface FolderLock {
  /** Gives the lock up; may be called again. */
  release(): Promise<void>;
}

const LOCK = /^lock\.[0-9a-z]{13}$/;
/** How long the earliest waits for the others to go. */
const RIVALRY_MS = 1000;
const POLL_MS = 10;

/**
 * Takes the lock of `folder`, an absolute path that exists. The lock does not keep the process alive.
 * @throws EmbeddedRedisError if another process, or another part of this one, holds it, or the folder
 * can't be written to.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const name = `${base36(Date.now(), 9)}${base36(randomInt(36 ** 4), 4)}`;
  const path = join(folder, `lock.${name}`);
  const server = createServer((visitor) => visitor.destroy());

  async function release(): Promise<void> {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await rm(path, { force: true });
  }

  try {
    // Between its making and listen() a socket looks dead, so it gets its name when it is alive.
    const madeAs = join(folder, `new.${name}`);
    server.listen(socketName(madeAs)).unref();
    await once(server, 'listening');
    await chmod(madeAs, 0o600);
    await rename(madeAs, path);
    const deadline = performance.now() + RIVALRY_MS;
    for (;;) {
      const rivals = await findRivals(folder, `lock.${name}`);
      if (rivals.length === 0) return { release };
      if (rivals.some((rival) => rival < `lock.${name}`) || performance.now() > deadline) {
        throw new EmbeddedRedisError(
          `The data folder ${folder} is in use by another streamgate: stop it, or set STREAMGATE_DATA_DIR to another folder.`,
        );
      }
      await delay(POLL_MS);
    }
  } catch (cause) {
    await release();
    if (cause instanceof EmbeddedRedisError) throw cause;
    throw new EmbeddedRedisError(`The data folder ${folder} cannot be used: ${(cause as Error).message}.`);
  }
}

/** The names of all other locks that are alive; the dead are removed. */
async function findRivals(folder: string, own: string): Promise<string[]> {
  const others = (await readdir(folder)).filter((name) => LOCK.test(name) && name !== own);
  const rivals: string[] = [];
  for (const other of others) {
    const path = join(folder, other);
    if (await isListening(socketName(path))) rivals.push(other);
    else await rm(path, { force: true });
  }
  return rivals;
}

function base36(value: number, digits: number): string {
  return value.toString(36).padStart(digits, '0');
}
