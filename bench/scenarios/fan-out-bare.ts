/** The ceiling of fan-out: bare uWebSockets.js, in a process that is new each time. */
import type { FanOutMode, FanOutTask } from '../ceilings/fan-out-server.js';
import type { FeedTask } from '../load/feed.js';
import { startProgram } from '../programs.js';
import { type FanOutCase, follow, framesOf, type Timing, windowFor } from './fan-out-follow.js';

/** The library has two ways to send to many: the first measurement is of both, further ones of the faster. */
export class BareRival {
  readonly #fanOut: FanOutCase;
  #modes: readonly FanOutMode[] = ['send', 'publish'];

  constructor(fanOut: FanOutCase) {
    this.#fanOut = fanOut;
  }

  /** @returns deliveries a second */
  async follow(timing: Timing): Promise<number> {
    let best = 0;
    for (const mode of this.#modes) {
      const rate = await followBare(this.#fanOut, mode, timing);
      if (rate <= best) continue;
      best = rate;
      this.#modes = [mode];
    }
    return best;
  }
}

async function followBare(fanOut: FanOutCase, mode: FanOutMode, timing: Timing): Promise<number> {
  const { text, binaryBytes } = framesOf(fanOut);
  const task: FanOutTask = { text, binaryBytes, entries: fanOut.count, mode };
  const server = startProgram('ceilings/fan-out-server', task);
  try {
    const port = Number(await server.says('port'));
    const feed: FeedTask = { to: 'bare server', port, ...windowFor(fanOut) };
    const { rate } = await follow(fanOut, { pid: server.process.pid!, port, path: '/', feed }, timing);
    return rate;
  } finally {
    await server.stop();
  }
}
