/** Which streams there are, and which one a name means. */
import type { Redis } from 'ioredis';
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

/** Keys of a type that begin with `start`, step by step; one may come more than once. Rejects as ioredis does. */
export async function* scanKeys(
  control: Control,
  start: string,
  type: 'stream' | 'string',
): AsyncGenerator<readonly string[], void> {
  for await (const masters of control.rounds()) {
    for await (const { keys } of walkKeys(masters, start, type)) yield keys;
  }
}

/** One step of a SCAN at one server. */
interface WalkStep {
  readonly keys: readonly string[];
  /** The server is lost; its other keys do not come. */
  readonly error?: Error;
}

/** At all servers at once. @param mayMiss goes on where a server is lost */
async function* walkKeys(
  masters: readonly Redis[],
  start: string,
  type: 'stream' | 'string',
  mayMiss = false,
): AsyncGenerator<WalkStep, void> {
  const pattern = `${escapeGlob(start)}*`;
  let walks = masters.map((redis) => ({ redis, cursor: '0' }));
  while (walks.length > 0) {
    const steps = await Promise.all(
      walks.map(async ({ redis, cursor }) => {
        try {
          const [next, keys] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_STEP, 'TYPE', type);
          return { cursor: next, keys };
        } catch (error) {
          if (!mayMiss || (error as Error).name === 'ReplyError') throw error;
          return { cursor: '0', keys: [], error: error as Error };
        }
      }),
    );
    yield* steps;
    walks = walks
      .map(({ redis }, index) => ({ redis, cursor: steps[index]!.cursor }))
      .filter(({ cursor }) => cursor !== '0');
  }
}

/** Streams that are wanted. */
export interface ListedStreams {
  readonly keys: ReadonlySet<string>;
  /** Whether those of all servers are there. */
  readonly isWhole: boolean;
}

/**
 * Keys of streams that are wanted, whichever come first where there are more than `most`; without those of masters of a
 * cluster that are away, while any is there.
 * @throws Failure
 */
export async function listStreamKeys(
  control: Control,
  isWanted: (key: string) => boolean,
  most: number,
): Promise<ListedStreams> {
  const keys = new Set<string>();
  let isWhole = true;
  try {
    for await (const masters of control.rounds()) {
      const lost: Error[] = [];
      for await (const step of walkKeys(masters, '', 'stream', masters.length > 1)) {
        if (step.error !== undefined) lost.push(step.error);
        for (const key of step.keys) if (keys.size < most && isWanted(key)) keys.add(key);
        if (keys.size >= most) return { keys, isWhole };
      }
      if (lost.length === masters.length) throw lost[0];
      isWhole = lost.length === 0;
    }
    return { keys, isWhole };
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
      const [isStream, hasMeta] = await Promise.allSettled([
        reads.send(id, encodeCommand(['TYPE', id]), (reply) => textOf(reply) === 'stream'),
        reads.send(metaKey, encodeCommand(['EXISTS', metaKey]), (reply) => textOf(reply) === '1'),
      ]);
      // Of a cluster the server that has one of the keys may be away, while the other says enough.
      const known = [isStream, hasMeta].flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      if (known.includes(true)) return true;
      for (const one of [isStream, hasMeta]) if (one.status === 'rejected') throw one.reason;
      return false;
    }),
  );
  return ids.map((id, index) => (there[index] ? id : deviceStreamKey(DEFAULT_DEVICE, id, devicePrefixing)));
}

/** @throws Failure */
function textOf(reply: ReplyCursor): string {
  if (reply.isError) throw failureFromRedis(reply.text());
  return reply.text();
}
