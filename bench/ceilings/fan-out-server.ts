/**
 * The ceiling of fan-out: nothing but uWebSockets.js sending the same frames to every socket.
 *
 *     node fan-out-server.js '{"followers", "messages", "bytes", "mode"}'
 *
 * Prints its port; sends once all followers are connected. `mode` send: a corked loop over the sockets in
 * turns of some messages, as a gateway would; publish: the library's own topics.
 */
import uws, { type WebSocket } from 'uWebSockets.js';

export interface FanOutTask {
  readonly followers: number;
  readonly messages: number;
  readonly bytes: number;
  readonly mode: 'send' | 'publish';
}

const TURN_MESSAGES = 64;
const FULL_BYTES = 64 * 1024;
const LARGE_BYTES = 16 * 1024;

const task = JSON.parse(process.argv[2]!) as FanOutTask;
const payload = new Uint8Array(task.bytes).fill(120);
const sockets: WebSocket<unknown>[] = [];
const app = uws.App();

app.ws('/*', {
  maxBackpressure: 0,
  open: (ws) => {
    if (task.mode === 'publish') ws.subscribe('all');
    sockets.push(ws);
    if (sockets.length === task.followers) setTimeout(task.mode === 'publish' ? publishTurn : sendTurn, 200);
  },
});
app.listen('127.0.0.1', 0, (listening) => {
  if (listening === false) throw new Error('cannot listen');
  console.log(`port ${uws.us_socket_local_port(listening as never)}`);
});

const sent = new Map<WebSocket<unknown>, number>();

/** Every socket is sent a turn's messages unless it is full, so that the slowest does not hold the others. */
function sendTurn(): void {
  let isDone = true;
  for (const ws of sockets) {
    let count = sent.get(ws) ?? 0;
    const send = () => {
      const end = Math.min(count + TURN_MESSAGES, task.messages);
      while (count < end && ws.getBufferedAmount() < FULL_BYTES) {
        ws.send(payload, true);
        count++;
      }
    };
    if (task.bytes < LARGE_BYTES) ws.cork(send);
    else send();
    sent.set(ws, count);
    if (count < task.messages) isDone = false;
  }
  if (!isDone) setImmediate(sendTurn);
}

let published = 0;
function publishTurn(): void {
  const end = Math.min(published + TURN_MESSAGES, task.messages);
  while (published < end && sockets.every((ws) => ws.getBufferedAmount() < FULL_BYTES)) {
    app.publish('all', payload, true);
    published++;
  }
  if (published < task.messages) setImmediate(publishTurn);
}
