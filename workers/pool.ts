/**
 * The pool's worker: what touches payloads runs here, on a Redis connection of the worker's own, so that
 * bytes are packed where they are fetched. Piscina must not park its threads in `Atomics.wait`: the
 * connection would freeze with them.
 */
import { move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { asFailure } from '../src/errors.js';
import { RangeReader } from '../src/redis/range-reader.js';
import type { PoolAnswer, PoolTask, RangeResult, ThreadData } from './messages.js';

const reader = new RangeReader((workerData as ThreadData).target);

/** An answer whose buffers move to main instead of being copied. */
function moved(result: RangeResult): PoolAnswer<RangeResult> {
  const buffers = [...new Set(result.batches.map(({ buffer }) => buffer))];
  const movable = { [transferableSymbol]: buffers, [valueSymbol]: { ok: result } };
  return move(movable) as unknown as PoolAnswer<RangeResult>;
}

export default async function run(task: PoolTask): Promise<PoolAnswer<RangeResult>> {
  try {
    return moved({ batches: await reader.read(task) });
  } catch (error) {
    return { failure: asFailure(error).body };
  }
}
