/** `streamgate ls`: all streams, a line each. */
import { GatewayError } from '../client/gateway-error.js';
import type { StreamSummary } from '../client/graphql.js';
import type { Streamgate } from '../client/streamgate.js';
import { entryTime } from '../protocol/entry-id.js';
import { makeClient, type TargetValues } from './client-options.js';
import { runSession } from './command-session.js';
import { formatBytes, formatLag, previewName } from './preview.js';

const GLOB = /[*?]/;
/** What a Redis glob takes for more than itself. */
const SPECIAL = /[\\[\]]/g;
const UNKNOWN = '-';

type Row = readonly [length: string, age: string, size: string, key: string];

async function askForStreams(
  gate: Streamgate,
  filter: string | undefined,
  { url }: TargetValues,
  signal: AbortSignal,
): Promise<readonly StreamSummary[]> {
  const plain = filter?.replace(SPECIAL, '\\$&');
  const match = plain === undefined || GLOB.test(plain) ? plain : `*${plain}*`;
  try {
    return await gate.streams(match, { signal });
  } catch (error) {
    if (error instanceof GatewayError && error.status === 404) {
      throw new Error(
        `The gateway at ${url} cannot list streams: it has no GraphQL endpoint (404 at /graphql).`,
      );
    }
    throw error;
  }
}

/** Bytes of the newest entries, of the streams that were written to last: no entry is moved for that. */
async function askForSizes(
  gate: Streamgate,
  filter: string | undefined,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number | null>> {
  const { streams } = await gate.overview(filter !== undefined && GLOB.test(filter) ? undefined : filter, {
    signal,
  });
  return new Map(streams.map(({ key, lastEntryBytes }) => [key, lastEntryBytes]));
}

function formatRow(
  { id, length, lastEntryId }: StreamSummary,
  bytes: number | null | undefined,
  now: number,
): Row {
  const age = lastEntryId === '' ? UNKNOWN : formatLag(Math.max(now - entryTime(lastEntryId), 0));
  return [String(length), age, bytes == null ? UNKNOWN : formatBytes(bytes), previewName(id)];
}

export async function listStreams(filter: string | undefined, values: TargetValues): Promise<void> {
  await runSession(0, async ({ signal }) => {
    const gate = makeClient(values);
    const streams = await askForStreams(gate, filter, values, signal);
    const sizes = await askForSizes(gate, filter, signal);
    const now = Date.now();
    const rows = streams.map((stream) => formatRow(stream, sizes.get(stream.id), now));
    const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
    const lines = rows.map(
      (row) => `${row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  ')}\n`,
    );
    process.stdout.write(lines.join(''));
  });
}
