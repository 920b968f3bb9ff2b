/**
 * The client of a streamgate gateway, for browsers and, by way of node.ts, for Node.
 *
 *   const gate = new Streamgate('http://localhost:8000');
 *   for await (const { id, data } of gate.pull('cam', { latest: true })) show(data);
 *
 * What fails is a GatewayError with a code, and `mayPass` where coming back helps.
 */
import type { Overview } from '../protocol/overview.js';
import { type Place, parseBase } from './address.js';
import type { WebSocketConstructor } from './connection.js';
import type { Entry } from './entry.js';
import {
  ask,
  type DeviceSummary,
  describeStream,
  type Meta,
  nameStream,
  QUERIES,
  type StreamSummary,
  type Variables,
} from './graphql.js';
import { readOverview } from './overview.js';
import { type PullOptions, pull } from './pull.js';
import { Producer, type PushOptions } from './push.js';
import {
  type AppendOptions,
  type Payload,
  postEntry,
  type ReadOptions,
  type ReadResult,
  readEntries,
} from './rest.js';

export interface StreamgateOptions {
  /** What the gateway is asked by, where it has access control. */
  readonly token?: string | undefined;
  /** Whose streams are meant. Unset: the gateway's default device. */
  readonly device?: string | undefined;
  /** Goes between the device and the stream id. */
  readonly prefix?: string | undefined;
  /** Makes WebSockets. Default: the platform's; in Node that of ws. */
  readonly WebSocket?: WebSocketConstructor | undefined;
}

type OneOrMore = string | readonly string[];
const listOf = (sids: OneOrMore): readonly string[] => (typeof sids === 'string' ? [sids] : sids);

interface Limited {
  readonly signal?: AbortSignal | undefined;
}

function platformWebSocket(): WebSocketConstructor {
  const { WebSocket } = globalThis as { WebSocket?: unknown };
  if (WebSocket === undefined) throw new TypeError('this platform has no WebSocket: give one as an option');
  return WebSocket as WebSocketConstructor;
}

export class Streamgate {
  readonly #place: Place;
  readonly #webSocket: WebSocketConstructor | undefined;

  /**
   * @param url the gateway's address, `http(s)://host:port`; a path in front is kept
   * @throws GatewayError `bad_address`
   */
  constructor(url: string | URL, { token, device, prefix, WebSocket }: StreamgateOptions = {}) {
    parseBase(String(url));
    this.#place = { url: String(url), token, device, prefix };
    this.#webSocket = WebSocket;
  }

  /**
   * Entries of one or several streams, as they come: every one after `lastEntryId` that the gateway still has, each
   * once, across lost connections too. Leaving the loop closes the connection.
   * @throws GatewayError when iterated, where the gateway refuses or the connection is not to be made again
   */
  pull(sids: OneOrMore, options: PullOptions = {}): AsyncGenerator<Entry, void, void> {
    const WebSocket = this.#webSocket ?? platformWebSocket();
    return pull({ ...this.#place, WebSocket }, listOf(sids), options);
  }

  /**
   * Opens a producer for a stream, or with `*` for several, where each entry names its own.
   * @returns at once: that the gateway refuses is told by `send`
   */
  push(sid: string, options: PushOptions = {}): Producer {
    const WebSocket = this.#webSocket ?? platformWebSocket();
    return new Producer({ ...this.#place, WebSocket }, sid, options);
  }

  /** Stores one entry by HTTP. @returns its id @throws GatewayError, the signal's reason */
  append(sid: string, data: Payload, options: AppendOptions = {}): Promise<string> {
    return postEntry(this.#place, sid, data, options);
  }

  /** One read by HTTP, which waits for data up to `block` ms. @throws GatewayError, the signal's reason */
  read(sids: OneOrMore, options: ReadOptions = {}): Promise<ReadResult> {
    return readEntries(this.#place, listOf(sids), options);
  }

  /** The newest entry, however old; undefined where there is none. @throws GatewayError, the signal's reason */
  async latest(sid: string, { signal }: Limited = {}): Promise<Entry | undefined> {
    const { entries } = await this.read(sid, { lastEntryId: '0', latest: true, block: -1, signal });
    return entries[0];
  }

  /** A GraphQL query or mutation. @returns its data @throws GatewayError, the signal's reason */
  graphql<T = Record<string, unknown>>(
    query: string,
    variables: Variables = {},
    { signal }: Limited = {},
  ): Promise<T> {
    return ask<T>(this.#place, query, variables, signal);
  }

  /** All streams, or those whose key fits a Redis glob such as `cam1:*`, sorted by their keys. @throws GatewayError */
  async streams(match?: string, limited?: Limited): Promise<readonly StreamSummary[]> {
    return (await this.graphql<{ streams: StreamSummary[] }>(QUERIES.streams, { match }, limited)).streams;
  }

  /**
   * Devices, and up to 1000 streams with the size of their newest entry and their followers, written to last first.
   * @param filter what the keys of the streams hold
   * @throws GatewayError
   */
  overview(filter?: string, { signal }: Limited = {}): Promise<Overview> {
    return readOverview(this.#place, filter, signal);
  }

  /** Devices that are connected, or with `all` those ever seen. @throws GatewayError */
  async devices({
    all = false,
    signal,
  }: Limited & { all?: boolean } = {}): Promise<readonly DeviceSummary[]> {
    return (await this.graphql<{ devices: DeviceSummary[] }>(QUERIES.devices, { all }, { signal })).devices;
  }

  /** Marks a device as connected, and replaces its metadata where some is given. @throws GatewayError */
  async connectDevice(id: string, meta?: Meta, limited?: Limited): Promise<void> {
    await this.graphql(QUERIES.connectDevice, { id, meta }, limited);
  }

  /** Marks a device as not connected; it stays among those seen. @throws GatewayError */
  async disconnectDevice(id: string, limited?: Limited): Promise<void> {
    await this.graphql(QUERIES.disconnectDevice, { id }, limited);
  }

  /**
   * The metadata of a stream of the client's device; an empty object where it has none.
   * @param sid its id; for the default device also a whole key
   * @throws GatewayError
   */
  async streamMeta(sid: string, { signal }: Limited = {}): Promise<Meta> {
    return (await describeStream<{ meta: Meta }>(this.#place, sid, '{ meta }', signal)).meta;
  }

  /**
   * Replaces the metadata of a stream of the client's device, or with `merge` keeps what `meta` does not name.
   * @param sid its id; for the default device also a whole key
   * @throws GatewayError
   */
  async updateStreamMeta(
    sid: string,
    meta: Meta,
    { merge = false, signal }: Limited & { merge?: boolean } = {},
  ): Promise<void> {
    const stream = nameStream(this.#place, sid);
    await this.graphql(QUERIES.updateStreamMeta, { ...stream, meta, merge }, { signal });
  }

  /**
   * Deletes a stream of the client's device, and its metadata.
   * @param sid its id; for the default device also a whole key
   * @returns whether there was one
   * @throws GatewayError
   */
  async deleteStream(sid: string, limited?: Limited): Promise<boolean> {
    const stream = nameStream(this.#place, sid);
    const { deleteStream } = await this.graphql<{ deleteStream: { stream_deleted: boolean } }>(
      QUERIES.deleteStream,
      stream,
      limited,
    );
    return deleteStream.stream_deleted;
  }
}
