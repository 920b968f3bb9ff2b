/**
 * A process that holds WebSockets open and does nothing with them but answer pings.
 *
 *     node idle-sockets.js '{"port", "path"}'
 *
 * Told how many there are to be, it opens those that are missing and prints `open` when all are.
 */
import { createInterface } from 'node:readline';
import { openEach } from './many-sockets.js';
import { openReceivingSocket } from './received.js';

export interface IdleSocketsTask {
  readonly port: number;
  /** `{}` in it stands for the socket's number. */
  readonly path: string;
}

const PING = 0x89;
/** Masked by zeros, and empty as the pings are. */
const PONG = Buffer.of(0x8a, 0x80, 0, 0, 0, 0);

const task = JSON.parse(process.argv[2]!) as IdleSocketsTask;
let opened = 0;

async function open(count: number): Promise<void> {
  const from = opened;
  opened = count;
  await openEach(from, count, async (index) => {
    const path = task.path.replace('{}', String(index));
    const socket = await openReceivingSocket(task.port, path, (buffer, at) => {
      if (buffer[at] === PING) socket.write(PONG);
    });
    return socket;
  });
  console.log('open');
}

createInterface(process.stdin).on('line', (line) => void open(Number(line)));
