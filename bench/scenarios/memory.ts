/**
 * Memory: resident KiB that an idle connection adds to the gateway's process.
 *
 * What the first thousand bring along (compiled code, a heap that grows in steps) is left out: counted is
 * what the next ten thousand add. Nothing is forced; a process is as large as it is a moment later. What the
 * kernel keeps for a socket is in no process, so in none of the figures either.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis } from '../../test/support/redis-server.js';
import type { IdleSocketsTask } from '../load/idle-sockets.js';
import { checkOpenFiles, ROOM_FOR_MANY } from '../load/many-sockets.js';
import { Started } from '../opening.js';
import { startProgram } from '../programs.js';
import type { FigureSpec, Scenario } from '../scenario.js';

const FIRST_SOCKETS = 1000;
const SOCKETS = 10_000;
const SETTLE_MS = 300;

const figure = (name: string, limit: number): FigureSpec => ({
  name: `${name} above a bare socket, of ${SOCKETS}`,
  unit: 'KiB',
  better: 'less',
  rivals: [],
  limit,
});

async function residentKib(pid: number): Promise<number> {
  return Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** @returns KiB that each of `count` more sockets adds to the process that they are opened to */
async function growth(started: Started, pid: number, task: IdleSocketsTask, count: number): Promise<number> {
  const sockets = started.add(startProgram('load/idle-sockets', task));
  const residentAt = async (opened: number) => {
    sockets.tell(String(opened));
    await sockets.says('open');
    await delay(SETTLE_MS);
    return residentKib(pid);
  };
  const before = await residentAt(FIRST_SOCKETS);
  return ((await residentAt(FIRST_SOCKETS + count)) - before) / count;
}

/** Measures a process that is new, since memory that was used once is not given back. */
async function measured(measure: (started: Started) => Promise<number>): Promise<number> {
  const started = new Started();
  try {
    return await measure(started);
  } finally {
    await started.stop();
  }
}

const measureBare = (count: number) =>
  measured(async (started) => {
    const server = started.add(startProgram('ceilings/bare-server', {}));
    const port = Number(await server.says('port'));
    return growth(started, server.process.pid!, { port, path: '/' }, count);
  });

const measureGateway = (path: string, count: number, main?: string) =>
  measured(async (started) => {
    const redis = started.add(await startRedis());
    const gateway = started.add(
      await startGatewayProcess({ REDIS_URL: redis.url, ...ROOM_FOR_MANY }, [], main),
    );
    return growth(started, gateway.process.pid!, { port: gateway.port, path }, count);
  });

const MEMORY_SCENARIO: Scenario = {
  scope: 'memory',
  isSteady: true,
  figures: [
    figure('an idle follower', 4),
    figure('an idle producer', 3),
    figure('a follower of a stream of its own', 6),
  ],
  open: async ({ scale, main }) => {
    const count = Math.round(SOCKETS * scale);
    checkOpenFiles(FIRST_SOCKETS + count);
    return {
      round: async () => {
        const bare = await measureBare(count);
        const follower = await measureGateway('/data/one/pull', count, main);
        const producer = await measureGateway('/data/one/push', count, main);
        const stream = await measureGateway('/data/s{}/pull', count, main);
        return [follower, producer, stream].map((ours) => ({ ours: ours - bare, rivals: [] }));
      },
      close: async () => {},
    };
  },
};

export const MEMORY_SCENARIOS: readonly Scenario[] = [MEMORY_SCENARIO];
