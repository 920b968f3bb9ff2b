/** How much of the machine others take, whose work makes CPU time say less. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuSeconds } from '../programs.js';

/** Linux counts CPU time in hundredths of a second. */
const TICKS_A_SECOND = 100;
/** Cores. While others take more, nothing is measured. */
export const QUIET = 0.5;
const LOOK_MS = 500;
const PATIENCE_MS = 40 * 60_000;

/** CPU seconds that the whole machine has used since its start. */
export async function machineSeconds(): Promise<number> {
  const [user, nice, system, , , interrupts, soft] = /^cpu +(.*)$/m
    .exec(await readFile('/proc/stat', 'utf8'))![1]!
    .split(' ')
    .map(Number);
  return (user! + nice! + system! + interrupts! + soft!) / TICKS_A_SECOND;
}

/** Resolves once others than those processes do next to nothing. @throws Error where they always do something */
export async function untilQuiet(ownPids: readonly number[]): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  const secondsOfOthers = async () => (await machineSeconds()) - (await cpuSeconds(...ownPids));
  while (performance.now() < deadline) {
    const before = await secondsOfOthers();
    await delay(LOOK_MS);
    if ((await secondsOfOthers()) - before < (QUIET * LOOK_MS) / 1000) return;
  }
  throw new Error(`others use more than ${QUIET} of a core all the time`);
}
