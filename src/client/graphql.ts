/** Questions to the gateway's GraphQL endpoint, by the GraphQL-over-HTTP specification. */
import { buildAddress, type Target, tokenHeaders } from './address.js';
import { GatewayError } from './gateway-error.js';
import { fetchAnswer } from './rest.js';

interface Answer {
  readonly data?: unknown;
  readonly errors?: readonly { readonly message: string }[];
}

export interface StreamSummary {
  /** The stream's full key, device and prefix included. */
  readonly id: string;
  readonly length: number;
}

/** @throws GatewayError with status 404 where the gateway has no GraphQL, the signal's reason */
export async function listStreams(
  { url, token }: Pick<Target, 'url' | 'token'>,
  signal?: AbortSignal,
): Promise<readonly StreamSummary[]> {
  const address = buildAddress(url, 'graphql');
  const answer = await fetchAnswer(address, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', ...tokenHeaders(token) },
    body: JSON.stringify({ query: '{ streams { id length } }' }),
    signal: signal ?? null,
  });
  const { data, errors } = (await answer.json().catch(() => ({}))) as Answer;
  if (errors?.[0] !== undefined) {
    throw new GatewayError('bad_answer', `the gateway could not list its streams: ${errors[0].message}`);
  }
  const streams = (data as { streams?: unknown } | undefined)?.streams;
  if (!Array.isArray(streams)) {
    throw new GatewayError('bad_answer', `${address} did not answer with a list of streams`);
  }
  return streams as StreamSummary[];
}
