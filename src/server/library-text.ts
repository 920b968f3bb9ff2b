/** Text as it is handed to uWebSockets.js. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins there
const BEYOND_ASCII = /[^\u0000-\u007f]/;

/**
 * The library's builds for Node 22 and later send text of Latin-1 characters alone as Latin-1, which is no
 * UTF-8: a WebSocket's client closes the connection on it. So all but ASCII is handed over as bytes.
 */
export function libraryText(text: string): string | Uint8Array {
  return BEYOND_ASCII.test(text) ? Buffer.from(text) : text;
}

/** Longer texts are handed over as bytes: of these it is known at once how many there are. */
const MOST_TEXT = 4096;

/** An answer's body as it is handed over. Its `length` is that in bytes: text is handed over where it is ASCII. */
export function libraryBody(body: string | Uint8Array): string | Uint8Array {
  if (typeof body !== 'string') return body;
  return body.length <= MOST_TEXT ? libraryText(body) : Buffer.from(body);
}
