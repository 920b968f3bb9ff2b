/**
 * Where the entries come from that followers are sent: pipelined XADDs on a raw socket; a push, or what a
 * broker has in its place; or, for the bare server, a word that says how many to send. All of them cost next
 * to nothing beside the deliveries.
 */
import { type BrokerLink, openBrokerPublisher } from './broker.js';
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
    | {
        readonly to: 'push';
        readonly port: number;
        readonly path: string;
        readonly bytes: number;
      }
    | { readonly to: 'broker'; readonly link: BrokerLink; readonly bytes: number }
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
  if (task.to === 'push') {
    const socket = await openReceivingSocket(task.port, task.path, () => {});
    const frame = clientFrame(Buffer.alloc(task.bytes, 'x'));
    const run = Buffer.concat(Array.from({ length: task.runEntries }, () => frame));
    return { push: () => socket.write(run), check: () => {} };
  }
  if (task.to === 'broker') {
    const publish = await openBrokerPublisher(task.link, task.bytes);
    const payload = Buffer.alloc(task.bytes, 'x');
    return {
      push: () => {
        for (let entry = 0; entry < task.runEntries; entry++) publish(payload);
      },
      check: () => {},
    };
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
