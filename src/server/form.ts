/** The parts of a `multipart/form-data` body that are entries. */
import { type MultipartPart, parseMultipart } from '@remix-run/multipart-parser';
import { Failure } from '../errors.js';

const PART_NAME = 'entries';
const MAX_PARTS = 65_536;
const MAX_PART_HEADER_BYTES = 8 * 1024;

export interface FormEntry {
  /** '' where the part has none. */
  readonly filename: string;
  readonly payload: Uint8Array;
}

export function isForm(contentType: string): boolean {
  return /^multipart\/form-data\s*(;|$)/i.test(contentType);
}

/**
 * A part's filename. Not the library's, which takes every backslash for an escape though browsers write
 * none, trims the name, and puts a character of its own where `filename*` is not UTF-8.
 */
function readFilename(part: MultipartPart): string {
  const disposition = part.headers['content-disposition'] ?? '';
  const extended = /;\s*filename\*=(?:"([^"]*)"|([^;\s]*))/i.exec(disposition);
  if (extended !== null) return decodeExtended(extended[1] ?? extended[2]!);
  const quoted = /;\s*filename="((?:[^"\\]|\\.)*)"/i.exec(disposition);
  if (quoted === null) return part.filename ?? '';
  // Browsers and fetch write three characters percent-encoded, as the HTML standard says; all else is literal.
  return quoted[1]!.replace(/\\(["\\])|%(?:22|0D|0A)/gi, (encoded, literal?: string) => {
    return literal ?? decodeURIComponent(encoded);
  });
}

/** RFC 8187: `utf-8'language'percent-encoded`. @throws Error */
function decodeExtended(value: string): string {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(value)?.[1];
  if (encoded === undefined) throw new Error('filename* must be UTF-8');
  return decodeURIComponent(encoded);
}

/**
 * @returns the parts named `entries`, in order
 * @throws Failure `bad_body`
 */
export function parseForm(contentType: string, body: Uint8Array): FormEntry[] {
  const boundary = /;\s*boundary=(?:"([^"]{1,70})"|([^;\s]{1,70}))/i.exec(contentType);
  if (boundary === null) throw new Failure('bad_body', 'the Content-Type names no boundary');
  const entries: FormEntry[] = [];
  try {
    const parts = parseMultipart(body, {
      boundary: boundary[1] ?? boundary[2]!,
      maxHeaderSize: MAX_PART_HEADER_BYTES,
      maxParts: MAX_PARTS,
      // The body as a whole is bounded before it is read.
      maxFileSize: Number.MAX_SAFE_INTEGER,
      maxTotalSize: Number.MAX_SAFE_INTEGER,
    });
    for (const part of parts) {
      if (part.name !== PART_NAME) continue;
      entries.push({ filename: readFilename(part), payload: part.bytes });
    }
  } catch (error) {
    throw new Failure('bad_body', `the form does not parse: ${(error as Error).message}`);
  }
  if (entries.length === 0) throw new Failure('bad_body', `the form has no part named '${PART_NAME}'`);
  return entries;
}
