/** Questions to the gateway's GraphQL endpoint, by the GraphQL-over-HTTP specification. */
import { buildAddress, type Place } from './address.js';
import { GatewayError } from './gateway-error.js';
import { fetchAnswer, tokenHeaders } from './http.js';

export type Variables = Readonly<Record<string, unknown>>;

interface Answer<T> {
  readonly data?: T | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
}

/**
 * The answer's data. An answer with errors is thrown as the first of them, also where it has data.
 * @throws GatewayError with the gateway's code, or `bad_query` where the question itself is at fault
 * @throws the signal's reason
 */
export async function ask<T>(
  { url, token }: Place,
  query: string,
  variables: Variables,
  signal: AbortSignal | undefined,
): Promise<T> {
  const address = buildAddress(url, 'graphql');
  const answer = await fetchAnswer(address, {
    method: 'POST',
    // With this type every refusal of the question comes with status 200 and a body that says why.
    headers: { 'content-type': 'application/json', accept: 'application/json', ...tokenHeaders(token) },
    body: JSON.stringify({ query, variables }),
    signal: signal ?? null,
  });
  const { data, errors } = (await answer.json().catch(() => ({}))) as Answer<T>;
  const [error] = errors ?? [];
  if (error !== undefined) {
    throw new GatewayError(error.extensions?.code ?? 'bad_query', `the gateway refused: ${error.message}`);
  }
  if (data === undefined || data === null) {
    throw new GatewayError('bad_answer', `${address} did not answer as a GraphQL endpoint does`);
  }
  return data;
}

/** A JSON object that was attached to a stream or device. */
export type Meta = Readonly<Record<string, unknown>>;

export interface StreamSummary {
  /** The stream's whole key: device, prefix and id. */
  readonly id: string;
  /** Entries that it holds now. */
  readonly length: number;
  /** Entries that were ever added. */
  readonly entriesAdded: number;
  /** Empty where there is no entry. */
  readonly lastEntryId: string;
}

export interface DeviceSummary {
  readonly id: string;
  readonly meta: Meta;
}

/** Listings and changes, one question each. */
export const QUERIES = {
  streams: 'query ($match: String) { streams(match: $match) { id length entriesAdded lastEntryId } }',
  devices: 'query ($all: Boolean) { devices(includeAll: $all) { id meta } }',
  connectDevice: 'mutation ($id: String!, $meta: JSON) { connectDevice(deviceId: $id, meta: $meta) }',
  disconnectDevice: 'mutation ($id: String!) { disconnectDevice(deviceId: $id) }',
  updateStreamMeta:
    'mutation ($id: String!, $device: String, $meta: JSON!, $merge: Boolean!) { updateStreamMeta(streamId: $id, deviceId: $device, meta: $meta, update: $merge) }',
  deleteStream: 'mutation ($id: String!, $device: String) { deleteStream(streamId: $id, deviceId: $device) }',
} as const;

/** The device whose streams are also found by their whole keys. */
const DEFAULT_DEVICE = 'default';
/** System streams belong to no device and take no prefix. */
const SYSTEM_MARK = ':';

/** How GraphQL names a stream of the client's device; it has no parameter for the prefix. */
export function nameStream({ device, prefix = '' }: Place, sid: string): { id: string; device?: string } {
  const id = sid.startsWith(SYSTEM_MARK) ? sid : prefix + sid;
  return device === undefined ? { id } : { id, device };
}

/**
 * What GraphQL says of one stream of the client's device.
 * @param fields a selection of `Stream`, such as `{ length meta }`
 * @throws GatewayError, the signal's reason
 */
export async function describeStream<T>(
  place: Place,
  sid: string,
  fields: string,
  signal: AbortSignal | undefined,
): Promise<T> {
  const { id, device } = nameStream(place, sid);
  // By the same rule as the mutations, which find the default device's streams by their whole keys, too.
  if (device === undefined || device === DEFAULT_DEVICE) {
    const query = `query ($id: String!) { stream(id: $id) ${fields} }`;
    return (await ask<{ stream: T }>(place, query, { id }, signal)).stream;
  }
  const query = `query ($device: String!, $id: String!) { device(id: $device) { stream(streamId: $id) ${fields} } }`;
  return (await ask<{ device: { stream: T } }>(place, query, { id, device }, signal)).device.stream;
}
