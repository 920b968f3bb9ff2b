/** What each field of the schema answers, a line or two each; the work is done in `streams/`. */
import type { GraphQLFieldResolver, GraphQLResolveInfo } from 'graphql';
import { Failure } from '../errors.js';
import { controlFailure } from '../redis/control.js';
import { deleteStream, mergeStreamMeta, replaceStreamMeta } from '../streams/metadata.js';
import { allKeys, deviceStreamKey, resolveBareIds } from '../streams/stream-keys.js';
import { readTails, resolveCursors } from '../streams/tails.js';
import { checkDeviceId } from '../wire/names.js';
import { DEFAULT_DEVICE, parseCursor } from '../wire/parameters.js';
import { atMostOne, exactlyOne } from './arguments.js';
import type { GraphqlContext } from './context.js';
import { type EntryEvent, EntrySubscription } from './entry-subscription.js';
import { streamObject } from './stream-object.js';
import { selectedFields, streamWants } from './stream-wants.js';

// biome-ignore lint/suspicious/noExplicitAny: arguments have the types that the schema gives them
type Resolver<S = unknown> = GraphQLFieldResolver<S, GraphqlContext, any>;

interface Device {
  readonly id: string;
}

const MAX_SUBSCRIBED_STREAMS = 1024;

async function describeStreams(
  context: GraphqlContext,
  info: GraphQLResolveInfo,
  ids: readonly string[],
  keys: readonly string[],
) {
  const described = await context.streamLoader.describe(keys, streamWants(info));
  return described.map((stream, index) => streamObject(ids[index]!, stream));
}

async function listSids({ streamLoader }: GraphqlContext, device: string): Promise<string[]> {
  return (await streamLoader.streamsOf(device)).map(({ sid }) => sid);
}

/** The keys of streams that a mutation or subscription names, by ids of the device that it names. */
async function keysOf(context: GraphqlContext, device: string, ids: readonly string[]): Promise<string[]> {
  if (device === DEFAULT_DEVICE) return resolveBareIds(context.control, ids, context.devicePrefixing);
  return ids.map((id) => deviceStreamKey(device, id, context.devicePrefixing));
}

const query: Record<string, Resolver> = {
  devices: async (_, { ids, includeAll, include_all }, { devices }) => {
    const all = atMostOne<boolean>({ includeAll, include_all }) ?? false;
    const listed: string[] = ids ?? (await devices.list(all));
    for (const id of listed) checkDeviceId(id);
    return listed.map((id): Device => ({ id }));
  },

  device: (_, { id }): Device => {
    checkDeviceId(id);
    return { id };
  },

  streamIds: async (_, { match, searchMeta, prefix }, { streamLoader }) => {
    const listing = await streamLoader.list(match ?? undefined, prefix);
    return searchMeta ? listing.described : allKeys(listing);
  },

  streams: async (_, { ids, sids, match, prefix }, context, info) => {
    const named = atMostOne<string[]>({ ids, sids });
    if (named === undefined) {
      const keys = allKeys(await context.streamLoader.list(match ?? undefined, prefix));
      return describeStreams(context, info, keys, keys);
    }
    if (match || prefix) throw new Failure('bad_parameter', 'match and prefix are for listings without ids');
    const keys = await resolveBareIds(context.control, named, context.devicePrefixing);
    return describeStreams(context, info, named, keys);
  },

  stream: async (_, { id }, context, info) => {
    const keys = await resolveBareIds(context.control, [id], context.devicePrefixing);
    return (await describeStreams(context, info, [id], keys))[0];
  },
};

/** The device whose streams are listed: this one, or the one that older clients name here. */
function listedDevice({ id }: Device, { device_id }: { readonly device_id?: string | null }): string {
  if (typeof device_id === 'string') checkDeviceId(device_id);
  return device_id ?? id;
}

const device: Record<string, Resolver<Device>> = {
  meta: ({ id }, _, { deviceLoader }) => deviceLoader.meta(id),
  streamIds: (source, args, context) => listSids(context, listedDevice(source, args)),
  sids: ({ id }, _, context) => listSids(context, id),

  streams: async (source, args, context, info) => {
    const streams = await context.streamLoader.streamsOf(listedDevice(source, args));
    const sids = streams.map(({ sid }) => sid);
    const keys = streams.map(({ key }) => key);
    return describeStreams(context, info, sids, keys);
  },

  stream: async ({ id }, { streamId }, context, info) => {
    const key = deviceStreamKey(id, streamId, context.devicePrefixing);
    return (await describeStreams(context, info, [streamId], [key]))[0];
  },
};

const mutation: Record<string, Resolver> = {
  connectDevice: (_, { deviceId, id, meta }, { devices }) =>
    devices.connect(exactlyOne({ deviceId, id }), meta),

  updateDeviceMeta: (_, { deviceId, id, meta }, { devices }) =>
    devices.setMeta(exactlyOne({ deviceId, id }), meta),

  disconnectDevice: (_, { deviceId, id }, { devices }) => devices.disconnect(exactlyOne({ deviceId, id })),

  updateStreamMeta: async (_, { streamId, sid, id, deviceId, meta, update }, context) => {
    const [key] = await keysOf(context, deviceId, [exactlyOne<string>({ streamId, sid, id })]);
    await (update ? mergeStreamMeta : replaceStreamMeta)(context.control, key!, meta);
    return { meta_set: true };
  },

  deleteStream: async (_, { streamId, deviceId }, context) => {
    const [key] = await keysOf(context, deviceId, [streamId]);
    const { data, meta } = await deleteStream(context.control, key!);
    return { data_deleted: data, meta_deleted: meta, stream_deleted: data || meta };
  },

  flush: async (_, __, { control, allowFlush }) => {
    if (!allowFlush) throw new Failure('not_allowed', 'flush is refused: ALLOW_FLUSH is not set');
    try {
      const keys = await control.dbsize();
      await control.flushdb();
      return keys;
    } catch (error) {
      throw controlFailure(error);
    }
  },
};

/** The schema's names of an entry's forms. */
const FORMS = ['data', 'string', 'json'] as const;

async function subscribeToData(
  _: unknown,
  args: { streamIds: string[]; deviceId?: string | null; lastEntryId: string; latest: boolean },
  context: GraphqlContext,
  info: GraphQLResolveInfo,
): Promise<EntrySubscription> {
  const { streamIds, deviceId, lastEntryId, latest } = args;
  if (streamIds.length === 0 || streamIds.length > MAX_SUBSCRIBED_STREAMS) {
    throw new Failure('bad_parameter', `streamIds must name 1 to ${MAX_SUBSCRIBED_STREAMS} streams`);
  }
  const cursor = parseCursor('lastEntryId', lastEntryId);
  const keys = await keysOf(context, deviceId ?? DEFAULT_DEVICE, streamIds);
  const tails = await readTails(context.control, keys);
  const cursors = resolveCursors(
    keys.map(() => cursor),
    tails,
  );
  const streams = keys.map((key, index) => ({ key, cursor: cursors[index]!, tail: tails[index]! }));
  const fields = selectedFields(info);
  const forms = FORMS.filter((form) => fields.has(form));
  const copies = Math.max(1, ...forms.map((form) => fields.get(form)!));
  return new EntrySubscription(context, streams, streamIds, latest, { forms, copies });
}

/** An event is the entry itself, or why there is none. */
function entryOf(event: unknown): EntryEvent {
  if (event instanceof Error) throw event;
  return event as EntryEvent;
}

export const RESOLVERS = { Query: query, Device: device, Mutation: mutation };
export const SUBSCRIPTIONS = { data: { subscribe: subscribeToData, resolve: entryOf } };
