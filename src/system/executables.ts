/** Finds programs the way a shell does, without starting one. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';

/**
 * The absolute path of the first of `names` that the PATH holds as an executable file, or undefined.
 *
 * Names are tried in order over the whole PATH. Entries of the PATH that are not absolute are skipped:
 * they would run whatever the current folder holds.
 */
export async function findExecutable(
  names: readonly string[],
  path = process.env.PATH ?? '',
): Promise<string | undefined> {
  const folders = path.split(delimiter).filter(isAbsolute);
  for (const name of names) {
    for (const folder of folders) {
      const file = join(folder, name);
      if (await isExecutable(file)) return file;
    }
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
