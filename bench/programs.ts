/** Programs of the benchmark in processes of their own: started, heard, ended by their ids. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Linux counts CPU time in hundredths of a second. */
const TICKS_A_SECOND = 100;

export interface Program {
  readonly process: ChildProcess;
  /** Resolves with what follows `word` on the first line that begins with it. */
  says(word: string): Promise<string>;
  stop(): Promise<void>;
}

/** @param file the program's name below `bench/`, without extension @param task what it is given as JSON */
export function startProgram(file: string, task: object): Program {
  const path = fileURLToPath(new URL(`./${file}.js`, import.meta.url));
  const child = spawn(process.execPath, [path, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    for (const listener of listeners) listener();
  });
  return {
    process: child,
    says: (word) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const line = lines.find((text) => text.startsWith(word));
          if (line === undefined) return;
          listeners.delete(look);
          resolve(line.slice(word.length).trim());
        };
        listeners.add(look);
        child.once('exit', (code) => reject(new Error(`${file} ended with code ${code} before '${word}'`)));
        look();
      }),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}

/** CPU seconds that a process and its threads have used. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name may hold spaces; the fields after it are counted from its closing bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}
