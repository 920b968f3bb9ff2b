/**
 * Catching up: one follower replays a stream's history from its beginning, upgrade included, against
 * XRANGE after XRANGE of the same on a raw socket.
 */
import { type GatewayProcess, startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis, type TestRedis } from '../../test/support/redis-server.js';
import type { RawXrangeTask } from '../ceilings/raw-xrange.js';
import { fillStream } from '../load/fill.js';
import type { FollowerResult, ReplayTask } from '../load/follower.js';
import { pullFrames } from '../load/pull-frames.js';
import { opening } from '../opening.js';
import { startProgram } from '../programs.js';
import type { FigureSpec, Scenario } from '../scenario.js';
import { roundOf, withCost } from '../side.js';

interface Replay {
  readonly framing: 'raw' | 'msgpack';
  /** The parameters that ask for it. */
  readonly query: string;
  readonly count: number;
  /** Of the ceiling. */
  readonly target: number;
}

interface History {
  readonly stream: string;
  readonly name: string;
  readonly bytes: number;
  readonly entries: number;
  /** Of each raw range: about what a gateway's worker reads at once. */
  readonly rangeCount: number;
  readonly unit: 'MB/s' | 'entries/s';
  /** As those ask for it who replay entries of that size. */
  readonly replay: Replay;
}

const HISTORIES: readonly History[] = [
  {
    stream: 'large',
    name: '1 GB in entries of 200 kB',
    bytes: 200_000,
    entries: 5000,
    rangeCount: 20,
    unit: 'MB/s',
    replay: { framing: 'raw', query: 'header=0', count: 1, target: 0.7 },
  },
  {
    stream: 'small',
    name: '500 000 entries of 100 B',
    bytes: 100,
    entries: 500_000,
    rangeCount: 10_000,
    unit: 'entries/s',
    replay: { framing: 'msgpack', query: 'header=msgpack&count=100', count: 100, target: 0.4 },
  },
];

const keyOf = ({ stream }: History) => `default:${stream}`;

function figureSpec({ name, unit, replay: { query, target } }: History): FigureSpec {
  return {
    name: `catch-up on ${name}, ${query.replace('&', ', ')}`,
    unit,
    better: 'more',
    rivals: [{ label: 'raw XRANGE', kind: 'ceiling', target }],
  };
}

/** @returns entries a second */
async function replayed(gateway: GatewayProcess, history: History, entries: number): Promise<number> {
  const { stream, bytes, replay } = history;
  const { framing, query, count } = replay;
  const { wire } = pullFrames(framing, stream, count, bytes);
  const path = `/data/${stream}/pull?${query}&block=0&last_entry_id=0`;
  const consumer = startProgram('load/follower', {
    port: gateway.port,
    path,
    followers: 1,
    wire,
    entries,
  } satisfies ReplayTask);
  try {
    return (JSON.parse(await consumer.says('done')) as FollowerResult).rate;
  } finally {
    await consumer.stop();
  }
}

/** @returns entries a second */
async function readRaw(redis: TestRedis, history: History, entries: number): Promise<number> {
  const { bytes, rangeCount } = history;
  const task: RawXrangeTask = {
    socketPath: redis.path,
    key: keyOf(history),
    entries,
    bytes,
    count: rangeCount,
  };
  const reader = startProgram('ceilings/raw-xrange', task);
  try {
    return Number(await reader.says('done'));
  } finally {
    await reader.stop();
  }
}

function catchUpScenario(history: History): Scenario {
  const { bytes, unit } = history;
  const inUnit = unit === 'MB/s' ? bytes / 1e6 : 1;
  return {
    scope: 'catch-up',
    figures: [figureSpec(history)],
    open: ({ scale, main }) =>
      opening(async (started) => {
        const entries = history.entries * scale;
        const redis = started.add(await startRedis());
        const gateway = started.add(await startGatewayProcess({ REDIS_URL: redis.url }, [], main));
        await fillStream({ socketPath: redis.path, key: keyOf(history), entries, bytes });
        return async () => {
          const store = redis.process.pid!;
          const each = () => entries;
          const raw = await withCost(
            { pid: store, others: [] },
            () => readRaw(redis, history, entries),
            each,
          );
          const side = { pid: gateway.process.pid!, others: [store] };
          const ours = await withCost(side, () => replayed(gateway, history, entries), each);
          return [roundOf(ours, [raw], (rate) => rate * inUnit)];
        };
      }),
  };
}

export const CATCH_UP_SCENARIOS = HISTORIES.map(catchUpScenario);
