/** The append-only files: where they are, and who may read them. */
import { chmod, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Redis' name for the folder of its append-only files. */
export const AOF_FOLDER = 'appendonlydir';

/**
 * Takes the append-only files of `dataDir` from everyone but their owner. Redis makes new ones that way;
 * these are from before it did. Files of another owner stay as they are.
 */
export async function closeToOthers(dataDir: string): Promise<void> {
  const folder = join(dataDir, AOF_FOLDER);
  const names = await readdir(folder).catch(() => undefined);
  if (names === undefined) return;
  await chmod(folder, 0o700).catch(() => {});
  for (const name of names) await chmod(join(folder, name), 0o600).catch(() => {});
}
