/**
 * A reader thread: follows a set of streams for everyone, packs what comes and transfers it to main.
 *
 * Promises: the entries of a stream come in order, each once, from after the id that it was followed
 * from, across reconnections and moves to other servers of a cluster; a key that cannot be read is told, taken out and
 * harms no other; a stream that ends before what was read of it is told, and left alone until it is followed anew; at
 * most `MAX_UNDERWAY_BYTES` and one reply per connection are under way to main.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { heapBytes } from '../src/system/memory.js';
import { ClusterReader } from './cluster-reader.js';
import type { ReaderCommand, ThreadData } from './messages.js';
import { StreamReader } from './stream-reader.js';
import type { Post, ThreadReader } from './thread-reader.js';
import { Underway } from './underway.js';

const { target, cluster } = workerData as ThreadData;
const underway = new Underway();
const post: Post = (event, transfer = []) => parentPort?.postMessage(event, transfer);

function openReader(): ThreadReader {
  if (cluster !== undefined) return new ClusterReader(target, cluster, underway, post);
  return new StreamReader(target, underway, {
    post,
    connected: () => post({ type: 'connected' }),
    disconnected: ({ message }, wasReady) => wasReady && post({ type: 'disconnected', reason: message }),
    redirected: () => false,
    missing: () => {},
  });
}

const reader = openReader();

function take(command: ReaderCommand): void {
  if (command.type === 'follow') reader.follow(command);
  else if (command.type === 'unfollow') reader.unfollow(command.key);
  else if (command.type === 'count') reader.count(command.key, command.isCounted);
  else if (command.type === 'check') reader.check(command.key);
  else if (command.type === 'consumed') {
    underway.bytes -= command.bytes;
    reader.readOn();
  } else if (command.type === 'beat') post({ type: 'beat', bytes: heapBytes() });
  else {
    reader.close();
    parentPort?.close();
  }
}

parentPort?.on('message', take);
reader.start();
