/**
 * A process that writes stamped entries straight into Redis at a steady rate, to some streams in turn.
 *
 *     node stamped-writer.js '{"socketPath", "key", "streams", "rate"}'
 *
 * Prints `ready` once it is connected. Told for how many seconds to write, and at which other rate where
 * that is not the task's, it prints `wrote` and how many entries that were when they are written.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { AppendStream } from '../../src/append/command.js';
import { AUTO_ID } from '../../src/protocol/push-message.js';
import { openReceivingRedis } from './received.js';
import { STAMPED_BYTES, stamp } from './stamped-entries.js';

export interface StampedWriterTask {
  /** Of Redis' Unix socket. */
  readonly socketPath: string;
  /** What the streams' keys begin with; their numbers follow. */
  readonly key: string;
  readonly streams: number;
  /** Entries a second, over all streams. */
  readonly rate: number;
}

const KEPT_ENTRIES = 1000;
const TICK_MS = 1;
const MINUS = 45;
const END = Buffer.from('\r\n');

const task = JSON.parse(process.argv[2]!) as StampedWriterTask;
const commands = Array.from({ length: task.streams }, (_, index) =>
  Buffer.concat([
    new AppendStream(`${task.key}${index}`, KEPT_ENTRIES).head(AUTO_ID),
    Buffer.from(`${STAMPED_BYTES}\r\n`),
    Buffer.alloc(STAMPED_BYTES),
    END,
  ]),
);
const socket = await openReceivingRedis(task.socketPath, (buffer, from, to) => {
  // Where the first is not refused the others will not be either; that all arrive is for readers to check.
  if (buffer[from] === MINUS) throw new Error(Buffer.from(buffer.subarray(from, to)).toString());
});

let next = 0;

function writeEntries(count: number): void {
  const due: Buffer[] = [];
  for (let index = 0; index < count; index++) {
    const command = commands[next]!;
    next = (next + 1) % commands.length;
    stamp(command, command.length - END.length - STAMPED_BYTES);
    due.push(command);
  }
  socket.write(Buffer.concat(due));
}

async function write(seconds: number, rate: number): Promise<void> {
  const total = Math.round(seconds * rate);
  const start = performance.now();
  for (let written = 0; written < total; ) {
    const due = Math.floor(((performance.now() - start) * rate) / 1000) + 1;
    const count = Math.min(due, total) - written;
    if (count > 0) writeEntries(count);
    written += count;
    await delay(TICK_MS);
  }
  console.log(`wrote ${total}`);
}

createInterface(process.stdin).on('line', (line) => {
  const [seconds, rate = task.rate] = line.split(' ').map(Number);
  void write(seconds!, rate);
});
console.log('ready');
