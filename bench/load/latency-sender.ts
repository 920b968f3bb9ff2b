/**
 * The thread that sends each message when it is due, by a schedule that is fixed in advance: it sleeps
 * until shortly before and spins for the rest, since timers are too coarse. A thread of its own, so that
 * what receives sleeps until something comes, as any client does.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { type Link, openSender } from './latency-link.js';
import { clock, type Schedule } from './schedule.js';

/** A sleep may last nearly so much longer than asked, where a core must wake up for it. */
const SPIN_MS = 0.4;
/** A loop turn, in which answers are read, takes about so much. */
const TURN_MS = 0.03;
/** A schedule that is behind leaves no time for turns; without any, what a socket did not take stays here. */
const MOST_WITHOUT_TURN = 16;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

let withoutTurn = 0;

async function waitUntil(due: number): Promise<void> {
  const sleep = due - clock() - SPIN_MS;
  if (sleep > 0) Atomics.wait(sleeper, 0, 0, sleep);
  if (due - clock() > TURN_MS || withoutTurn === MOST_WITHOUT_TURN) {
    await turn();
    withoutTurn = 0;
  } else {
    withoutTurn++;
  }
  while (clock() < due);
}

const send = await openSender(workerData as Link);
parentPort!.on('message', async ({ first, messages, start, interval }: Schedule) => {
  for (let index = 0; index < messages; index++) {
    await waitUntil(start + index * interval);
    send(first + index);
  }
});
parentPort!.postMessage('ready');
