/**
 * How the gateway stops serving, within SHUTDOWN_GRACE_MS:
 *
 * 1. New requests are refused with `shutting_down`; those that wait for entries are answered with what
 *    there is; frames of producers are not taken any more.
 * 2. What was taken is finished: every request is answered, every entry stored or refused and so told.
 * 3. What waits for clients to read it goes out, nothing new is added, and they are closed with 1001.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { GatewayContext } from './context.js';

/** How long clients that are behind may take to read what waits for them; others have nothing waiting. */
const READ_ON_MS = 2000;
/** How often it is looked at whether they have. */
const POLL_MS = 10;
/** How long closed clients may take to read why. */
const GOODBYE_MS = 100;

export async function drain(context: GatewayContext): Promise<void> {
  const { config, logger, pipes, sockets, stopping, underway } = context;
  const deadline = performance.now() + config.SHUTDOWN_GRACE_MS;
  stopping.abort();
  const isDone = await within(deadline, async () => {
    await underway.none();
    await pipes.idle();
  });
  if (!isDone) {
    const left = { requests: underway.count, entryBytes: pipes.bufferedBytes };
    logger.warn(left, 'SHUTDOWN_GRACE_MS is over: giving up what is still under way');
  }
  const readOn = Math.min(deadline, performance.now() + READ_ON_MS);
  for (;;) {
    for (const socket of [...sockets]) socket.shutDown();
    if (sockets.size === 0 || performance.now() >= readOn) break;
    await delay(POLL_MS);
  }
  for (const socket of [...sockets]) socket.shutDownNow();
  await delay(GOODBYE_MS);
}

/** @returns whether `work` was done before the deadline */
async function within(deadline: number, work: () => Promise<void>): Promise<boolean> {
  const waiting = new AbortController();
  const over = delay(Math.max(deadline - performance.now(), 0), false, { signal: waiting.signal });
  const done = work().then(() => true);
  const isDone = await Promise.race([over, done]);
  waiting.abort();
  over.catch(() => {});
  return isDone;
}
