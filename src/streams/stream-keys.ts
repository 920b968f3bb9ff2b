/** Which streams there are, and which one a name means. */
import type { Redis } from 'ioredis';
import { Failure } from '../errors.js';
import { controlFailure } from '../redis/control.js';
import { STREAM_META_PREFIX, splitStreamKey, streamKey, streamMetaKey } from '../redis/keys.js';
import { checkDeviceId, checkStreamId } from '../wire/names.js';
import { DEFAULT_DEVICE } from '../wire/parameters.js';

/** Keys that Redis looks at in one step of a SCAN. */
const SCAN_STEP = 1000;

/** Keys of streams and of metadata, in alphabetical order. */
export interface KeyListing {
  readonly streams: readonly string[];
  /** Streams that have metadata, whether they exist or not. */
  readonly described: readonly string[];
}

/** `text` as a glob that matches nothing but itself. */
function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\^]/g, '\\$&');
}

interface ScanOptions {
  readonly pattern: string;
  readonly type: 'stream' | 'string';
  /** Of these keys alone. */
  readonly isWanted?: (key: string) => boolean;
  readonly most?: number;
}

async function scan(control: Redis, options: ScanOptions): Promise<Set<string>> {
  const { pattern, type, isWanted = () => true, most = Number.POSITIVE_INFINITY } = options;
  const found = new Set<string>();
  let cursor = '0';
  do {
    const [next, keys] = await control.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_STEP, 'TYPE', type);
    cursor = next;
    for (const key of keys) if (found.size < most && isWanted(key)) found.add(key);
  } while (cursor !== '0' && found.size < most);
  return found;
}

/** @param match a Redis glob that the keys behind `prefix` must fit; undefined: any @throws Failure */
export async function listKeys(control: Redis, match?: string, prefix = ''): Promise<KeyListing> {
  const pattern = escapeGlob(prefix) + (match ?? '*');
  try {
    const [streams, metas] = await Promise.all([
      scan(control, { pattern, type: 'stream' }),
      scan(control, { pattern: escapeGlob(STREAM_META_PREFIX) + pattern, type: 'string' }),
    ]);
    const described = [...metas].map((key) => key.slice(STREAM_META_PREFIX.length));
    return { streams: [...streams].sort(), described: described.sort() };
  } catch (error) {
    throw controlFailure(error);
  }
}

/** Keys of streams that are wanted, whichever come first where there are more than `most`. @throws Failure */
export async function listStreamKeys(
  control: Redis,
  isWanted: (key: string) => boolean,
  most: number,
): Promise<ReadonlySet<string>> {
  try {
    return await scan(control, { pattern: '*', type: 'stream', isWanted, most });
  } catch (error) {
    throw controlFailure(error);
  }
}

/** Every stream that exists or has metadata, in alphabetical order. */
export function allKeys({ streams, described }: KeyListing): string[] {
  return [...new Set([...streams, ...described])].sort();
}

/** A stream as its device knows it. */
export interface DeviceStream {
  /** The key without the device's part. */
  readonly sid: string;
  readonly key: string;
}

/** The streams of each device, in the order of the keys. */
export function groupByDevice(
  keys: readonly string[],
  devicePrefixing: boolean,
): Map<string, DeviceStream[]> {
  const devices = new Map<string, DeviceStream[]>();
  for (const key of keys) {
    const { device, name } = splitStreamKey(key, devicePrefixing);
    if (device === undefined) continue;
    const streams = devices.get(device) ?? [];
    streams.push({ sid: name, key });
    devices.set(device, streams);
  }
  return devices;
}

/**
 * The key of a device's stream.
 * @throws Failure `bad_name`
 */
export function deviceStreamKey(device: string, sid: string, devicePrefixing: boolean): string {
  checkDeviceId(device);
  checkStreamId(sid);
  return streamKey(device, '', sid, devicePrefixing);
}

/**
 * The key that each bare stream id means: that very key if it exists as a stream or has metadata, else the
 * default device's stream of that name. One round trip for all.
 * @param isAllowed keys that are not are not looked at, as if there were none
 * @throws Failure
 */
export async function resolveBareIds(
  control: Redis,
  ids: readonly string[],
  devicePrefixing: boolean,
  isAllowed: (key: string) => boolean,
): Promise<string[]> {
  for (const id of ids) if (id === '') throw new Failure('bad_name', 'the stream id is empty');
  const looked = ids.filter(isAllowed);
  const pipeline = control.pipeline();
  for (const id of looked) pipeline.type(id).exists(streamMetaKey(id));
  try {
    const replies = looked.length === 0 ? [] : ((await pipeline.exec()) ?? []);
    const there = new Set<string>();
    looked.forEach((id, index) => {
      const [typeError, type] = replies[2 * index]!;
      const [metaError, hasMeta] = replies[2 * index + 1]!;
      if (typeError ?? metaError) throw typeError ?? metaError;
      if (type === 'stream' || hasMeta === 1) there.add(id);
    });
    return ids.map((id) => (there.has(id) ? id : deviceStreamKey(DEFAULT_DEVICE, id, devicePrefixing)));
  } catch (error) {
    throw controlFailure(error);
  }
}
