/** What work costs the main thread of this process, whatever its other threads do meanwhile. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Tasks under way at once, as on a gateway that several clients ask. */
const LANES = 8;

/** CPU time of the main thread in microseconds. Linux brings it up to date when the thread is taken off its core. */
async function cpuMicroseconds(): Promise<number> {
  await delay(1);
  const stat = await readFile(`/proc/self/task/${process.pid}/schedstat`, 'utf8');
  return Number(stat.split(' ')[0]) / 1000;
}

export interface Cost {
  /** CPU time of the main thread a task. */
  readonly microseconds: number;
  /** Microseconds from asking to having it, with others under way. */
  readonly latency: number;
}

/** @param ms how long to go on, and half as long before to warm up */
export async function mainThreadCost(task: () => unknown, ms: number): Promise<Cost> {
  await repeat(task, ms / 2);
  const before = await cpuMicroseconds();
  const start = performance.now();
  const done = await repeat(task, ms);
  const elapsed = (performance.now() - start) * 1000;
  const cpu = (await cpuMicroseconds()) - before;
  return { microseconds: cpu / done, latency: (elapsed * LANES) / done };
}

/** @returns how many tasks were done */
async function repeat(task: () => unknown, ms: number): Promise<number> {
  const deadline = performance.now() + ms;
  let done = 0;
  const lane = async () => {
    do {
      await task();
      done++;
    } while (performance.now() < deadline);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return done;
}
