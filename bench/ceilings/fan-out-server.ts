/**
 * The ceiling of fan-out: nothing but uWebSockets.js sending the same frames to every socket.
 *
 *     node fan-out-server.js '{"text", "binaryBytes", "entries", "mode"}'
 *
 * Prints its port. A word on `/feed` says how many more entries every other socket is to be sent. `mode`
 * send: each socket by itself, small messages corked; publish: the library's own topics. A socket that is
 * full is sent nothing until it drained, as in any server that bounds its memory.
 */
import uws, { type WebSocket } from 'uWebSockets.js';
import { FEED_PATH } from '../load/feed.js';

export type FanOutMode = 'send' | 'publish';

export interface FanOutTask {
  /** The text frame before each binary one, if the framing has any. */
  readonly text: string | null;
  readonly binaryBytes: number;
  /** Entries in a message. */
  readonly entries: number;
  readonly mode: FanOutMode;
}

const FULL_BYTES = 64 * 1024;
/** What the library's cork holds: more at once is no cheaper, and what is larger alone is sent uncorked. */
const CORK_BYTES = 16 * 1024;
/** The library may forget to say that a socket has drained. */
const SWEEP_MS = 20;
const TOPIC = 'all';

interface Follower {
  /** Messages it was sent. */
  sent: number;
}

const task = JSON.parse(process.argv[2]!) as FanOutTask;
const payload = new Uint8Array(task.binaryBytes).fill(120);
const messageBytes = task.binaryBytes + (task.text?.length ?? 0);
const turnMessages = Math.max(1, Math.floor(CORK_BYTES / messageBytes));
const followers = new Set<WebSocket<Follower>>();
/** Messages that every follower is to have. */
let due = 0;
let published = 0;
let isScheduled = false;
const app = uws.App();

/** Sends a socket all that is due, or as much as it takes. */
function sendDue(ws: WebSocket<Follower>): void {
  const follower = ws.getUserData();
  const sendTurn = () => {
    const end = Math.min(follower.sent + turnMessages, due);
    for (; follower.sent < end; follower.sent++) {
      if (task.text !== null) ws.send(task.text, false);
      ws.send(payload, true);
    }
  };
  while (follower.sent < due && ws.getBufferedAmount() < FULL_BYTES) {
    if (messageBytes < CORK_BYTES) ws.cork(sendTurn);
    else sendTurn();
  }
}

function publishDue(): void {
  while (published < due) {
    for (const ws of followers) if (ws.getBufferedAmount() >= FULL_BYTES) return;
    const end = Math.min(published + turnMessages, due);
    for (; published < end; published++) {
      if (task.text !== null) app.publish(TOPIC, task.text, false);
      app.publish(TOPIC, payload, true);
    }
  }
}

/** Not within the library's callback, where a socket that fills up again would never drain. */
function schedule(): void {
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(() => {
    isScheduled = false;
    if (task.mode === 'publish') publishDue();
    else for (const ws of followers) sendDue(ws);
  });
}

app.ws<Follower>('/*', {
  maxBackpressure: 0,
  upgrade: (res, req, context) =>
    res.upgrade(
      { sent: 0 },
      req.getHeader('sec-websocket-key'),
      req.getHeader('sec-websocket-protocol'),
      req.getHeader('sec-websocket-extensions'),
      context,
    ),
  open: (ws) => {
    followers.add(ws);
    if (task.mode === 'publish') ws.subscribe(TOPIC);
  },
  drain: schedule,
  close: (ws) => {
    followers.delete(ws);
  },
});
app.ws(FEED_PATH, {
  message: (_ws, entries) => {
    due += Number(Buffer.from(entries)) / task.entries;
    schedule();
  },
});
app.listen('127.0.0.1', 0, (listening) => {
  if (listening === false) throw new Error('cannot listen');
  console.log(`port ${uws.us_socket_local_port(listening as never)}`);
});
setInterval(schedule, SWEEP_MS);
