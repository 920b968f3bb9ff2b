/**
 * A process that follows with many raw sockets and counts bytes, which is all that it costs it.
 *
 *     node follower.js '{"port", "path", "followers", "bytesEach"}'
 *
 * Prints `ready` when all are connected, and `done` with the milliseconds from the first byte to the
 * last once every follower has had its bytes.
 */
import { openRawSocket } from './frames.js';

export interface FollowerTask {
  readonly port: number;
  readonly path: string;
  readonly followers: number;
  /** Bytes on the wire after which a follower is done. */
  readonly bytesEach: number;
}

const task = JSON.parse(process.argv[2]!) as FollowerTask;
let first = 0;
let remaining = task.followers;

const sockets = await Promise.all(
  Array.from({ length: task.followers }, () => openRawSocket(task.port, task.path)),
);
for (const socket of sockets) {
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    first ||= performance.now();
    bytes += chunk.length;
    if (bytes >= task.bytesEach && bytes - chunk.length < task.bytesEach) {
      remaining--;
      if (remaining === 0) console.log(`done ${performance.now() - first}`);
    }
  });
  socket.resume();
  socket.on('close', () => {
    if (bytes < task.bytesEach) {
      console.error(`a follower was closed after ${bytes} of ${task.bytesEach} bytes`);
      process.exit(1);
    }
  });
}
console.log('ready');
