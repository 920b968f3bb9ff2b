/**
 * From which size on the pool spares the main thread work, and below which it is the pool that costs it more:
 * measured beside the thresholds in the code. Not a part of the benchmark, since it compares nothing but our own
 * two ways; to be run where the work or the pool has changed.
 *
 *     npm run bench:crossovers
 */

import { loadConfig } from '../../src/config/settings.js';
import { ServerReads } from '../../src/redis/key-reads.js';
import { unixTarget } from '../../src/redis/target.js';
import { createLogger } from '../../src/system/logger.js';
import { Threads } from '../../src/threads/threads.js';
import { startRedis } from '../../test/support/redis-server.js';
import { type Costs, crossover } from './crossover.js';
import { mainThreadCost } from './main-thread-time.js';
import { type Tools, WORKS, type Work } from './works.js';

/** That one measurement lasts. */
const MEASURED_MS = 25;

const redis = await startRedis();
const target = unixTarget(redis.path);
const tools: Tools = {
  threads: new Threads(
    { target, readers: 0, poolThreads: loadConfig({}).POOL_THREADS, logger: createLogger('warn') },
    { onEntries: () => {}, onReply: () => {}, onEvicted: () => {}, onLost: () => {}, onChecked: () => {} },
  ),
  connection: new ServerReads(target, 'bench'),
  redis: redis.client,
};

async function costsOf(work: Work, size: number): Promise<Costs> {
  const { inline, pool } = await work.prepare(size, tools);
  const here = await mainThreadCost(inline, MEASURED_MS);
  const there = await mainThreadCost(pool, MEASURED_MS);
  const times = [here, there].map(
    ({ microseconds, latency }) => `${microseconds.toFixed(1)} µs (had after ${latency.toFixed(0)} µs)`,
  );
  console.log(`${work.name}, ${size} ${work.unit}: inline ${times[0]}, in the pool ${times[1]}`);
  return { size, inline: here.microseconds, pool: there.microseconds };
}

for (const work of WORKS) {
  const costs: Costs[] = [];
  for (const size of work.sizes) costs.push(await costsOf(work, size));
  const rule = work.threshold === undefined ? 'the code never or always does' : `the code: ${work.threshold}`;
  console.log(`${work.name}: in the pool from ${crossover(costs).toFixed(1)} ${work.unit} on (${rule})\n`);
}
await tools.threads.close();
tools.connection.close();
await redis.stop();
