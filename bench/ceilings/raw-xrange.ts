/**
 * The ceiling of catching up: XRANGE after XRANGE on a raw socket, the bytes counted only.
 *
 *     node raw-xrange.js '{"socketPath", "key", "entries", "bytes", "count"}'
 *
 * Reads a stream that was filled with ids of fixed width; prints `done` with the entries a second.
 */
import { bulk } from '../../src/redis/resp.js';
import { entryReplyBytes, fixedId } from '../load/fixed-entries.js';
import { openReceivingRedis } from '../load/received.js';

export interface RawXrangeTask {
  readonly socketPath: string;
  readonly key: string;
  /** That the stream has. */
  readonly entries: number;
  /** Of each payload. */
  readonly bytes: number;
  /** Entries of a range. */
  readonly count: number;
}

const task = JSON.parse(process.argv[2]!) as RawXrangeTask;
const entryBytes = entryReplyBytes(task.bytes);
const words = ['XRANGE', task.key];
const head = `*${words.length + 4}\r\n${words.map(bulk).join('')}`;
const tail = ['+', 'COUNT', String(task.count)].map(bulk).join('');
/** Entries that were asked for, those on the way included. */
let asked = 0;
/** Bytes of the present reply that are still to come. */
let missing = 0;

const socket = await openReceivingRedis(task.socketPath, (_buffer, from, to) => {
  missing -= to - from;
  if (missing < 0) throw new Error('Redis answered more than the range has');
  if (missing > 0) return;
  if (asked < task.entries) ask();
  else finish();
});

function ask(): void {
  const entries = Math.min(task.count, task.entries - asked);
  missing = `*${entries}\r\n`.length + entries * entryBytes;
  socket.write(head + bulk(asked === 0 ? '-' : `(${fixedId(asked - 1)}`) + tail);
  asked += entries;
}

function finish(): void {
  console.log(`done ${(task.entries * 1000) / (performance.now() - start)}`);
  process.exit();
}

const start = performance.now();
ask();
