/**
 * A process that follows a stream live and pushes many small entries to it in one write.
 *
 *     node burst.js '{"port", "stream", "entries", "bytes"}'
 *
 * Prints `ready` once it follows; for each line on its standard input it pushes a burst, and prints `got`
 * with how many entries of it the follower was sent. An entry that was not stored is an error: every message
 * is acknowledged.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { ackCounter } from './acks.js';
import { countEntries } from './entry-counter.js';
import { clientFrame } from './frames.js';
import { pullFrames } from './pull-frames.js';
import { openReceivingSocket } from './received.js';

export interface BurstTask {
  readonly port: number;
  readonly stream: string;
  /** Of a burst. */
  readonly entries: number;
  /** Of each entry. */
  readonly bytes: number;
}

const POLL_MS = 5;
const PATIENCE_MS = 10_000;
/** Nothing more comes to a follower that was sent nothing for so long after the last ack. */
const QUIET_MS = 500;
/** The first entry has come, so it follows; then what an open socket does by itself is over. */
const SETTLE_MS = 100;

const { port, stream, entries, bytes } = JSON.parse(process.argv[2]!) as BurstTask;
const { wire } = pullFrames('raw', stream, 1, bytes);
const counter = countEntries(wire);
await openReceivingSocket(port, `/data/${stream}/pull?header=0&block=0`, counter.take);
const counted = ackCounter();
let acked = 0;
const producer = await openReceivingSocket(
  port,
  `/data/${stream}/push?header=0&ack=1`,
  (buffer, from, to) => {
    acked += counted(Buffer.from(buffer.subarray(from, to)));
  },
);
const frame = clientFrame(Buffer.alloc(bytes, 'x'));
const frames = Buffer.concat(Array.from({ length: entries }, () => frame));

/** @throws Error where entries are not acknowledged in time */
async function acknowledged(total: number): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (acked < total) {
    if (performance.now() > deadline) throw new Error(`${acked} of ${total} entries were acknowledged`);
    await delay(POLL_MS);
  }
}

/** @returns how many entries the follower was sent of those pushed now */
async function burst(data: Buffer, count: number): Promise<number> {
  const before = counter.entries();
  const ackedBefore = acked;
  producer.write(data);
  await acknowledged(ackedBefore + count);
  let seen = counter.entries();
  for (let since = performance.now(); seen < before + count && performance.now() - since < QUIET_MS; ) {
    await delay(POLL_MS);
    if (counter.entries() > seen) since = performance.now();
    seen = counter.entries();
  }
  return seen - before;
}

while ((await burst(frame, 1)) === 0);
await delay(SETTLE_MS);
console.log('ready');
createInterface(process.stdin).on('line', async () => {
  console.log(`got ${await burst(frames, entries)}`);
});
