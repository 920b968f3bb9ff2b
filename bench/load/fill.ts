/** Fills a stream by pipelined XADDs on a raw socket. */
import { once } from 'node:events';
import { XADD_REPLY_BYTES, XaddRun } from './fixed-entries.js';
import { openReceivingRedis } from './received.js';

/** A run is about so large. */
const RUN_BYTES = 1024 * 1024;

export interface FillTask {
  readonly socketPath: string;
  readonly key: string;
  readonly entries: number;
  /** Bytes of each payload. */
  readonly bytes: number;
}

/** @throws Error where an entry was refused */
export async function fillStream({ socketPath, key, entries, bytes }: FillTask): Promise<void> {
  let missing = entries * XADD_REPLY_BYTES;
  let tell = () => {};
  const socket = await openReceivingRedis(socketPath, (_buffer, from, to) => {
    missing -= to - from;
    tell();
  });
  // Of a size that divides the whole.
  let runEntries = Math.max(1, Math.min(entries, Math.floor(RUN_BYTES / bytes)));
  while (entries % runEntries !== 0) runEntries--;
  const run = new XaddRun({ key, entries: runEntries, bytes, maxLength: entries });
  for (let first = 0; first < entries; first += runEntries) {
    // One run at a time: the next is made in the same buffer.
    if (!socket.write(run.number(first))) await once(socket, 'drain');
  }
  await new Promise<void>((resolve) => {
    tell = () => {
      if (missing <= 0) resolve();
    };
    tell();
  });
  socket.destroy();
  if (missing !== 0) throw new Error(`Redis answered ${-missing} bytes too many: an entry was refused`);
}
