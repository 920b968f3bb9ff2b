/** What memory is in use. `process.memoryUsage()` opens a file, so it throws while descriptors have run out. */
import { openSync, readSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';

/** Bytes of this thread's heap, and of the buffers that belong to it. */
export function heapBytes(): number {
  const { total_heap_size, external_memory } = getHeapStatistics();
  return total_heap_size + external_memory;
}

/** @returns reads the resident bytes of the process, in microseconds and without a new descriptor */
export function openResidentBytes(): () => number {
  let status: number;
  try {
    status = openSync('/proc/self/status', 'r');
  } catch {
    // Only Linux has it; elsewhere Node asks the system without a file.
    return () => process.memoryUsage.rss();
  }
  const buffer = Buffer.alloc(4096);
  return () => {
    const text = buffer.toString('latin1', 0, readSync(status, buffer, 0, buffer.length, 0));
    return Number(/^VmRSS:\s*(\d+) kB$/m.exec(text)![1]) * 1024;
  };
}
