/** A disk of a few megabytes, to be filled: a tmpfs of a test's own. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface SmallDisk {
  readonly folder: string;
  /** Takes all that is left of it. */
  fill(): Promise<void>;
  /** Gives that back. */
  free(): Promise<void>;
  unmount(): Promise<void>;
}

/** @throws Error where this user may not mount: the test has then shown nothing, and must not pass */
export async function mountSmallDisk(bytes: number): Promise<SmallDisk> {
  const folder = await mkdtemp(join(tmpdir(), 'sg-disk-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder]).catch(async (error: Error) => {
    await rmdir(folder);
    throw new Error(`this test needs the right to mount a tmpfs: run it as root (${error.message})`);
  });
  const filler = join(folder, 'filler');
  return {
    folder,
    fill: async () => {
      await writeFile(filler, Buffer.alloc(bytes)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOSPC') throw error;
      });
    },
    free: () => rm(filler, { force: true }),
    unmount: async () => {
      // Lazily: a process that was just killed may hold it a moment longer.
      await run('umount', ['-l', folder]);
      await rmdir(folder);
    },
  };
}
