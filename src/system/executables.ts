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
  for await (const file of executablesOf(names, path)) return file;
  return undefined;
}

/** All of them, in the order in which `findExecutable` looks. */
export async function findExecutables(
  names: readonly string[],
  path = process.env.PATH ?? '',
): Promise<string[]> {
  const files: string[] = [];
  for await (const file of executablesOf(names, path)) files.push(file);
  return files;
}

async function* executablesOf(names: readonly string[], path: string): AsyncGenerator<string> {
  const folders = path.split(delimiter).filter(isAbsolute);
  for (const name of names) {
    for (const folder of folders) {
      const file = join(folder, name);
      if (await isExecutable(file)) yield file;
    }
  }
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
