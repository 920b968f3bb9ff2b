/** The commands that write: where payloads come from, how they go out, and the loop between the two. */
import { makeClient, type RunValues, type ShapeValues } from '../client-options.js';
import { type CommandSession, runSession } from '../command-session.js';
import { EntrySender } from '../entry-sender.js';
import { makeNoiseImage, type Shape } from '../images.js';
import { Pace } from '../pace.js';
import { Progress } from './progress.js';

type Payload = Uint8Array<ArrayBuffer>;

/** Makes payload n, from 0. */
type FrameSource = (n: number) => Payload | Promise<Payload>;

const countUp: FrameSource = (n) => new TextEncoder().encode(String(n));

const makeImages =
  (shape: Shape): FrameSource =>
  () =>
    makeNoiseImage(shape);

async function produce(
  session: CommandSession,
  values: RunValues,
  makePayload: FrameSource,
  send: (payload: Payload) => Promise<unknown>,
): Promise<void> {
  const pace = new Pace(values.rate);
  for (let n = 0; values.count === 0 || n < values.count; n++) {
    await pace.wait(session.signal);
    if (session.signal.aborted) return;
    await send(await makePayload(n));
  }
}

async function pushBySocket(sid: string, values: RunValues, makePayload: FrameSource): Promise<void> {
  await runSession(values.duration, async (session) => {
    const sender = new EntrySender(makeClient(values).push(sid, { reconnect: 'after-open' }));
    await Progress.over('pushed', session, async (progress) => {
      try {
        // What is counted is stored.
        await produce(session, values, makePayload, (payload) =>
          sender.send(payload, {}, () => progress.count(payload.length)),
        );
      } finally {
        // Says whether everything was stored; where `send` has failed, the same failure once more.
        await sender.close();
      }
    });
  });
}

export async function pushIncrement(sid: string, values: RunValues): Promise<void> {
  await pushBySocket(sid, values, countUp);
}

export async function pushImage(sid: string, values: RunValues & ShapeValues): Promise<void> {
  await pushBySocket(sid, values, makeImages(values.shape));
}

export async function pushImageByRest(sid: string, values: RunValues & ShapeValues): Promise<void> {
  await runSession(values.duration, async (session) => {
    const gate = makeClient(values);
    const { signal } = session;
    await Progress.over('pushed', session, (progress) =>
      produce(session, values, makeImages(values.shape), async (data) => {
        await gate.append(sid, data, { signal });
        progress.count(data.length);
      }),
    );
  });
}
