/** How many files and sockets the system lets this process have open. */
import { readdir, readFile } from 'node:fs/promises';

/** Those that can still be opened; undefined where the system does not say, as macOS. */
export async function spareDescriptors(): Promise<number | undefined> {
  try {
    const limits = await readFile('/proc/self/limits', 'utf8');
    const most = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    if (most === undefined) return undefined;
    return Math.max(Number(most) - (await readdir('/proc/self/fd')).length, 0);
  } catch {
    return undefined;
  }
}
