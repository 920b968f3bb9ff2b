/** What a device or stream may be called (docs/protocol.md, names). */
import { Failure } from './errors.js';

export const MAX_NAME_BYTES = 512;
/** Separates ids in paths and cursors, so no name may hold it. */
export const ID_SEPARATOR = '+';
/** A stream id with this first character names a system stream. */
export const SYSTEM_MARK = ':';

// biome-ignore lint/suspicious/noControlCharactersInRegex: names with control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

function checkName(what: string, name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0) throw new Failure('bad_name', `the ${what} must not be empty`);
  if (bytes > MAX_NAME_BYTES) {
    throw new Failure('bad_name', `the ${what} has ${bytes} bytes; at most ${MAX_NAME_BYTES} are allowed`);
  }
  if (CONTROL.test(name)) throw new Failure('bad_name', `the ${what} must not have control characters`);
  if (!name.isWellFormed()) throw new Failure('bad_name', `the ${what} must be valid Unicode`);
  if (name.includes(ID_SEPARATOR)) {
    throw new Failure('bad_name', `the ${what} must not have a '${ID_SEPARATOR}', which separates ids`);
  }
}

/** @throws Failure `bad_name` */
export function checkDeviceId(id: string): void {
  checkName('device id', id);
  if (id.includes(':')) {
    throw new Failure('bad_name', "the device id must not have a ':', which separates it from the stream id");
  }
}

/** @throws Failure `bad_name` */
export function checkStreamId(id: string): void {
  checkName('stream id', id);
}

/** @throws Failure `reserved_name` where `id` names a system stream, which clients only read. */
export function checkWritable(id: string): void {
  if (id.startsWith(SYSTEM_MARK)) {
    throw new Failure('reserved_name', `'${id}' is a system stream, which can be read but not written`);
  }
}

/** A prefix may be empty; else it is held to what a stream id may have. @throws Failure `bad_name` */
export function checkPrefix(prefix: string): void {
  if (prefix !== '') checkName('prefix', prefix);
}
