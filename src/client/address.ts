/**
 * Addresses of the data endpoints, from a base address, stream ids and parameters (contract §2 to §5).
 *
 *   http://host:port[/path]  +  /data/{sid}+{sid}[/push|/pull]  +  ?parameters
 */
import { GatewayError } from './gateway-error.js';

/** Which streams, on which gateway. */
export interface Target {
  /** The gateway's address, `http(s)://host:port` or `ws(s)://…`; a path in front is kept. */
  readonly url: string;
  /** One or several stream ids; a single `*` where each entry names its own. */
  readonly sids: readonly string[];
  /** Unset: the gateway's default device. */
  readonly deviceId?: string | undefined;
  readonly prefix?: string | undefined;
  /** What the gateway is asked by, where it has access control. */
  readonly token?: string | undefined;
}

/** Where and how to read; what is unset is left to the gateway's defaults. */
export interface ReadOptions {
  /** Read after this id: `$` newest, `0` from the beginning, `ms` or `ms-seq`; one, or one a stream joined by `+`. */
  readonly lastEntryId?: string | undefined;
  /** Skip to the newest entry. */
  readonly latest?: boolean | undefined;
  /** At most this many entries a stream in one message or answer. */
  readonly count?: number | undefined;
  /** Milliseconds to wait for data. */
  readonly block?: number | undefined;
}

/** Parameters by the names of the contract; what is undefined is not sent. */
export type Parameters = Readonly<Record<string, string | number | boolean | undefined>>;

/** @throws GatewayError `bad_address` where `url` is not an http(s) or ws(s) address */
export function parseBase(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base === undefined || !/^(https?|wss?):$/.test(base.protocol) || base.username !== '') {
    throw new GatewayError(
      'bad_address',
      `the gateway's address must be http://host:port or https://host:port, not '${url}'`,
    );
  }
  return base;
}

/**
 * The part of a path that names streams: each id encoded, `+` between them.
 * @throws GatewayError `bad_address` for ids that no URL can carry
 */
export function encodeStreamIds(sids: readonly string[]): string {
  const encoded = sids.map((sid) => {
    if (sid === '' || !sid.isWellFormed()) {
      throw new GatewayError('bad_address', 'a stream id is empty or not valid Unicode');
    }
    return encodeURIComponent(sid);
  });
  const segment = encoded.join('+');
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
export function buildRestAddress(target: Target, parameters: Parameters = {}): URL {
  return buildAddress(target.url, `data/${encodeStreamIds(target.sids)}`, {
    device_id: target.deviceId,
    prefix: target.prefix,
    ...parameters,
  });
}

/** `/data/{sids}/push` or `/pull`, as `ws:` or `wss:`. @throws GatewayError `bad_address` */
export function buildSocketAddress(
  target: Target,
  endpoint: 'push' | 'pull',
  parameters: Parameters = {},
): URL {
  const address = buildRestAddress(target, parameters);
  address.pathname += `/${endpoint}`;
  address.protocol = address.protocol.replace('http', 'ws');
  return address;
}

/** The headers that a request by `token` has. */
export function tokenHeaders(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/** `options` by the names of the contract. */
export function nameReadParameters(options: ReadOptions): Parameters {
  return {
    last_entry_id: options.lastEntryId,
    latest: options.latest,
    count: options.count,
    block: options.block,
  };
}
