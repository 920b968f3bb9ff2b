/** Programs of the benchmark in processes of their own: started, told, heard, ended by their ids. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Linux counts CPU time in hundredths of a second. */
const TICKS_A_SECOND = 100;

export interface Program {
  readonly process: ChildProcess;
  /**
   * Resolves with what follows `word` on the next line that begins with it. A line is heard once, so that
   * a program that lives for several rounds may say the same word in each.
   */
  says(word: string): Promise<string>;
  /** Writes a line to its standard input. */
  tell(line: string): void;
  stop(): Promise<void>;
}

/**
 * Ends what this process started, servers included, when it ends itself: an interrupt or an error of its
 * own leaves nothing behind.
 */
export function endChildrenOnExit(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => process.exit(130));
  process.once('exit', () => {
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
    for (const pid of children.split(' ').filter(Boolean)) process.kill(Number(pid), 'SIGKILL');
  });
}

/** @param file the program's name below `bench/`, without extension @param task what it is given as JSON */
export function startProgram(file: string, task: object): Program {
  const path = fileURLToPath(new URL(`./${file}.js`, import.meta.url));
  const child = spawn(process.execPath, [path, JSON.stringify(task)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  // A line to a program that has just ended: its end is told by `says`.
  child.stdin.on('error', () => {});
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  let end: string | undefined;
  const notify = () => {
    for (const listener of [...listeners]) listener();
  };
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    notify();
  });
  // Not `exit`, after which its last lines may still come.
  child.once('close', (code, signal) => {
    end = `${file} ended with ${signal ?? `code ${code}`}`;
    notify();
  });
  return {
    process: child,
    says: (word) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const index = lines.findIndex((text) => text.startsWith(word));
          if (index < 0 && end === undefined) return;
          listeners.delete(look);
          if (index < 0) reject(new Error(`${end} before '${word}'`));
          else resolve(lines.splice(index, 1)[0]!.slice(word.length).trim());
        };
        listeners.add(look);
        look();
      }),
    tell: (line) => {
      child.stdin.write(`${line}\n`);
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}

/** CPU seconds that processes and their threads have used. */
export async function cpuSeconds(...pids: readonly number[]): Promise<number> {
  let sum = 0;
  for (const pid of pids) sum += await ownCpuSeconds(pid);
  return sum;
}

/** To the nanosecond by the threads that there are, in hundredths by the process, which knows of those that ended. */
async function ownCpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name may hold spaces; the fields after it are counted from its closing bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ofProcess = (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
  let nanoseconds = 0;
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    // A thread may end meanwhile.
    const schedule = await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').catch(() => '0');
    nanoseconds += Number(schedule.split(' ', 1)[0]);
  }
  return Math.max(ofProcess, nanoseconds / 1e9);
}
