/** `streamgate ls`: the keys of all streams, each after its number of entries. */
import { GatewayError } from '../client/gateway-error.js';
import type { StreamSummary } from '../client/graphql.js';
import { makeClient, type TargetValues } from './client-options.js';
import { previewName } from './preview.js';
import { runSession } from './session.js';

type ListValues = Pick<TargetValues, 'url' | 'token'>;

async function askForStreams(
  { url, token }: ListValues,
  signal: AbortSignal,
): Promise<readonly StreamSummary[]> {
  try {
    return await makeClient({ url, ...(token === undefined ? {} : { token }) }).streams(undefined, {
      signal,
    });
  } catch (error) {
    if (error instanceof GatewayError && error.status === 404) {
      throw new Error(
        `The gateway at ${url} cannot list streams: it has no GraphQL endpoint (404 at /graphql).`,
      );
    }
    throw error;
  }
}

export async function listStreamKeys(values: ListValues): Promise<void> {
  await runSession(0, async ({ signal }) => {
    const streams = await askForStreams(values, signal);
    const digits = Math.max(0, ...streams.map(({ length }) => String(length).length));
    const lines = streams.map(({ id, length }) => `${String(length).padStart(digits)}  ${previewName(id)}\n`);
    process.stdout.write(lines.join(''));
  });
}
