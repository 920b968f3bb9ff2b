/**
 * An interval that keeps its time while thousands of sockets are readable.
 *
 * With 1024 events or more at a time libuv takes in up to 48 such rounds before a timer may run, and a round of
 * sockets that send large messages reads hundreds of megabytes. A message port is one of those events: its
 * listener runs within the rounds. So each tick of a timer starts a message that goes to and fro between two
 * ports until the rounds end. It takes two: a port that sends to itself gets up to 1000 of its messages at once.
 * Sources: uv__io_poll in https://github.com/libuv/libuv/blob/v1.x/src/unix/linux.c, and MessagePort::OnMessage
 * in https://github.com/nodejs/node/blob/v20.x/src/node_messaging.cc
 */
import { MessageChannel } from 'node:worker_threads';

/** So many events make a round that another follows before timers run. */
export const EVENTS_OF_A_ROUND = 1024;

/**
 * Calls `run` every `ms`, and once a round where rounds take longer.
 * @param isCrowded whether there may be such rounds; where not, a timer does, which costs less
 * @returns ends it
 */
export function startPromptInterval(run: () => void, ms: number, isCrowded: () => boolean): () => void {
  const { port1, port2 } = new MessageChannel();
  let isInRounds = false;
  let isUnderway = false;
  const timer = setInterval(() => {
    if (!isCrowded()) {
      run();
      return;
    }
    isInRounds = true;
    setImmediate(() => {
      isInRounds = false;
    });
    if (isUnderway) return;
    isUnderway = true;
    port1.postMessage(undefined);
  }, ms);
  port2.on('message', () => {
    if (isInRounds) {
      run();
      port2.postMessage(undefined);
    } else isUnderway = false;
  });
  port1.on('message', () => port1.postMessage(undefined));
  return () => {
    clearInterval(timer);
    port1.close();
  };
}
