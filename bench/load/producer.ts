/**
 * A process that pushes frames made beforehand as fast as its sockets take them.
 *
 *     node producer.js '{"port", "path", "connections", "messages", "framing", "bytes", "entries", "window"}'
 *
 * Prints `ready` when all are connected and begins; `sent` once all is written; with a window `done` once
 * all is acknowledged. What follows either word is JSON: {@link ProducerTimes}. Stays until it is ended.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { ackCounter } from './acks.js';
import { openRawSocket } from './frames.js';
import { type MessageShape, pushMessage } from './messages.js';

export interface ProducerTask extends MessageShape {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  /** Of each connection. */
  readonly messages: number;
  /** Messages of a connection that may wait for their ack (`ack=1` is up to the path); 0: none is awaited. */
  readonly window: number;
}

export interface ProducerTimes {
  /** From the first byte written until now. */
  readonly seconds: number;
  /** Share of a core that this process used in that time. */
  readonly load: number;
}

/** Messages are written in runs of about this size. */
const RUN_BYTES = 256 * 1024;

const task = JSON.parse(process.argv[2]!) as ProducerTask;
const message = pushMessage(task);
const runLength = Math.max(1, Math.floor(RUN_BYTES / message.length));
const run = Buffer.concat(Array.from({ length: runLength }, () => message));
const total = task.messages * task.connections;

let acks = 0;

/** @returns the count of the socket's acknowledged messages, which grows */
function countAcks(socket: Socket): { count: number } {
  const own = { count: 0 };
  const counted = ackCounter();
  socket.on('data', (chunk: Buffer) => {
    const count = counted(chunk);
    own.count += count;
    acks += count;
    if (acks === total) tell('done');
  });
  return own;
}

async function produce(socket: Socket): Promise<void> {
  let heard: Buffer | undefined;
  socket.on('data', (chunk: Buffer) => {
    heard = chunk;
  });
  socket.on('close', () => {
    console.error(`a producer was closed: ${heard?.subarray(0, 200)}`);
    process.exit(1);
  });
  const acked = task.window > 0 ? countAcks(socket) : undefined;
  socket.resume();
  for (let sent = 0; sent < task.messages; ) {
    let due = task.messages - sent;
    if (acked !== undefined) {
      due = Math.min(due, acked.count + task.window - sent);
      if (due <= 0) {
        await once(socket, 'data');
        continue;
      }
    }
    const count = Math.min(runLength, due);
    sent += count;
    if (!socket.write(run.subarray(0, count * message.length))) await once(socket, 'drain');
  }
}

function tell(word: string): void {
  const milliseconds = performance.now() - start;
  const { user, system } = process.cpuUsage(cpuBefore);
  const times: ProducerTimes = {
    seconds: milliseconds / 1000,
    load: (user + system) / 1000 / milliseconds,
  };
  console.log(`${word} ${JSON.stringify(times)}`);
}

const sockets = await Promise.all(
  Array.from({ length: task.connections }, () => openRawSocket(task.port, task.path)),
);
console.log('ready');
const cpuBefore = process.cpuUsage();
const start = performance.now();
await Promise.all(sockets.map(produce));
tell('sent');
