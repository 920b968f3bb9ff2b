/** One measurement of fan-out: a followers' process in front of a server, whichever that is. */
import type { FeedWindow } from '../load/feed.js';
import type { FollowerResult, LiveTask } from '../load/follower.js';
import { pullFrames } from '../load/pull-frames.js';
import { startProgram } from '../programs.js';
import { type Costed, type Side, withCost } from '../side.js';

export interface FanOutCase {
  readonly followers: number;
  /** Of an entry. */
  readonly bytes: number;
  readonly header: '0' | '1' | 'msgpack';
  readonly count: number;
}

export interface Timing {
  readonly warmUpMs: number;
  readonly ms: number;
}

export interface FollowedServer extends Pick<LiveTask, 'port' | 'path' | 'feed' | 'broker'> {
  /** Its processes. */
  readonly side: Side;
}

/** Deliveries a second. */
export type Followed = Costed;

const FRAMINGS = { '0': 'raw', '1': 'json', msgpack: 'msgpack' } as const;
/** Entries from this size on are few, and one of them is enough for a run. */
const LARGE_BYTES = 16 * 1024;
const MANY_FOLLOWERS = 100;

/** All names have one length, and so have the headers that they are in. */
export const streamName = (number: number) => `f${String(number).padStart(5, '0')}`;

export const framesOf = ({ header, count, bytes }: FanOutCase) =>
  pullFrames(FRAMINGS[header], streamName(0), count, bytes);

/** Enough under way to keep everybody busy, and no more than goes out in a fraction of a second. */
export function windowFor({ followers, bytes }: FanOutCase): FeedWindow {
  if (bytes >= LARGE_BYTES) return { runEntries: 1, runs: followers > MANY_FOLLOWERS ? 4 : 10 };
  return { runEntries: followers > MANY_FOLLOWERS ? 100 : 1000, runs: 8 };
}

/** The peer is far slower. */
export const peerWindowFor = ({ bytes }: FanOutCase): FeedWindow =>
  bytes >= LARGE_BYTES ? { runEntries: 1, runs: 4 } : { runEntries: 100, runs: 4 };

/** Follows until every follower has every entry, each once. */
export async function follow(fanOut: FanOutCase, server: FollowedServer, timing: Timing): Promise<Followed> {
  const { side, ...target } = server;
  const { followers } = fanOut;
  const { wire } = framesOf(fanOut);
  const consumer = startProgram('load/follower', {
    ...target,
    ...timing,
    followers,
    wire,
  } satisfies LiveTask);
  try {
    await consumer.says('ready');
    const { result, ...cost } = await withCost(
      side,
      async () => JSON.parse(await consumer.says('done')) as FollowerResult,
      ({ deliveries }) => deliveries,
    );
    return { result: result.rate, ...cost };
  } finally {
    await consumer.stop();
  }
}
