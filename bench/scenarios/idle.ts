/**
 * An idle gateway: how often its threads wake up, which keeps a small machine from sleeping. Counted are the
 * times that a thread gave up its core by itself, over all threads of the process.
 */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis } from '../../test/support/redis-server.js';
import { opening } from '../opening.js';
import type { Scenario } from '../scenario.js';

/** After the start, in which code is compiled and memory is tidied. */
const SETTLE_MS = 5000;
const SECONDS = 10;
const LEAST_SECONDS = 5;

async function wakeUps(pid: number): Promise<number> {
  let sum = 0;
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const status = await readFile(`/proc/${pid}/task/${thread}/status`, 'utf8');
    sum += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
  }
  return sum;
}

export const IDLE_SCENARIOS: readonly Scenario[] = [
  {
    scope: 'idle',
    isSteady: true,
    figures: [
      { name: 'wake-ups of an idle gateway', unit: 'a second', better: 'less', rivals: [], limit: 10 },
    ],
    open: ({ scale, main }) =>
      opening(async (started) => {
        const redis = started.add(await startRedis());
        const gateway = started.add(await startGatewayProcess({ REDIS_URL: redis.url }, [], main));
        const pid = gateway.process.pid!;
        const seconds = Math.max(LEAST_SECONDS, SECONDS * scale);
        return async () => {
          await delay(SETTLE_MS);
          const before = await wakeUps(pid);
          await delay(seconds * 1000);
          return [{ ours: ((await wakeUps(pid)) - before) / seconds, rivals: [] }];
        };
      }),
  },
];
