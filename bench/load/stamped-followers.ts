/**
 * A process that follows many streams, each on a raw socket, and looks at how old their stamped entries are.
 *
 *     node stamped-followers.js '{"port", "sid", "streams"}'
 *
 * Prints `ready` once all follow. Told how many entries there will have been since it was last told, it
 * waits for them and prints `lag` with their ages, as JSON: {@link Lag}. One lost, or sent twice, is an error.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { openSockets } from './many-sockets.js';
import type { TakeBytes } from './received.js';
import { age, STAMPED_BYTES } from './stamped-entries.js';

export interface StampedFollowersTask {
  readonly port: number;
  /** What the streams' ids begin with; their numbers follow. */
  readonly sid: string;
  readonly streams: number;
}

/** In milliseconds. */
export interface Lag {
  readonly p50: number;
  readonly p99: number;
}

/** Before a server's payload of this length. */
const HEAD_BYTES = 2;
const FRAME_BYTES = HEAD_BYTES + STAMPED_BYTES;
const POLL_MS = 5;
const PATIENCE_MS = 10_000;
/** For what may come after the last entry. */
const SURPLUS_MS = 30;

const task = JSON.parse(process.argv[2]!) as StampedFollowersTask;
let ages: number[] = [];

/** Takes a frame as soon as it is whole. */
function frameTaker(): TakeBytes {
  const frame = Buffer.alloc(FRAME_BYTES);
  let filled = 0;
  return (buffer, from, to) => {
    for (let at = from; at < to; ) {
      const end = Math.min(to, at + FRAME_BYTES - filled);
      frame.set(buffer.subarray(at, end), filled);
      filled += end - at;
      at = end;
      if (filled < FRAME_BYTES) return;
      filled = 0;
      ages.push(age(frame.subarray(HEAD_BYTES)));
    }
  };
}

async function report(entries: number): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (ages.length < entries && performance.now() < deadline) await delay(POLL_MS);
  await delay(SURPLUS_MS);
  if (ages.length !== entries) throw new Error(`${ages.length} of ${entries} entries came`);
  const sorted = Float64Array.from(ages).sort();
  ages = [];
  const share = (part: number) => sorted[Math.min(entries - 1, Math.floor(entries * part))]!;
  const lag: Lag = { p50: share(0.5), p99: share(0.99) };
  console.log(`lag ${JSON.stringify(lag)}`);
}

await openSockets(task.port, 0, task.streams, (index) => ({
  path: `/data/${task.sid}${index}/pull?header=0`,
  take: frameTaker(),
}));
createInterface(process.stdin).on('line', (line) => void report(Number(line)));
console.log('ready');
