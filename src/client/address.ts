/**
 * Addresses of the gateway, from its base address, stream ids and parameters (docs/protocol.md).
 *
 *   http://host:port[/path]  +  /data/{sid}+{sid}[/push|/pull]  +  ?parameters
 */
import { GatewayError } from './gateway-error.js';

/** Which gateway, and how it is asked. */
export interface Place {
  /** `http(s)://host:port` or `ws(s)://…`; a path in front is kept. */
  readonly url: string;
  /** Whose streams are meant. Unset: the gateway's default device. */
  readonly device?: string | undefined;
  /** Goes between the device and the stream id. */
  readonly prefix?: string | undefined;
  /** What the gateway is asked by, where it has access control. */
  readonly token?: string | undefined;
}

/** Parameters by the names of the protocol; what is undefined is not sent. */
export type Parameters = Readonly<Record<string, string | number | boolean | undefined>>;

/** @throws GatewayError `bad_address` where `url` is not an http(s) or ws(s) address */
export function parseBase(url: string): URL {
  let base: URL | undefined;
  try {
    base = new URL(url);
  } catch {
    base = undefined;
  }
  if (base === undefined || !/^(https?|wss?):$/.test(base.protocol) || base.username !== '') {
    throw new GatewayError(
      'bad_address',
      `the gateway's address must be http://host:port or https://host:port, not '${url}'`,
    );
  }
  return base;
}

function encodeStreamId(sid: string): string {
  try {
    if (sid !== '') return encodeURIComponent(sid);
  } catch {
    // Half a surrogate pair is no character, and has no UTF-8.
  }
  throw new GatewayError('bad_address', 'a stream id must be valid Unicode, and not empty');
}

/**
 * The part of a path that names streams: each id encoded, `+` between them.
 * @throws GatewayError `bad_address` for ids that no URL can carry
 */
export function encodeStreamIds(sids: readonly string[]): string {
  const segment = sids.map(encodeStreamId).join('+');
  // URLs drop such a segment from the path, percent-encoded or not.
  if (segment === '.' || segment === '..' || segment === '') {
    throw new GatewayError('bad_address', `no URL can name a stream '${segment}'`);
  }
  return segment;
}

/** `path` below the gateway's address, e.g. `graphql`. @throws GatewayError `bad_address` */
export function buildAddress(url: string, path: string, parameters: Parameters = {}): URL {
  const base = parseBase(url);
  const address = new URL(`${base.pathname.replace(/\/+$/, '')}/${path}`, base);
  address.protocol = base.protocol.replace('ws', 'http');
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    address.searchParams.set(name, typeof value === 'boolean' ? String(Number(value)) : String(value));
  }
  return address;
}

/** `/data/{sids}`, where entries are posted and read by HTTP. @throws GatewayError `bad_address` */
export function buildDataAddress(
  { url, device, prefix }: Place,
  sids: readonly string[],
  parameters: Parameters = {},
): URL {
  return buildAddress(url, `data/${encodeStreamIds(sids)}`, { device_id: device, prefix, ...parameters });
}

/** `/data/{sids}/push` or `/pull`, as `ws:` or `wss:`. @throws GatewayError `bad_address` */
export function buildSocketAddress(
  place: Place,
  sids: readonly string[],
  endpoint: 'push' | 'pull',
  parameters: Parameters = {},
): URL {
  const address = buildDataAddress(place, sids, parameters);
  address.pathname += `/${endpoint}`;
  address.protocol = address.protocol.replace('http', 'ws');
  return address;
}
