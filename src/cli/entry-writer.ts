/** What is made of an entry that was pulled: its bytes, a line, a line of JSON, or a file. */
import { dirname, join } from 'node:path';
import type { Entry } from '../client/entry.js';
import { detectMediaType } from '../protocol/media-type.js';
import { makeFolder } from '../system/make-folder.js';
import { replaceFrame } from './frame-file.js';

/** What goes to standard output. */
export type EntryWriter = (entry: Entry) => string | Uint8Array | Promise<string | Uint8Array>;

export interface WriterValues {
  readonly lines?: boolean;
  readonly json?: boolean;
  readonly files?: string;
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
  'image/gif': 'gif',
  'application/json': 'json',
  'text/plain; charset=utf-8': 'txt',
};
const DEFAULT_PATTERN = '{stream}-{id}.{ext}';
const PLACEHOLDER = /\{(stream|id|time|ext)\}/g;

const NEWLINE = new Uint8Array([0x0a]);
const writeBytes: EntryWriter = ({ data }) => data;
const writeLine: EntryWriter = ({ data }) => Buffer.concat([data, NEWLINE]);

/** Text as it is, other bytes as `{"base64": …}`, as the gateway does with fields that are not UTF-8. */
const writeJson: EntryWriter = ({ stream, id, time, data }) => {
  let value: string | { base64: string };
  try {
    value = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    value = { base64: Buffer.from(data).toString('base64') };
  }
  return `${JSON.stringify({ stream, id, time: new Date(time).toISOString(), data: value })}\n`;
};

/** A name that stays one name: streams may be called `../x`. */
function fileName(text: string): string {
  const name = encodeURIComponent(text);
  return /^\.+$/.test(name) ? name.replaceAll('.', '%2E') : name;
}

/** Where `entry` goes; a pattern without placeholders is a folder. */
export function entryPath(pattern: string, { stream, id, time, data }: Entry): string {
  const whole = pattern.search(PLACEHOLDER) < 0 ? join(pattern, DEFAULT_PATTERN) : pattern;
  return whole.replace(PLACEHOLDER, (_, name: string) => {
    if (name === 'stream') return fileName(stream);
    if (name === 'id') return id;
    if (name === 'time') return new Date(time).toISOString().replaceAll(':', '');
    return EXTENSIONS[detectMediaType(data)] ?? 'bin';
  });
}

/** Each entry in a file of its own, whose path is told. */
const writeFiles =
  (pattern: string): EntryWriter =>
  async (entry) => {
    const path = entryPath(pattern, entry);
    await makeFolder(dirname(path));
    await replaceFrame(path, entry.data);
    return `${path}\n`;
  };

export function makeWriter({ lines, json, files }: WriterValues): EntryWriter {
  if (files !== undefined) return writeFiles(files);
  if (json) return writeJson;
  return lines ? writeLine : writeBytes;
}
