/**
 * Makes folders. Not with `recursive` of Node's mkdir, which was seen to try for ever, at full speed, on a file system
 * that takes no folders (Node.js 20.20.2 and 24.22.3).
 */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/**
 * Makes a folder, and those above it that are missing.
 * @param mode of those that are made; one that is there is left as it is
 * @throws Error of the file system, with its `code`
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  const folder = resolve(path);
  if (await isThere(folder)) return;
  const above = dirname(folder);
  if (above !== folder) await makeFolder(above, mode);
  try {
    await mkdir(folder, { mode });
  } catch (error) {
    // Somebody else was faster.
    if (!((error as NodeJS.ErrnoException).code === 'EEXIST' && (await isThere(folder)))) throw error;
  }
}

const isThere = (folder: string): Promise<boolean> =>
  stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
