/** Keys in alphabetical order, brought into it in slices: to sort some 100 000 at once holds up everyone. */
import { TimeSlices } from './time-slices.js';

/** Sorted at once. */
const RUN_LENGTH = 4096;

/** Sorts keys, each of which is there once. */
export async function sortInSlices(keys: readonly string[]): Promise<string[]> {
  const slices = new TimeSlices();
  let runs: string[][] = [];
  for (let from = 0; from < keys.length; from += RUN_LENGTH) {
    runs.push(keys.slice(from, from + RUN_LENGTH).sort());
    await slices.pause();
  }
  while (runs.length > 1) {
    const merged: string[][] = [];
    for (let index = 0; index < runs.length; index += 2) {
      merged.push(await mergeSorted(runs[index]!, runs[index + 1] ?? []));
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

/** Merges two sorted lists; a key that is in both is there once. */
export async function mergeSorted(one: readonly string[], other: readonly string[]): Promise<string[]> {
  const slices = new TimeSlices();
  const merged: string[] = [];
  let [left, right] = [0, 0];
  while (left < one.length || right < other.length) {
    const [a, b] = [one[left], other[right]];
    const isFirst = b === undefined || (a !== undefined && a <= b);
    merged.push(isFirst ? a! : b);
    if (isFirst) left++;
    if (!isFirst || a === b) right++;
    if (merged.length % RUN_LENGTH === 0) await slices.pause();
  }
  return merged;
}
