/**
 * Where the entries come from that followers are sent: pipelined XADDs on a raw socket, or, for the bare
 * server, a word that says how many to send. Either costs next to nothing beside the deliveries.
 */
import { XADD_REPLY_BYTES, XaddRun } from './fixed-entries.js';
import { clientFrame } from './frames.js';
import { openReceivingRedis, openReceivingSocket } from './received.js';

/** Entries come in runs, and so many runs are under way at most. */
export interface FeedWindow {
  readonly runEntries: number;
  readonly runs: number;
}

export type FeedTask = FeedWindow &
  (
    | {
        readonly to: 'redis';
        readonly socketPath: string;
        readonly key: string;
        /** Bytes of each payload. */
        readonly bytes: number;
      }
    | { readonly to: 'bare server'; readonly port: number }
  );

export interface Feed {
  /** Makes the entries of the run with this number; the one `runs` before it has been delivered. */
  push(run: number): void;
  /** @throws Error where an entry was refused */
  check(pushed: number): void;
}

/** Entries are trimmed long after every follower has them. */
const KEPT_WINDOWS = 16;
/** Where the bare server takes the word. */
export const FEED_PATH = '/feed';

export async function openFeed(task: FeedTask): Promise<Feed> {
  if (task.to === 'bare server') {
    const socket = await openReceivingSocket(task.port, FEED_PATH, () => {});
    const word = clientFrame(Buffer.from(String(task.runEntries)), true);
    return { push: () => socket.write(word), check: () => {} };
  }
  const { socketPath, key, bytes, runEntries, runs } = task;
  let replyBytes = 0;
  const socket = await openReceivingRedis(socketPath, (_buffer, from, to) => {
    replyBytes += to - from;
  });
  // Each is written again when its entries were delivered, and so is no longer being written.
  const buffers = Array.from(
    { length: runs },
    () => new XaddRun({ key, entries: runEntries, bytes, maxLength: KEPT_WINDOWS * runs * runEntries }),
  );
  return {
    push: (run) => socket.write(buffers[run % runs]!.number(run * runEntries)),
    check: (pushed) => {
      const expected = pushed * runEntries * XADD_REPLY_BYTES;
      if (replyBytes !== expected) throw new Error(`Redis answered ${replyBytes} bytes, not ${expected}`);
    },
  };
}
