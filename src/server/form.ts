/** The parts of a `multipart/form-data` body that are entries. */
import { parseMultipart } from '@remix-run/multipart-parser';
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
  return contentType.toLowerCase().startsWith('multipart/form-data');
}

/** Browsers and fetch write these three as the HTML standard says; all else in a filename is literal. */
function decodeFilename(filename: string): string {
  return filename.replace(/%(22|0D|0A)/gi, (encoded) => decodeURIComponent(encoded));
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
      entries.push({ filename: decodeFilename(part.filename ?? ''), payload: part.bytes });
    }
  } catch (error) {
    throw new Failure('bad_body', `the form does not parse: ${(error as Error).message}`);
  }
  if (entries.length === 0) throw new Failure('bad_body', `the form has no part named '${PART_NAME}'`);
  return entries;
}
