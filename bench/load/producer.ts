/**
 * A process that pushes frames as fast as a socket takes them.
 *
 *     node producer.js '{"port", "path", "messages", "bytes", "header", "connections"}'
 *
 * Prints `sent` once all is written, and stays until it is ended.
 */
import { once } from 'node:events';
import { clientFrame, openRawSocket } from './frames.js';

export interface ProducerTask {
  readonly port: number;
  readonly path: string;
  /** Messages of each connection. */
  readonly messages: number;
  readonly bytes: number;
  /** Whether a JSON header goes before each payload. */
  readonly header: boolean;
  readonly connections: number;
  /** Messages a second of each connection; 0: no limit. */
  readonly rate: number;
}

/** Messages are written in runs of about this size. */
const RUN_BYTES = 256 * 1024;
const TICK_MS = 5;

const task = JSON.parse(process.argv[2]!) as ProducerTask;
const payload = clientFrame(Buffer.alloc(task.bytes, 'x'));
const message = task.header
  ? Buffer.concat([clientFrame(Buffer.from(`[${task.bytes}]`), true), payload])
  : payload;
const runLength = Math.max(1, Math.floor(RUN_BYTES / message.length));
const run = Buffer.concat(Array.from({ length: runLength }, () => message));

async function produce(): Promise<void> {
  const socket = await openRawSocket(task.port, task.path);
  socket.resume();
  socket.on('error', (error) => {
    console.error(error);
    process.exit(1);
  });
  const start = performance.now();
  for (let sent = 0; sent < task.messages; ) {
    let due = task.messages - sent;
    if (task.rate > 0) {
      due = Math.min(due, Math.floor(((performance.now() - start) / 1000) * task.rate) - sent);
      if (due <= 0) {
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
        continue;
      }
    }
    const count = Math.min(runLength, due);
    sent += count;
    if (!socket.write(run.subarray(0, count * message.length))) await once(socket, 'drain');
  }
}

await Promise.all(Array.from({ length: task.connections }, produce));
console.log('sent');
