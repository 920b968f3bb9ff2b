/** Standard output at the pace of its reader. */
import { once } from 'node:events';
import type { CommandSession } from './command-session.js';

/** Resolves when there is room for more, or nobody reads any more. */
export async function writeOut(
  output: string | Uint8Array,
  { signal, isMuted }: CommandSession,
): Promise<void> {
  if (isMuted) return;
  if (!process.stdout.write(output)) await once(process.stdout, 'drain', { signal }).catch(() => {});
}
