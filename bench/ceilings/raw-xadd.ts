/**
 * The ceiling of pushing: nothing but XADD commands made beforehand, written to Redis as fast as it takes
 * them.
 *
 *     node raw-xadd.js '{"path", "key", "maxLength", "bytes", "connections", "messages"}'
 *
 * Prints `done` with the seconds from the first byte written to the last reply, as JSON: {@link XaddTimes}.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { AppendStream } from '../../src/append/command.js';
import { AUTO_ID } from '../../src/protocol/push-message.js';

export interface RawXaddTask {
  /** Of Redis' Unix socket. */
  readonly path: string;
  readonly key: string;
  readonly maxLength: number;
  readonly bytes: number;
  readonly connections: number;
  /** Of each connection. */
  readonly messages: number;
}

export interface XaddTimes {
  readonly seconds: number;
  /** Share of a core that this process used in that time. */
  readonly load: number;
}

/** Commands are written in runs of about this size. */
const RUN_BYTES = 256 * 1024;
/** Each reply is an id as a bulk string, which holds no other `$`. */
const BULK = 36;

const task = JSON.parse(process.argv[2]!) as RawXaddTask;
const command = Buffer.concat([
  new AppendStream(task.key, task.maxLength).head(AUTO_ID),
  Buffer.from(`${task.bytes}\r\n`),
  Buffer.alloc(task.bytes, 'x'),
  Buffer.from('\r\n'),
]);
const runLength = Math.max(1, Math.floor(RUN_BYTES / command.length));
const run = Buffer.concat(Array.from({ length: runLength }, () => command));
const total = task.messages * task.connections;
let replies = 0;

function countReplies(chunk: Buffer): void {
  for (let at = chunk.indexOf(BULK); at >= 0; at = chunk.indexOf(BULK, at + 1)) replies++;
  if (replies < total) return;
  const milliseconds = performance.now() - start;
  const { user, system } = process.cpuUsage(cpuBefore);
  const times: XaddTimes = {
    seconds: milliseconds / 1000,
    load: (user + system) / 1000 / milliseconds,
  };
  console.log(`done ${JSON.stringify(times)}`);
  process.exit(0);
}

async function write(socket: Socket): Promise<void> {
  socket.once('data', (chunk: Buffer) => {
    if (chunk[0] !== BULK) throw new Error(`XADD was refused: ${chunk.subarray(0, 200)}`);
  });
  socket.on('data', countReplies);
  for (let sent = 0; sent < task.messages; ) {
    const count = Math.min(runLength, task.messages - sent);
    sent += count;
    if (!socket.write(run.subarray(0, count * command.length))) await once(socket, 'drain');
  }
}

const sockets = Array.from({ length: task.connections }, () => connect(task.path));
await Promise.all(sockets.map((socket) => once(socket, 'connect')));
const cpuBefore = process.cpuUsage();
const start = performance.now();
await Promise.all(sockets.map(write));
