/** One look at what there is: the first event of `GET /overview`, which goes on once a second. */
import type { Overview } from '../protocol/overview.js';
import { buildAddress, type Place } from './address.js';
import { readEvents } from './event-stream.js';
import { errorFromNetwork, GatewayError } from './gateway-error.js';
import { fetchAnswer, tokenHeaders } from './http.js';

/** @param filter what the keys hold that are wanted @throws GatewayError, the signal's reason */
export async function readOverview(
  { url, token }: Place,
  filter: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Overview> {
  const address = buildAddress(url, 'overview', { filter });
  const answer = await fetchAnswer(address, {
    headers: { accept: 'text/event-stream', ...tokenHeaders(token) },
    signal: signal ?? null,
  });
  try {
    for await (const { event, data } of readEvents(answer.body!)) return readOverviewEvent(event, data);
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof GatewayError ? error : errorFromNetwork(error, address);
  }
  throw new GatewayError('bad_answer', `${address} ended without an event`);
}

function readOverviewEvent(event: string, data: string): Overview {
  if (event === 'overview') return JSON.parse(data) as Overview;
  const { code, error } = JSON.parse(data) as { code: string; error: string };
  throw new GatewayError(code, `the gateway refused: ${error} (${code})`);
}
