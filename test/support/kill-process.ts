/** Ends a child process for certain. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Resolves once it has ended, if it had not before. */
export async function killProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
