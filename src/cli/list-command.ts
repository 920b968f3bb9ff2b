/** `streamgate ls`: all streams, a line each. */
import { GatewayError } from '../client/gateway-error.js';
import type { StreamSummary } from '../client/graphql.js';
import { entryTime } from '../wire/entry-id.js';
import { makeClient, type TargetValues } from './client-options.js';
import { formatLag, previewName } from './preview.js';
import { runSession } from './session.js';

const GLOB = /[*?]/;
/** What a Redis glob takes for more than itself. */
const SPECIAL = /[\\[\]]/g;

async function askForStreams(
  filter: string | undefined,
  values: TargetValues,
  signal: AbortSignal,
): Promise<readonly StreamSummary[]> {
  const plain = filter?.replace(SPECIAL, '\\$&');
  const match = plain === undefined || GLOB.test(plain) ? plain : `*${plain}*`;
  try {
    return await makeClient(values).streams(match, { signal });
  } catch (error) {
    if (error instanceof GatewayError && error.status === 404) {
      throw new Error(
        `The gateway at ${values.url} cannot list streams: it has no GraphQL endpoint (404 at /graphql).`,
      );
    }
    throw error;
  }
}

function formatRow({ id, length, lastEntryId }: StreamSummary, now: number): [string, string, string] {
  const age = lastEntryId === '' ? '-' : formatLag(Math.max(now - entryTime(lastEntryId), 0));
  return [String(length), age, previewName(id)];
}

export async function listStreams(filter: string | undefined, values: TargetValues): Promise<void> {
  await runSession(0, async ({ signal }) => {
    const streams = await askForStreams(filter, values, signal);
    const now = Date.now();
    const rows = streams.map((stream) => formatRow(stream, now));
    const [lengths, ages] = [0, 1].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
    const lines = rows.map(
      ([length, age, key]) => `${length.padStart(lengths!)}  ${age.padStart(ages!)}  ${key}\n`,
    );
    process.stdout.write(lines.join(''));
  });
}
