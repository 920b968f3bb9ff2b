/** The commands that read: where entries come from, what is shown of them, and the loop between the two. */
import type { Entry } from '../../client/entry.js';
import type { ReadOptions } from '../../client/rest.js';
import type { Streamgate } from '../../client/streamgate.js';
import {
  makeClient,
  type PullValues,
  type RunValues,
  type SaveValues,
  splitSids,
} from '../client-options.js';
import { type CommandSession, runSession } from '../command-session.js';
import { replaceFrame } from '../frame-file.js';
import { decodeImage, loadSharp } from '../images.js';
import { Pace } from '../pace.js';
import { formatBytes, previewBytes, previewName } from '../preview.js';
import { Progress } from './progress.js';

/** What is shown of an entry, on one line. */
type Viewer = (entry: Entry) => string | Promise<string>;

const viewRaw: Viewer = ({ data }) => `${formatBytes(data.length)}  ${previewBytes(data)}`;

/**
 * Goes on after an entry that is no image: a viewer should outlive one bad frame.
 * @throws Error where images cannot be decoded at all
 */
async function viewImages(file: string | undefined): Promise<Viewer> {
  await loadSharp();
  return async ({ data }) => {
    let shown: string;
    try {
      const { width, height, channels } = await decodeImage(data);
      shown = `${width}×${height}×${channels}  ${formatBytes(data.length)}`;
    } catch (error) {
      return `${formatBytes(data.length)}  not an image: ${previewName(error instanceof Error ? error.message : String(error))}`;
    }
    if (file !== undefined) await replaceFrame(file, data);
    return shown;
  };
}

async function consume(
  session: CommandSession,
  sids: readonly string[],
  values: RunValues,
  progress: Progress,
  entries: AsyncIterable<Entry>,
  view: Viewer,
  pace: Pace,
): Promise<void> {
  for await (const entry of entries) {
    const { stream, id, data } = entry;
    progress.count(data.length, id);
    const source = sids.length > 1 ? `${previewName(stream)}  ` : '';
    await progress.say(`${source}${id}  ${await view(entry)}`, session.signal);
    if (values.count > 0 && progress.entries >= values.count) return;
    await pace.wait(session.signal);
    if (session.signal.aborted) return;
  }
}

type PullSocketValues = RunValues & PullValues;

async function pullBySocket(
  sid: string,
  values: PullSocketValues,
  makeViewer: () => Viewer | Promise<Viewer>,
): Promise<void> {
  await runSession(values.duration, async (session) => {
    const view = await makeViewer();
    const sids = splitSids(sid);
    const entries = makeClient(values).pull(sids, {
      lastEntryId: values.lastEntryId,
      latest: values.latest,
      reconnect: 'after-open',
      // The gateway keeps the rate: with `latest` it then sends what is newest when the turn comes.
      maxFps: values.rate > 0 ? values.rate : undefined,
      signal: session.signal,
    });
    await Progress.over('pulled', session, (progress) =>
      consume(session, sids, values, progress, entries, view, new Pace(0)),
    );
  });
}

export async function pullRaw(sid: string, values: PullSocketValues): Promise<void> {
  await pullBySocket(sid, values, () => viewRaw);
}

export async function pullImage(sid: string, values: PullSocketValues & SaveValues): Promise<void> {
  await pullBySocket(sid, values, () => viewImages(values.save));
}

/**
 * Reads on and on, each request from where the one before ended, so that nothing is missed or seen twice.
 * The next request starts when the entries of the last are done with. Ends when the signal fires.
 * @throws GatewayError
 */
async function* pollEntries(
  gate: Streamgate,
  sids: readonly string[],
  options: ReadOptions,
): AsyncGenerator<Entry, void, void> {
  for (let { lastEntryId } = options; !options.signal?.aborted; ) {
    const { entries, cursor } = await gate.read(sids, { ...options, lastEntryId });
    yield* entries;
    lastEntryId = cursor;
  }
}

/** Long enough that an idle stream costs few requests; the gateway may cap it. */
const POLL_BLOCK_MS = 5000;

export async function pullImageByRest(
  sid: string,
  values: RunValues & PullValues & SaveValues,
): Promise<void> {
  await runSession(values.duration, async (session) => {
    const view = await viewImages(values.save);
    const sids = splitSids(sid);
    const entries = pollEntries(makeClient(values), sids, {
      lastEntryId: values.lastEntryId,
      latest: values.latest,
      block: POLL_BLOCK_MS,
      signal: session.signal,
    });
    await Progress.over('pulled', session, (progress) =>
      consume(session, sids, values, progress, entries, view, new Pace(values.rate)),
    );
  });
}
