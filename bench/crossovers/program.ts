/**
 * Measures from which size on the pool spares the main thread work, and below which it is the pool that
 * costs it more.
 *
 *     node program.js '{"socketPath", "ms"}'
 *
 * For each line that it is told it prints one for each work and size, with the main thread's time both ways,
 * and at last `crossovers` and where each work's two ways cost the same, as JSON.
 */
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { loadConfig } from '../../src/config/settings.js';
import { CommandConnection } from '../../src/redis/command-connection.js';
import { unixTarget } from '../../src/redis/target.js';
import { createLogger } from '../../src/system/logger.js';
import { Threads } from '../../src/threads/threads.js';
import { type Costs, crossover } from './crossover.js';
import { mainThreadCost } from './main-thread-time.js';
import { type Tools, WORKS, type Work } from './works.js';

export interface CrossoversTask {
  /** Of Redis' Unix socket. */
  readonly socketPath: string;
  /** That one measurement lasts. */
  readonly ms: number;
}

const task = JSON.parse(process.argv[2]!) as CrossoversTask;
const target = unixTarget(task.socketPath);
const tools: Tools = {
  threads: new Threads(
    { target, readers: 0, poolThreads: loadConfig({}).POOL_THREADS, logger: createLogger('warn') },
    { onEntries: () => {}, onReply: () => {}, onEvicted: () => {}, onLost: () => {}, onChecked: () => {} },
  ),
  connection: new CommandConnection(target, 'bench'),
  redis: new Redis({ path: task.socketPath }),
};

async function costsOf(work: Work, size: number): Promise<Costs> {
  const { inline, pool } = await work.prepare(size, tools);
  const here = await mainThreadCost(inline, task.ms);
  const there = await mainThreadCost(pool, task.ms);
  const times = [here, there].map(
    ({ microseconds, latency }) => `${microseconds.toFixed(1)} µs (had after ${latency.toFixed(0)} µs)`,
  );
  console.log(`${work.name}, ${size} ${work.unit}: inline ${times[0]}, in the pool ${times[1]}`);
  return { size, inline: here.microseconds, pool: there.microseconds };
}

async function measure(): Promise<void> {
  const crossovers: number[] = [];
  for (const work of WORKS) {
    const costs: Costs[] = [];
    for (const size of work.sizes) costs.push(await costsOf(work, size));
    crossovers.push(crossover(costs));
  }
  console.log(`crossovers ${JSON.stringify(crossovers)}`);
}

createInterface(process.stdin).on('line', () => void measure());
