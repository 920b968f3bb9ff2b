/** `streamgate pull`: entries of streams, to standard output or into files. */

import type { Reconnect } from '../client/connection-state.js';
import type { PullOptions } from '../client/pull.js';
import { makeClient, splitSids, type TargetValues } from './client-options.js';
import { runSession } from './command-session.js';
import { makeWriter, type WriterValues } from './entry-writer.js';
import { writeOut } from './output.js';
import { previewName } from './preview.js';
import { WaitNotice } from './wait-notice.js';

export interface PullPipeValues extends TargetValues, WriterValues {
  readonly lastEntryId?: string;
  readonly from?: string;
  readonly until?: string;
  readonly speed?: number;
  readonly latest?: boolean;
  /** Stop after so many entries. */
  readonly number?: number;
  readonly follow?: boolean;
  readonly maxFps?: number;
}

/** A wrong address is told at once; a gateway that is restarted is waited for. */
const RECONNECT: Reconnect = 'after-open';

/** `--latest` alone means the newest entry there is, and then the end; what to follow with it starts there, too. */
function readPlan({ lastEntryId, from, until, speed, latest, number, follow, maxFps }: PullPipeValues) {
  const isPicture = latest && !follow && number === undefined && until === undefined;
  const start = lastEntryId ?? (latest && from === undefined ? '0' : undefined);
  const options: PullOptions = {
    lastEntryId: start,
    from,
    until,
    speed,
    latest,
    maxFps,
    reconnect: RECONNECT,
  };
  return { options, most: isPicture ? 1 : (number ?? Number.POSITIVE_INFINITY) };
}

/** What is missing, and how to get what is there already. */
function waitingFor(
  sids: readonly string[],
  { lastEntryId, from, latest }: PullPipeValues,
  url: string,
): string {
  const names = sids.map(previewName).join(' and ');
  if (latest && lastEntryId === undefined && from === undefined)
    return `waiting for the first entry of ${names} at ${url}`;
  const isFromNow = lastEntryId === undefined && from === undefined;
  const hint = isFromNow ? ' (--last-entry-id 0 begins with the oldest)' : '';
  return `waiting for the next entry of ${names} at ${url}${hint}`;
}

const tell = (line: string) => process.stderr.write(`${line}\n`);

export async function pullPipe(sids: readonly string[], values: PullPipeValues): Promise<void> {
  await runSession(0, async (session) => {
    const { signal } = session;
    const { options, most } = readPlan(values);
    const write = makeWriter(values);
    const streams = sids.flatMap(splitSids);
    const notice = new WaitNotice(waitingFor(streams, values, values.url));
    const entries = makeClient(values).pull(streams, {
      ...options,
      signal,
      onGap: ({ stream, after, resumedAt, reason }) =>
        tell(`lost entries of ${previewName(stream)} between ${after} and ${resumedAt}: ${reason}`),
      onState: (state) => {
        if (state.state === 'open') notice.begin();
        if (state.state === 'waiting') tell(`${state.error.message}; trying again`);
      },
    });
    let count = 0;
    try {
      for await (const entry of entries) {
        notice.end();
        await writeOut(await write(entry), session);
        count += 1;
        if (count >= most) return;
      }
    } finally {
      notice.end();
    }
  });
}
