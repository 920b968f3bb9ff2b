/** The ceiling of fan-out: bare uWebSockets.js, in a process that is new each time. */
import type { FanOutMode, FanOutTask } from '../ceilings/fan-out-server.js';
import type { FeedTask } from '../load/feed.js';
import { startProgram } from '../programs.js';
import {
  type FanOutCase,
  type Followed,
  follow,
  framesOf,
  type Timing,
  windowFor,
} from './fan-out-follow.js';

/** The library has two ways to send to many: the first measurement is of both, further ones of the faster. */
export class BareRival {
  readonly #fanOut: FanOutCase;
  #modes: readonly FanOutMode[] = ['send', 'publish'];

  constructor(fanOut: FanOutCase) {
    this.#fanOut = fanOut;
  }

  async follow(timing: Timing): Promise<Followed> {
    const measured: { mode: FanOutMode; followed: Followed }[] = [];
    for (const mode of this.#modes) {
      measured.push({ mode, followed: await followBare(this.#fanOut, mode, timing) });
    }
    const best = measured.reduce((one, other) => (other.followed.result > one.followed.result ? other : one));
    this.#modes = [best.mode];
    return best.followed;
  }
}

async function followBare(fanOut: FanOutCase, mode: FanOutMode, timing: Timing): Promise<Followed> {
  const { text, binaryBytes } = framesOf(fanOut);
  const task: FanOutTask = { text, binaryBytes, entries: fanOut.count, mode };
  const server = startProgram('ceilings/fan-out-server', task);
  try {
    const port = Number(await server.says('port'));
    const feed: FeedTask = { to: 'bare server', port, ...windowFor(fanOut) };
    const side = { pid: server.process.pid!, others: [] };
    return await follow(fanOut, { side, port, path: '/', feed }, timing);
  } finally {
    await server.stop();
  }
}
