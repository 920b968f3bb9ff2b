/**
 * The pool's worker: what touches payloads runs here, on Redis connections of the worker's own, so that
 * bytes are packed where they are fetched. Piscina must not park its threads in `Atomics.wait`: the
 * connections would freeze with them.
 */
import { MessageChannel, parentPort, threadId } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { Failure } from '../src/protocol/errors.js';
import { openKeyReads } from '../src/redis/cluster/open-key-reads.js';
import { RangeReader } from '../src/redis/range-reader.js';
import { heapBytes } from '../src/system/memory.js';
import type { PoolAnswer, PoolGreeting, PoolTask, PoolTasks, RangeResult, ThreadData } from './messages.js';
import { RangeServer } from './range-server.js';
import { StreamDescriber } from './stream-describer.js';
import { decodeEntry } from './stream-description.js';

const { target, cluster } = workerData as ThreadData;
const reads = openKeyReads(target, cluster, 'pool');
const ranges = new RangeReader(reads);
const rangeServer = new RangeServer(ranges);
const describer = new StreamDescriber(reads);

// Piscina takes all that comes on the parent's port for its own.
const { port1, port2 } = new MessageChannel();
port1.on('message', () => port1.postMessage(heapBytes()));
parentPort?.postMessage({ threadId, beats: port2 } satisfies PoolGreeting, [port2]);

type Answer = PoolTasks[keyof PoolTasks]['answer'];

/** An answer whose buffers move to main instead of being copied. */
function moved(result: RangeResult): PoolAnswer<Answer> {
  const buffers = [...new Set(result.batches.map(({ buffer }) => buffer))];
  const movable = { [transferableSymbol]: buffers, [valueSymbol]: { ok: result } };
  return move(movable) as unknown as PoolAnswer<Answer>;
}

export default async function run(task: PoolTask): Promise<PoolAnswer<Answer>> {
  try {
    if (task.type === 'range') return moved({ batches: await ranges.read(task) });
    if (task.type === 'ranges') {
      rangeServer.serve(task);
      return { ok: undefined };
    }
    if (task.type === 'describe') return { ok: await describer.describe(task) };
    return { ok: decodeEntry(task.payload, task.forms) };
  } catch (error) {
    // What nobody has foreseen goes to main as it is, for the log.
    if (!(error instanceof Failure)) throw error;
    return { failure: error.body };
  }
}
