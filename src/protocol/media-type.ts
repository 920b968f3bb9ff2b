/**
 * What a payload is, by its first bytes, and what a stream's metadata may call it.
 *
 * Of text at most `MOST_LOOKED_AT` bytes are looked at, so that a large payload costs no more than a small one.
 */

/** Of no kind that is known. */
export const BYTES = 'application/octet-stream';
const JSON_TYPE = 'application/json';
const TEXT = 'text/plain; charset=utf-8';

/** Parsing so much JSON takes well below a millisecond. */
const MOST_LOOKED_AT = 64 * 1024;

/** Magic bytes, and where they lie. Source: https://mimesniff.spec.whatwg.org/#matching-an-image-type-pattern */
const IMAGES: readonly {
  readonly type: string;
  readonly magic: readonly (readonly [at: number, bytes: string])[];
}[] = [
  { type: 'image/jpeg', magic: [[0, '\xff\xd8\xff']] },
  { type: 'image/png', magic: [[0, '\x89PNG\r\n\x1a\n']] },
  {
    type: 'image/webp',
    magic: [
      [0, 'RIFF'],
      [8, 'WEBP'],
    ],
  },
  { type: 'image/gif', magic: [[0, 'GIF87a']] },
  { type: 'image/gif', magic: [[0, 'GIF89a']] },
];

/** All but tab and line breaks; DEL may stand in JSON. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;

/** White space as RFC 8259 §2 has it, and what a value begins with. */
const JSON_START = /^[ \t\n\r]*["{[\-\dtfn]/;

/** RFC 9110 §8.3.1, with parameters as they are commonly written. */
const MEDIA_TYPE =
  /^[\w!#$&^.+-]{1,100}\/[\w!#$&^.+-]{1,100}(?: *; *[\w-]{1,50}=(?:[\w.+:/-]{1,100}|"[\w .,+:;=/-]{0,200}"))*$/;
const MAX_MEDIA_TYPE = 300;
/** Text whose types do not begin with `text/`. */
const TEXT_TYPES: ReadonlySet<string> = new Set(
  ['json', 'xml', 'yaml', 'toml', 'javascript', 'x-ndjson', 'jsonl', 'json-seq', 'graphql', 'sql'].map(
    (name) => `application/${name}`,
  ),
);
/** RFC 6839 §3. */
const TEXT_SUFFIX = /\+(?:json|xml|yaml)$/;

/**
 * `image/jpeg`, `image/png`, `image/webp` or `image/gif` by the magic bytes, whether the image is whole or not, since
 * browsers show what there is of it; `application/json` where the bytes parse as JSON, with or without a byte order
 * mark before it, or, being many, begin and end as an object or array; `text/plain; charset=utf-8` for UTF-8
 * without control characters; else `application/octet-stream`.
 */
export function detectMediaType(bytes: Uint8Array): string {
  for (const { type, magic } of IMAGES) {
    if (magic.every(([at, wanted]) => holds(bytes, at, wanted))) return type;
  }
  const text = textOf(bytes);
  if (text === undefined) return BYTES;
  return looksLikeJson(bytes, text) ? JSON_TYPE : TEXT;
}

/** A media type as somebody wrote it, if it is one and can stand in a header; undefined for all else. */
export function readMediaType(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > MAX_MEDIA_TYPE) return undefined;
  const type = value.trim();
  return MEDIA_TYPE.test(type) ? type : undefined;
}

/** Whether payloads of a media type are text: `text/…`, JSON, XML and the like. @param type with its parameters */
export function isTextType(type: string): boolean {
  const name = type.split(';', 1)[0]!.trim().toLowerCase();
  return name.startsWith('text/') || TEXT_TYPES.has(name) || TEXT_SUFFIX.test(name);
}

function holds(bytes: Uint8Array, at: number, wanted: string): boolean {
  for (let index = 0; index < wanted.length; index++) {
    if (bytes[at + index] !== wanted.charCodeAt(index)) return false;
  }
  return true;
}

/** The beginning of the bytes as text; undefined where that is none. */
function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return undefined;
  const isWhole = bytes.length <= MOST_LOOKED_AT;
  try {
    // In the middle of a text a character may be cut.
    const decoder = new TextDecoder('utf-8', { fatal: true });
    const text = decoder.decode(bytes.subarray(0, MOST_LOOKED_AT), { stream: !isWhole });
    return CONTROL.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function looksLikeJson(bytes: Uint8Array, text: string): boolean {
  if (bytes.length > MOST_LOOKED_AT) {
    const ends = `${text.trimStart().charAt(0)}${lastCharacter(bytes)}`;
    return ends === '{}' || ends === '[]';
  }
  // Most text is none, which costs far less to see than to have the parser throw.
  if (!JSON_START.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The last that is no white space, if it is among the last few. */
function lastCharacter(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(-64))
    .trimEnd()
    .slice(-1);
}
