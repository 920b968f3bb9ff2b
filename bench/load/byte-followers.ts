/**
 * A process that follows some streams with many raw sockets and counts the bytes that they are sent.
 *
 *     node byte-followers.js '{"port", "sid", "streams", "followers", "bytes"}'
 *
 * Prints `ready` when all follow. Each line it reads is how many more entries each stream has got; it waits until every
 * follower has them, and prints `received`. A lost or doubled entry is an error.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { openSockets } from './many-sockets.js';
import { pullFrames } from './pull-frames.js';

export interface ByteFollowersTask {
  readonly port: number;
  /** What the streams' ids begin with; their numbers follow. */
  readonly sid: string;
  readonly streams: number;
  /** Of each stream. */
  readonly followers: number;
  /** Of each entry. */
  readonly bytes: number;
}

const POLL_MS = 5;
const PATIENCE_MS = 10_000;
/** For what may come after the last entry. */
const SURPLUS_MS = 30;

const task = JSON.parse(process.argv[2]!) as ByteFollowersTask;
const { wire } = pullFrames('raw', task.sid, 1, task.bytes);
const received = new Float64Array(task.streams * task.followers);

async function check(entries: number): Promise<void> {
  const expected = entries * wire.wireBytes!;
  const deadline = performance.now() + PATIENCE_MS;
  while (received.some((bytes) => bytes < expected) && performance.now() < deadline) await delay(POLL_MS);
  await delay(SURPLUS_MS);
  const wrong = received.find((bytes) => bytes !== expected);
  if (wrong !== undefined) throw new Error(`a follower was sent ${wrong} of ${expected} bytes`);
  received.fill(0);
  console.log('received');
}

await openSockets(task.port, 0, received.length, (index) => ({
  path: `/data/${task.sid}${index % task.streams}/pull?header=0`,
  take: (_buffer, from, to) => {
    received[index]! += to - from;
  },
}));
createInterface(process.stdin).on('line', (line) => void check(Number(line)));
console.log('ready');
