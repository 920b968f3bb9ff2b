/**
 * A process that holds WebSockets open and does nothing with them.
 *
 *     node idle-sockets.js '{"port", "path"}'
 *
 * Told how many there are to be, it opens those that are missing and prints `open` when all are.
 */
import { createInterface } from 'node:readline';
import { openSockets } from './many-sockets.js';

export interface IdleSocketsTask {
  readonly port: number;
  /** `{}` in it stands for the socket's number. */
  readonly path: string;
}

const task = JSON.parse(process.argv[2]!) as IdleSocketsTask;
let opened = 0;

async function open(count: number): Promise<void> {
  const from = opened;
  opened = count;
  await openSockets(task.port, from, count, (index) => ({
    path: task.path.replace('{}', String(index)),
    take: () => {},
  }));
  console.log('open');
}

createInterface(process.stdin).on('line', (line) => void open(Number(line)));
