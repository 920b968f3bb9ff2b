/** The names of what is stored (docs/protocol.md, what is stored). No other file spells a key. */
import { Failure } from '../protocol/errors.js';
import { SYSTEM_MARK } from '../protocol/names.js';
import { DEFAULT_DEVICE } from '../protocol/parameters.js';

export const DEVICES_CONNECTED = ':devices:connected';
export const DEVICES_SEEN = ':devices:seen';
export const DEVICE_CONNECTED_EVENT = ':event:device.connected';
export const DEVICE_META_EVENT = ':event:device.meta';

/** The field of a stream's entry that holds its payload. */
export const PAYLOAD_FIELD = 'd';

/** Ends the device's part of a stream's key. */
const DEVICE_END = ':';

/** What a stream's metadata key has before the stream's key. */
export const STREAM_META_PREFIX = ':stream:meta:';

export const streamMetaKey = (streamKey: string): string => `${STREAM_META_PREFIX}${streamKey}`;
export const deviceMetaKey = (device: string): string => `:devices:meta:${device}`;

/**
 * The key of stream `sid`: `{device}:{prefix}{sid}`, or `{prefix}{sid}` without device prefixing.
 * A system stream's id is its key.
 * @throws Failure `reserved_name` where a prefix would make a system stream's name of another
 */
export function streamKey(device: string, prefix: string, sid: string, devicePrefixing: boolean): string {
  if (sid.startsWith(SYSTEM_MARK)) return sid;
  const key = `${devicePrefixing ? devicePrefix(device) : ''}${prefix}${sid}`;
  if (key.startsWith(SYSTEM_MARK)) {
    throw new Failure('reserved_name', `'${key}' begins with '${SYSTEM_MARK}', which marks system streams`);
  }
  return key;
}

/**
 * What a stream's key says of it: its device and, behind that, its prefix and id. System streams, and keys
 * of other programs that name none, have no device; without device prefixing all others are of one.
 */
export function splitStreamKey(
  key: string,
  devicePrefixing: boolean,
): { readonly device: string | undefined; readonly name: string } {
  if (key.startsWith(SYSTEM_MARK)) return { device: undefined, name: key };
  if (!devicePrefixing) return { device: DEFAULT_DEVICE, name: key };
  const end = key.indexOf(DEVICE_END);
  if (end < 0) return { device: undefined, name: key };
  return { device: key.slice(0, end), name: key.slice(end + DEVICE_END.length) };
}

/** What all keys of a device's streams begin with. */
export const devicePrefix = (device: string): string => `${device}${DEVICE_END}`;
