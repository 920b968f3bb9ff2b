/**
 * A process that pushes frames made beforehand as fast as its sockets take them.
 *
 *     node producer.js '{"port", "path", "connections", "messages", "framing", "bytes", "entries", "window"}'
 *
 * With `subject` it publishes to NATS instead: each message is a frame of one PUB for each entry, and each
 * entry is acknowledged.
 *
 * Prints `ready` when all are connected and begins; `sent` once all is written; with a window `done` once
 * all is acknowledged. What follows either word is JSON: {@link ProducerTimes}. Stays until it is ended.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { ackCounter } from './acks.js';
import { clientFrame } from './frames.js';
import { type MessageShape, pushMessage } from './messages.js';
import { checkNatsAck, natsPublish, openNats } from './nats.js';
import { openReceivingSocket } from './received.js';

export interface ProducerTask extends MessageShape {
  readonly port: number;
  /** Of the WebSocket; of no meaning with `subject`. */
  readonly path: string;
  /** Of a JetStream stream. */
  readonly subject?: string;
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

/** One connection: what it writes again and again, and how many of its messages were acknowledged. */
interface Producer {
  readonly socket: Socket;
  readonly message: Buffer;
  acked: number;
  /** Called when `acked` has grown. */
  wake: () => void;
}

const task = JSON.parse(process.argv[2]!) as ProducerTask;
const total = task.messages * task.connections;

let acks = 0;

function count(producer: Producer, messages: number): void {
  producer.acked += messages;
  acks += messages;
  producer.wake();
  if (acks === total) tell('done');
}

async function openGateway(): Promise<Producer> {
  const counted = ackCounter();
  const closed = { heard: '' };
  const socket = await openReceivingSocket(task.port, task.path, (buffer, from, to) => {
    const bytes = Buffer.from(buffer.subarray(from, to));
    closed.heard = bytes.toString('latin1', 0, 200);
    if (task.window > 0) count(producer, counted(bytes));
  });
  const producer: Producer = { socket, message: pushMessage(task), acked: 0, wake: () => {} };
  socket.on('close', () => {
    console.error(`a producer was closed: ${closed.heard}`);
    process.exit(1);
  });
  return producer;
}

/** All entries of a message must be acknowledged before the message is. */
async function openNatsProducer(subject: string, index: number): Promise<Producer> {
  const inbox = `_ours.${process.pid}.${index}`;
  let entries = 0;
  const { socket, settle } = await openNats(task.port, (bytes, at, length) => {
    checkNatsAck(bytes, at, length);
    entries++;
    if (entries % task.entries === 0) count(producer, 1);
  });
  await settle(`SUB ${inbox} 1`);
  const entry = natsPublish(subject, inbox, Buffer.alloc(task.bytes, 'x'));
  const message = clientFrame(Buffer.concat(Array.from({ length: task.entries }, () => entry)));
  const producer: Producer = { socket, message, acked: 0, wake: () => {} };
  return producer;
}

async function produce(producer: Producer): Promise<void> {
  const { socket, message } = producer;
  const runLength = Math.max(1, Math.floor(RUN_BYTES / message.length));
  const run = Buffer.concat(Array.from({ length: runLength }, () => message));
  for (let sent = 0; sent < task.messages; ) {
    let due = Math.min(runLength, task.messages - sent);
    if (task.window > 0) {
      due = Math.min(due, producer.acked + task.window - sent);
      if (due <= 0) {
        await new Promise<void>((resolve) => {
          producer.wake = resolve;
        });
        continue;
      }
    }
    sent += due;
    if (!socket.write(run.subarray(0, due * message.length))) await once(socket, 'drain');
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

const producers = await Promise.all(
  Array.from({ length: task.connections }, (_, index) =>
    task.subject === undefined ? openGateway() : openNatsProducer(task.subject, index),
  ),
);
console.log('ready');
const cpuBefore = process.cpuUsage();
const start = performance.now();
await Promise.all(producers.map(produce));
tell('sent');
