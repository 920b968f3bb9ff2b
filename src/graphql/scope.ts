/** Which devices and streams the names of a request mean, as far as its token goes. */
import { type GraphQLResolveInfo, Kind } from 'graphql';
import type { Action } from '../access/rights.js';
import { flushAll } from '../catalog/flush.js';
import { listKeys } from '../catalog/key-listing.js';
import { deleteStreams } from '../catalog/metadata.js';
import { deviceStreamKey, resolveBareIds } from '../catalog/stream-keys.js';
import { Failure } from '../protocol/errors.js';
import { checkDeviceId } from '../protocol/names.js';
import { DEFAULT_DEVICE } from '../protocol/parameters.js';
import type { GraphqlContext } from './context.js';
import type { RequestedStreamFields } from './requested-stream-fields.js';
import type { Guess } from './stream-loader.js';

/** Whether the client gave an argument itself, rather than leave it to the schema's default. */
function isGiven({ fieldNodes, variableValues }: GraphQLResolveInfo, name: string): boolean {
  const value = fieldNodes[0]?.arguments?.find((argument) => argument.name.value === name)?.value;
  if (value === undefined) return false;
  return value.kind !== Kind.VARIABLE || Object.hasOwn(variableValues, value.name.value);
}

/**
 * The device that an argument names: where the client left it to the default, the one that its token is for.
 * @throws Failure `bad_name`, `forbidden`
 */
export function namedDevice(
  { rights }: GraphqlContext,
  info: GraphQLResolveInfo,
  argument: string,
  value: string | null | undefined,
): string {
  const device = isGiven(info, argument) ? (value ?? rights.home) : rights.home;
  checkDeviceId(device);
  rights.checkWall(device);
  return device;
}

/**
 * The keys of streams that a request names by ids of a device; of the default device, also by whole keys.
 * @throws Failure
 */
export async function namedKeys(
  { describes, grant, rights, devicePrefixing, names }: GraphqlContext,
  action: Action,
  device: string,
  ids: readonly string[],
): Promise<string[]> {
  names.name(ids.length);
  const keys =
    device === DEFAULT_DEVICE && rights.wall === undefined
      ? await resolveBareIds(describes.reads, ids, devicePrefixing, (key) => rights.may(action, key))
      : ids.map((id) => deviceStreamKey(device, id, devicePrefixing));
  // Redis may have been asked meanwhile.
  grant.check();
  keys.forEach((key, index) => {
    rights.check(action, key, ids[index]!);
  });
  return keys;
}

/**
 * The key of a stream that a request names. What is asked of it is asked of all that the name may mean, if that is
 * little, in the round trip in which Redis is asked what it means.
 * @throws Failure
 */
export async function namedDescription(
  context: GraphqlContext,
  id: string,
  wants: RequestedStreamFields,
): Promise<{ readonly key: string; readonly guess: Guess | undefined }> {
  const { rights, streamLoader } = context;
  const candidates = possibleKeys(id, context);
  const guess = candidates && streamLoader.guess(candidates, wants);
  const [key] = await namedKeys(context, 'read', rights.home, [id]);
  if (candidates?.includes(id) && key !== id) streamLoader.noteNone(id, wants);
  return { key: key!, guess };
}

/** The keys that a bare id may mean, of those that may be read. */
function possibleKeys(
  id: string,
  { rights, devicePrefixing }: GraphqlContext,
): readonly string[] | undefined {
  // Others mean one key, which nobody need be asked.
  if (rights.home !== DEFAULT_DEVICE || rights.wall !== undefined) return undefined;
  try {
    const keys = new Set([id, deviceStreamKey(DEFAULT_DEVICE, id, devicePrefixing)]);
    return [...keys].filter((key) => rights.may('read', key));
  } catch {
    // It is a whole key, or none.
    return undefined;
  }
}

/**
 * Empties the database; of a token for a device, deletes that device's streams and their metadata.
 * @returns how many keys there were @throws Failure
 */
export async function flush({ control, rights, allowFlush }: GraphqlContext): Promise<number> {
  if (!allowFlush) throw new Failure('not_allowed', 'flush is not allowed; set ALLOW_FLUSH=1 to allow it');
  if (!rights.mayAll('admin')) throw new Failure('forbidden', 'this token may not delete everything');
  if (rights.wall !== undefined) {
    return deleteStreams(control, (await listKeys(control, { prefix: rights.hiddenPrefix })).all);
  }
  return flushAll(control);
}
