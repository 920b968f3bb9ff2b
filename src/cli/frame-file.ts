/** A file that always holds one whole frame: whoever opens it sees the old one or the new one. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Replaces `path`; by way of a file beside it, since a rename is atomic within one file system only. @throws Error */
export async function replaceFrame(path: string, frame: Uint8Array): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  try {
    await writeFile(draft, frame);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot write ${path}: ${reason}`, { cause: error });
  }
}
