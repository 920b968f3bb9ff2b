/**
 * A process that pushes as cameras do: each on a connection and into a stream of its own, so many frames a second,
 * the cameras one after the other.
 *
 *     node camera-producer.js '{"port", "sid", "cameras", "rate", "bytes"}'
 *
 * Prints `ready` when all are connected. Each line it reads is for how many seconds to push; when all frames are
 * acknowledged it prints `pushed` and how many there were. A refused frame is an error.
 */
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { ackCounter } from './acks.js';
import { pushMessage } from './messages.js';
import { openReceivingSocket } from './received.js';

export interface CameraProducerTask {
  readonly port: number;
  /** What the streams' ids begin with; their numbers follow. */
  readonly sid: string;
  readonly cameras: number;
  /** Frames a second of each camera. */
  readonly rate: number;
  readonly bytes: number;
}

const TICK_MS = 1;
const PATIENCE_MS = 10_000;

const task = JSON.parse(process.argv[2]!) as CameraProducerTask;
const message = pushMessage({ framing: 'raw', bytes: task.bytes, entries: 1 });
let acked = 0;

async function open(index: number): Promise<Socket> {
  const counted = ackCounter();
  const path = `/data/${task.sid}${index}/push?header=0&ack=1`;
  const socket = await openReceivingSocket(task.port, path, (buffer, from, to) => {
    acked += counted(Buffer.from(buffer.subarray(from, to)));
  });
  socket.on('close', () => {
    throw new Error(`camera ${index} was closed`);
  });
  return socket;
}

const sockets = await Promise.all(Array.from({ length: task.cameras }, (_, index) => open(index)));

async function push(seconds: number): Promise<void> {
  const rate = task.rate * task.cameras;
  const total = Math.round(seconds * rate);
  acked = 0;
  const start = performance.now();
  for (let sent = 0; sent < total; await delay(TICK_MS)) {
    const due = Math.min(total, Math.floor(((performance.now() - start) * rate) / 1000) + 1);
    for (; sent < due; sent++) sockets[sent % sockets.length]!.write(message);
  }
  const deadline = performance.now() + PATIENCE_MS;
  while (acked < total && performance.now() < deadline) await delay(TICK_MS);
  if (acked !== total) throw new Error(`${acked} of ${total} frames were acknowledged`);
  console.log(`pushed ${total}`);
}

createInterface(process.stdin).on('line', (line) => void push(Number(line)));
console.log('ready');
