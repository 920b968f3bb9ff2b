/** What people attach to streams: a JSON object each. */
import { Failure } from '../protocol/errors.js';
import { isSurelyLonger, MAX_LEVELS, nestsTooDeep, parseJsonText } from '../protocol/json-text.js';
import { readMediaType } from '../protocol/media-type.js';
import type { RangeReads } from '../reads/range-reads.js';
import { type Control, controlFailure } from '../redis/control.js';
import { streamMetaKey } from '../redis/keys.js';
import { unlinkAll } from '../redis/many-keys.js';

export type Metadata = Record<string, unknown>;

const MAX_METADATA_BYTES = 1024 * 1024;
/** Writers of the same metadata that come between; each attempt but one means that another succeeded. */
const MAX_ATTEMPTS = 100;
/** Streams that are deleted by one command: Redis does nothing else meanwhile. */
const DELETED_AT_ONCE = 500;

function isObject(value: unknown): value is Metadata {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const tooLong = () =>
  new Failure('bad_metadata', `metadata may have at most ${MAX_METADATA_BYTES} bytes of JSON`);

/** The text to store. @throws Failure `bad_metadata` where `value` is not a JSON object */
export function encodeMetadata(value: unknown): string {
  if (!isObject(value)) throw new Failure('bad_metadata', 'metadata must be a JSON object');
  if (isSurelyLonger(value, MAX_METADATA_BYTES)) throw tooLong();
  if (nestsTooDeep(value))
    throw new Failure('bad_metadata', `metadata may nest at most ${MAX_LEVELS} levels deep`);
  const text = JSON.stringify(value);
  if (Buffer.byteLength(text) > MAX_METADATA_BYTES) throw tooLong();
  return text;
}

/** What is stored, as an object; others may have stored anything, which then counts as none. */
export function decodeMetadata(text: string | null): Metadata {
  const value = text === null ? null : parseJsonText(text);
  return isObject(value) ? value : {};
}

/** The same as a text of JSON. */
export const metadataText = (text: string | null): string =>
  text !== null && isObject(parseJsonText(text)) ? text : '{}';

/** The media type that a stream's metadata gives its entries as `content_type`; undefined where it gives none. @throws Failure */
export async function readStreamMediaType(
  reads: Pick<RangeReads, 'text'>,
  streamKey: string,
): Promise<string | undefined> {
  const text = await reads.text(streamMetaKey(streamKey));
  return text === null ? undefined : readMediaType(decodeMetadata(text).content_type);
}

/** Replaces a stream's metadata. @throws Failure */
export async function replaceStreamMeta(control: Control, streamKey: string, value: unknown): Promise<void> {
  const text = encodeMetadata(value);
  const key = streamMetaKey(streamKey);
  await control
    .of(key, (redis) => redis.set(key, text))
    .catch((error) => {
      throw controlFailure(error);
    });
}

/** Merges an object into a stream's metadata; of two writers at once neither's change is lost. @throws Failure */
export async function mergeStreamMeta(control: Control, streamKey: string, value: unknown): Promise<void> {
  encodeMetadata(value);
  const key = streamMetaKey(streamKey);
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const before = await control.of(key, (redis) => redis.get(key));
      const after = encodeMetadata({ ...decodeMetadata(before), ...(value as Metadata) });
      const replaced = await control.of(key, (redis) => redis.replaceValue(key, before ?? '', after));
      if (replaced === 1) return;
    }
  } catch (error) {
    throw controlFailure(error);
  }
  throw new Failure('overloaded', 'too many clients change this metadata at once');
}

/** Deletes a stream and its metadata. @throws Failure `wrong_type` where the key is no stream */
export async function deleteStream(
  control: Control,
  streamKey: string,
): Promise<{ data: boolean; meta: boolean }> {
  try {
    const type = await control.of(streamKey, (redis) => redis.type(streamKey));
    if (type !== 'stream' && type !== 'none') {
      throw new Failure('wrong_type', `the key is a ${type}, not a stream`);
    }
    const unlink = (key: string) => control.of(key, (redis) => redis.unlink(key));
    const [data, meta] = await Promise.all([unlink(streamKey), unlink(streamMetaKey(streamKey))]);
    return { data: data === 1, meta: meta === 1 };
  } catch (error) {
    throw controlFailure(error);
  }
}

/** Deletes streams and their metadata. @returns how many keys there were @throws Failure */
export async function deleteStreams(control: Control, streamKeys: readonly string[]): Promise<number> {
  let deleted = 0;
  try {
    for (let from = 0; from < streamKeys.length; from += DELETED_AT_ONCE) {
      const keys = streamKeys.slice(from, from + DELETED_AT_ONCE);
      deleted += await unlinkAll(control, [...keys, ...keys.map(streamMetaKey)]);
    }
    return deleted;
  } catch (error) {
    throw controlFailure(error);
  }
}
