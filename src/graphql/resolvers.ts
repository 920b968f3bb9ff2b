/** What each field of the schema answers, a line or two each; the work is done in `catalog/` and `follow/`. */
import type { GraphQLFieldResolver, GraphQLResolveInfo } from 'graphql';
import { deleteStream, mergeStreamMeta, replaceStreamMeta } from '../catalog/metadata.js';
import { deviceStreamKey } from '../catalog/stream-keys.js';
import { readTails, resolveCursors } from '../follow/live/tails.js';
import { Failure } from '../protocol/errors.js';
import { checkDeviceId } from '../protocol/names.js';
import { parseCursor } from '../protocol/parameters.js';
import { atMostOne, exactlyOne } from './arguments.js';
import type { GraphqlContext } from './context.js';
import { type EntryEvent, EntrySubscription } from './entry-subscription.js';
import { compileEvents } from './event-writer.js';
import { checkMatch } from './limits.js';
import { countFields, selectedFields, streamWants } from './requested-stream-fields.js';
import { flush, namedDescription, namedDevice, namedKeys } from './scope.js';
import type { Guess } from './stream-loader.js';
import { StreamObject } from './stream-object.js';

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
  guess?: Guess,
) {
  const described = await context.streamLoader.describe(keys, ids, streamWants(info), guess);
  return described.map((stream, index) => new StreamObject(ids[index]!, stream));
}

async function listSids(context: GraphqlContext, device: string): Promise<readonly string[]> {
  const streams = await context.streamLoader.streamsOf(device);
  return answerIds(
    context,
    streams.map(({ sid }) => sid),
  );
}

async function answerIds(
  { budget, streamLoader }: GraphqlContext,
  ids: readonly string[],
): Promise<readonly string[]> {
  budget.spendList(ids);
  await streamLoader.listReady(ids);
  return ids;
}

/** What the client calls these keys. */
const namesOf = ({ rights }: GraphqlContext, keys: readonly string[]): readonly string[] =>
  rights.wall === undefined ? keys : keys.map((key) => rights.nameOf(key));

const query: Record<string, Resolver> = {
  devices: async (_, { ids, includeAll, include_all }, context, info) => {
    const { devices, names, rights, budget, streamLoader } = context;
    const all = atMostOne<boolean>({ includeAll, include_all }) ?? false;
    const named: string[] | undefined = ids ?? undefined;
    names.name(named?.length ?? 0);
    for (const id of named ?? []) {
      checkDeviceId(id);
      rights.checkSome('read', id);
    }
    const listed = named ?? (await devices.list(all)).filter((id) => rights.maySome('read', id));
    const fields = selectedFields(info);
    budget.spendList(listed, countFields(fields), fields.get('id') ?? 0);
    await streamLoader.listReady(listed);
    return listed.map((id): Device => ({ id }));
  },

  device: (_, { id }, context, info): Device => {
    const device = namedDevice(context, info, 'id', id);
    context.rights.checkSome('read', device);
    return { id: device };
  },

  streamIds: async (_, { match, searchMeta, prefix }, context) => {
    checkMatch(match, prefix);
    const { described, all } = await context.streamLoader.list(match ?? undefined, prefix);
    return answerIds(context, namesOf(context, searchMeta ? described : all));
  },

  streams: async (_, { ids, sids, match, prefix }, context, info) => {
    const named = atMostOne<string[]>({ ids, sids });
    checkMatch(match, prefix);
    if (named === undefined) {
      const { all } = await context.streamLoader.list(match ?? undefined, prefix);
      return describeStreams(context, info, namesOf(context, all), all);
    }
    if (match || prefix) throw new Failure('bad_parameter', 'match and prefix are for listings without ids');
    const keys = await namedKeys(context, 'read', context.rights.home, named);
    return describeStreams(context, info, named, keys);
  },

  stream: async (_, { id }, context, info) => {
    const { key, guess } = await namedDescription(context, id, streamWants(info));
    return (await describeStreams(context, info, [id], [key], guess))[0];
  },
};

