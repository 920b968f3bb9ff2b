/** The commands that read: where entries come from, what is shown of them, and the loop between the two. */
import type { Entry } from '../client/entry.js';
import { Puller } from '../client/pull.js';
import { pollEntries } from '../client/rest.js';
import {
  makeTarget,
  type PullValues,
  type RunValues,
  type SaveValues,
  type SocketValues,
} from './client-options.js';
import { replaceFrame } from './frame-file.js';
import { decodeImage } from './images.js';
import { Pace } from './pace.js';
import { formatBytes, previewBytes, previewName } from './preview.js';
import { Progress } from './progress.js';
import { runSession, type Session } from './session.js';

/** What is shown of an entry, on one line. */
type Viewer = (entry: Entry) => string | Promise<string>;

const viewRaw: Viewer = ({ data }) => `${formatBytes(data.length)}  ${previewBytes(data)}`;

/** Goes on after an entry that is no image: a viewer should outlive one bad frame. */
const viewImages =
  (file: string | undefined): Viewer =>
  async ({ data }) => {
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

async function consume(
  session: Session,
  sids: readonly string[],
  values: RunValues,
  progress: Progress,
  entries: AsyncIterable<Entry>,
  view: Viewer,
  pace: Pace,
): Promise<void> {
  for await (const entry of entries) {
    const { sid, id = '-', data } = entry;
    progress.count(data.length, entry.id);
    const source = sids.length > 1 ? `${previewName(sid)}  ` : '';
    await progress.say(`${source}${id}  ${await view(entry)}`, session.signal);
    if (values.count > 0 && progress.entries >= values.count) return;
    await pace.wait(session.signal);
    if (session.signal.aborted) return;
  }
}

type PullSocketValues = RunValues & SocketValues & PullValues;

async function pullBySocket(sid: string, values: PullSocketValues, view: Viewer): Promise<void> {
  await runSession(values.duration, async (session) => {
    const target = makeTarget(sid, values);
    const entries = await Puller.open({
      ...target,
      lastEntryId: values.lastEntryId,
      latest: values.latest,
      header: values.header,
      // The gateway keeps the rate: with `latest` it then sends what is newest when the turn comes.
      maxFps: values.rate > 0 ? values.rate : undefined,
      signal: session.signal,
    });
    await Progress.over('pulled', session, (progress) =>
      consume(session, target.sids, values, progress, entries, view, new Pace(0)),
    );
  });
}

export async function pullRaw(sid: string, values: PullSocketValues): Promise<void> {
  await pullBySocket(sid, values, viewRaw);
}

export async function pullImage(sid: string, values: PullSocketValues & SaveValues): Promise<void> {
  await pullBySocket(sid, values, viewImages(values.save));
}

/** Long enough that an idle stream costs few requests; the gateway may cap it. */
const POLL_BLOCK_MS = 5000;

export async function pullImageByRest(
  sid: string,
  values: RunValues & PullValues & SaveValues,
): Promise<void> {
  await runSession(values.duration, async (session) => {
    const target = makeTarget(sid, values);
    const entries = pollEntries({
      ...target,
      lastEntryId: values.lastEntryId,
      latest: values.latest,
      block: POLL_BLOCK_MS,
      signal: session.signal,
    });
    await Progress.over('pulled', session, (progress) =>
      consume(
        session,
        target.sids,
        values,
        progress,
        entries,
        viewImages(values.save),
        new Pace(values.rate),
      ),
    );
  });
}
