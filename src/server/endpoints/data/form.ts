/**
 * The parts of a `multipart/form-data` body that are entries (RFC 7578, RFC 2046 §5.1).
 *
 *     [preamble CRLF] --boundary CRLF
 *     headers CRLF CRLF content CRLF --boundary CRLF
 *     headers CRLF CRLF content CRLF --boundary--
 *
 * Cut here and not by a library, since all of it happens while everybody waits: what lies between the
 * boundaries is found by the engine's own search and never copied, and what costs time is bounded.
 */
import { isUtf8 } from 'node:buffer';
import { Failure } from '../../../protocol/errors.js';
import { readHeaderParameters } from './header-parameters.js';

const PART_NAME = 'entries';
const MAX_PARTS = 8192;
const MAX_PART_HEADER_BYTES = 8 * 1024;
/** Of all parts together. */
const MAX_HEADER_BYTES = 1024 * 1024;

const CRLF = '\r\n';
const HEADERS_END = Buffer.from('\r\n\r\n');
const LAST = '--';

export interface FormEntry {
  /** '' where the part has none. */
  readonly filename: string;
  readonly payload: Uint8Array;
}

export function isForm(contentType: string): boolean {
  return /^multipart\/form-data\s*(;|$)/i.test(contentType);
}

const malformed = (what: string) => new Failure('bad_body', `the form does not parse: ${what}`);
const tooMuch = (what: string) => new Failure('payload_too_large', `the form has ${what}`);

/**
 * @returns the parts named `entries`, in order, as views of the body
 * @throws Failure `bad_body`; `payload_too_large` for too many parts or too long headers
 */
export function parseForm(contentType: string, body: Uint8Array): FormEntry[] {
  const boundary = /;\s*boundary=(?:"([^"]{1,70})"|([^;\s]{1,70}))/i.exec(contentType);
  if (boundary === null) throw new Failure('bad_body', 'the Content-Type of a form must name its boundary');
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const delimiter = Buffer.from(`${CRLF}--${boundary[1] ?? boundary[2]!}`);
  const entries: FormEntry[] = [];
  let parts = 0;
  let headerBytes = 0;
  for (let at = afterFirst(bytes, delimiter); !isLast(bytes, at); ) {
    if (++parts > MAX_PARTS) throw tooMuch(`more than ${MAX_PARTS} parts`);
    const headers = readHeaders(bytes, at);
    headerBytes += headers.length;
    if (headerBytes > MAX_HEADER_BYTES) throw tooMuch(`more than ${MAX_HEADER_BYTES} bytes of headers`);
    const start = at + headers.length + HEADERS_END.length;
    const end = bytes.indexOf(delimiter, start);
    if (end < 0) throw malformed('a part has no end');
    at = end + delimiter.length;
    const disposition = readDisposition(headers);
    if (disposition.get('name') !== PART_NAME) continue;
    entries.push({ filename: readFilename(disposition), payload: bytes.subarray(start, end) });
  }
  if (entries.length === 0) throw new Failure('bad_body', `the form has no part named '${PART_NAME}'`);
  return entries;
}

/** Where the first boundary ends. */
function afterFirst(bytes: Buffer, delimiter: Buffer): number {
  const atOnce = delimiter.subarray(CRLF.length);
  if (bytes.subarray(0, atOnce.length).equals(atOnce)) return atOnce.length;
  const found = bytes.indexOf(delimiter);
  if (found < 0) throw malformed('the boundary does not occur');
  return found + delimiter.length;
}

/** Whether the boundary that ends at `at` is the last. */
function isLast(bytes: Buffer, at: number): boolean {
  const next = bytes.toString('latin1', at, at + CRLF.length);
  if (next !== CRLF && next !== LAST) throw malformed('a boundary is not followed by a line break');
  return next === LAST;
}

/** The headers of the part whose boundary ends at `at`: a line break before each, none behind the last. */
function readHeaders(bytes: Buffer, at: number): Buffer {
  const rest = bytes.subarray(at, at + MAX_PART_HEADER_BYTES + HEADERS_END.length);
  const end = rest.indexOf(HEADERS_END);
  if (end < 0) throw malformed(`the headers of a part do not end within ${MAX_PART_HEADER_BYTES} bytes`);
  return rest.subarray(0, end);
}

/** The parameters of a part's Content-Disposition, by their names in lower case. */
function readDisposition(headers: Buffer): ReadonlyMap<string, string> {
  if (!isUtf8(headers)) throw malformed('the headers of a part are not UTF-8');
  const line = headers
    .toString()
    .split(CRLF)
    .find((text) => /^content-disposition\s*:/i.test(text));
  if (line === undefined) return new Map();
  const parameters = readHeaderParameters(line);
  if (parameters === undefined) throw malformed('a Content-Disposition is malformed');
  return parameters;
}

function readFilename(disposition: ReadonlyMap<string, string>): string {
  const extended = disposition.get('filename*');
  return extended === undefined ? (disposition.get('filename') ?? '') : decodeExtended(extended);
}

/** RFC 8187: `utf-8'language'percent-encoded`. */
function decodeExtended(value: string): string {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(value)?.[1];
  if (encoded === undefined) throw malformed('filename* must be UTF-8');
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw malformed('filename* must be UTF-8');
  }
}