/** The device whose streams are listed: this one, or the one that older clients name here. */
function listedDevice(
  { id }: Device,
  { device_id }: { readonly device_id?: string | null },
  { rights }: GraphqlContext,
): string {
  if (typeof device_id !== 'string') return id;
  checkDeviceId(device_id);
  rights.checkSome('read', device_id);
  return device_id;
}

const device: Record<string, Resolver<Device>> = {
  meta: ({ id }, _, { deviceLoader }) => deviceLoader.meta(id),
  streamIds: (source, args, context) => listSids(context, listedDevice(source, args, context)),
  sids: ({ id }, _, context) => listSids(context, id),

  streams: async (source, args, context, info) => {
    const streams = await context.streamLoader.streamsOf(listedDevice(source, args, context));
    const sids = streams.map(({ sid }) => sid);
    const keys = streams.map(({ key }) => key);
    return describeStreams(context, info, sids, keys);
  },

  stream: async ({ id }, { streamId }, context, info) => {
    context.names.nameSingle();
    const key = deviceStreamKey(id, streamId, context.devicePrefixing);
    context.rights.check('read', key, streamId);
    return (await describeStreams(context, info, [streamId], [key]))[0];
  },
};

/** The device that a mutation changes. @throws Failure `bad_parameter`, `forbidden` */
function changedDevice(
  { rights }: GraphqlContext,
  names: Readonly<Record<string, string | null | undefined>>,
): string {
  const device = exactlyOne<string>(names);
  rights.checkDevice('meta', device);
  return device;
}

const mutation: Record<string, Resolver> = {
  connectDevice: (_, { deviceId, id, meta }, context) =>
    context.devices.connect(changedDevice(context, { deviceId, id }), meta),

  updateDeviceMeta: (_, { deviceId, id, meta }, context) =>
    context.devices.setMeta(changedDevice(context, { deviceId, id }), meta),

  disconnectDevice: (_, { deviceId, id }, context) =>
    context.devices.disconnect(changedDevice(context, { deviceId, id })),

  updateStreamMeta: async (_, { streamId, sid, id, deviceId, meta, update }, context, info) => {
    const device = namedDevice(context, info, 'deviceId', deviceId);
    const [key] = await namedKeys(context, 'meta', device, [exactlyOne<string>({ streamId, sid, id })]);
    await (update ? mergeStreamMeta : replaceStreamMeta)(context.control, key!, meta);
    return { meta_set: true };
  },

  deleteStream: async (_, { streamId, deviceId }, context, info) => {
    const device = namedDevice(context, info, 'deviceId', deviceId);
    const [key] = await namedKeys(context, 'admin', device, [streamId]);
    const { data, meta } = await deleteStream(context.control, key!);
    return { data_deleted: data, meta_deleted: meta, stream_deleted: data || meta };
  },

  flush: (_, __, context) => flush(context),
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
  const device = namedDevice(context, info, 'deviceId', deviceId);
  const keys = await namedKeys(context, 'read', device, streamIds);
  const checkRoom = () => context.hub.checkRoom(keys, (more) => context.payer?.check(more));
  checkRoom();
  const tails = await readTails(context.control, context.hub, keys);
  checkRoom();
  const cursors = resolveCursors(
    keys.map(() => cursor),
    tails,
  );
  const streams = keys.map((key, index) => ({ key, cursor: cursors[index]!, tail: tails[index]! }));
  const fields = selectedFields(info);
  const forms = FORMS.filter((form) => fields.has(form));
  const copies = Math.max(1, ...forms.map((form) => fields.get(form)!));
  const writer = context.sink && compileEvents(info);
  const outlet = writer && { writer, sink: context.sink! };
  return new EntrySubscription(context, streams, streamIds, latest, { forms, copies }, outlet);
}

/** An event is the entry itself, or why there is none. */
function entryOf(event: unknown): EntryEvent {
  if (event instanceof Error) throw event;
  return event as EntryEvent;
}

export const RESOLVERS = { Query: query, Device: device, Mutation: mutation };
export const SUBSCRIPTIONS = { data: { subscribe: subscribeToData, resolve: entryOf } };
