/** The processes of a gateway, as the system shows them. */
import { readFile } from 'node:fs/promises';
import type { GatewayProcess } from './gateway-process.js';

/** The processes that a process has started, with their command lines. */
async function childrenOf(pid: number): Promise<{ pid: number; command: string }[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const pids = text.split(' ').filter(Boolean).map(Number);
  return Promise.all(
    pids.map(async (child) => ({
      pid: child,
      command: await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => ''),
    })),
  );
}

export async function workerPids({ process }: GatewayProcess): Promise<number[]> {
  const children = await childrenOf(process.pid!);
  return children.filter(({ command }) => command.includes('cli/worker.js')).map(({ pid }) => pid);
}

/** Those of redis-server, wherever below the gateway they are. */
export async function redisPids({ process }: GatewayProcess): Promise<number[]> {
  const found: number[] = [];
  const look = async (parent: number): Promise<void> => {
    for (const { pid, command } of await childrenOf(parent)) {
      if (/^\S*redis-server/.test(command)) found.push(pid);
      await look(pid);
    }
  };
  await look(process.pid!);
  return found;
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
