/** Which streams there are, and which one a name means. */
import { Failure } from '../protocol/errors.js';
import { checkDeviceId, checkStreamId } from '../protocol/names.js';
import { DEFAULT_DEVICE } from '../protocol/parameters.js';
import { type Control, controlFailure } from '../redis/control.js';
import { failureFromRedis } from '../redis/error-replies.js';
import type { KeyReads } from '../redis/key-reads.js';
import { splitStreamKey, streamKey, streamMetaKey } from '../redis/keys.js';
import { encodeCommand, type ReplyCursor } from '../redis/resp.js';

/** Of whole keys that clients name; a device, a prefix and a name together are shorter. */
const MAX_KEY_LENGTH = 2048;
/** Keys that Redis looks at in one step of a SCAN. */
const SCAN_STEP = 1000;

/** `text` as a glob that matches nothing but itself. */
function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\^]/g, '\\$&');
}

/** Keys of a type that begin with `start`, step by step; one may come twice. Rejects as ioredis does. */
export async function* scanKeys(
  control: Control,
  start: string,
  type: 'stream' | 'string',
): AsyncGenerator<readonly string[], void> {
  const pattern = `${escapeGlob(start)}*`;
  let walks = control.masters().map((redis) => ({ redis, cursor: '0' }));
  while (walks.length > 0) {
    const steps = await Promise.all(
      walks.map(({ redis, cursor }) =>
        redis.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_STEP, 'TYPE', type),
      ),
    );
    for (const [, keys] of steps) yield keys;
    walks = walks
      .map(({ redis }, index) => ({ redis, cursor: steps[index]![0] }))
      .filter(({ cursor }) => cursor !== '0');
  }
}

/** Keys of streams that are wanted, whichever come first where there are more than `most`. @throws Failure */
export async function listStreamKeys(
  control: Control,
  isWanted: (key: string) => boolean,
  most: number,
): Promise<ReadonlySet<string>> {
  try {
    const found = new Set<string>();
    for await (const keys of scanKeys(control, '', 'stream')) {
      for (const key of keys) if (found.size < most && isWanted(key)) found.add(key);
      if (found.size >= most) break;
    }
    return found;
  } catch (error) {
    throw controlFailure(error);
  }
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
  reads: Pick<KeyReads, 'send'>,
  ids: readonly string[],
  devicePrefixing: boolean,
  isAllowed: (key: string) => boolean,
): Promise<string[]> {
  for (const id of ids) {
    if (id === '') throw new Failure('bad_name', 'the stream id must not be empty');
    if (id.length > MAX_KEY_LENGTH) {
      throw new Failure('bad_name', `a stream key may have at most ${MAX_KEY_LENGTH} characters`);
    }
  }
  const there = await Promise.all(
    ids.map(async (id) => {
      if (!isAllowed(id)) return false;
      const metaKey = streamMetaKey(id);
      const [isStream, hasMeta] = await Promise.all([
        reads.send(id, encodeCommand(['TYPE', id]), (reply) => textOf(reply) === 'stream'),
        reads.send(metaKey, encodeCommand(['EXISTS', metaKey]), (reply) => textOf(reply) === '1'),
      ]);
      return isStream || hasMeta;
    }),
  );
  return ids.map((id, index) => (there[index] ? id : deviceStreamKey(DEFAULT_DEVICE, id, devicePrefixing)));
}

/** @throws Failure */
function textOf(reply: ReplyCursor): string {
  if (reply.isError) throw failureFromRedis(reply.text());
  return reply.text();
}
