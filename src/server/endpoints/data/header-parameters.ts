/**
 * The parameters of a header such as Content-Disposition (RFC 6266 §4.1), as clients write them:
 *
 *     form-data ; name="entries" ; filename=a b.jpg ;
 *
 * Read from left to right and never back: no header takes longer than its length.
 */
const SEPARATOR = ';';
const QUOTE = '"';
const ESCAPE = '\\';
/** What no parameter's name holds. */
const NOT_IN_NAME = /[\s;"]/;

/**
 * Of names that occur more than once the last counts.
 * @returns values by their names in lower case; undefined where the header is malformed
 */
export function readHeaderParameters(header: string): ReadonlyMap<string, string> | undefined {
  const parameters = new Map<string, string>();
  const first = header.indexOf(SEPARATOR);
  for (let at = first < 0 ? header.length : first; ; ) {
    at = afterSpaces(header, at);
    if (at === header.length) return parameters;
    if (header[at] !== SEPARATOR) return undefined;
    at = afterSpaces(header, at + 1);
    if (at === header.length) return parameters;
    const equals = header.indexOf('=', at);
    const name = header.slice(at, equals).trimEnd().toLowerCase();
    if (equals < 0 || name === '' || NOT_IN_NAME.test(name)) return undefined;
    const start = afterSpaces(header, equals + 1);
    const isQuoted = header[start] === QUOTE;
    const end = isQuoted ? endOfQuoted(header, start + 1) : endOfPlain(header, start);
    if (end === undefined) return undefined;
    parameters.set(
      name,
      isQuoted ? unquote(header.slice(start + 1, end)) : header.slice(start, end).trimEnd(),
    );
    at = isQuoted ? end + 1 : end;
  }
}

function afterSpaces(text: string, at: number): number {
  let next = at;
  while (text[next] === ' ' || text[next] === '\t') next++;
  return next;
}

/** Where the quote is that ends the text from `start` on; undefined where none does. */
function endOfQuoted(text: string, start: number): number | undefined {
  for (let at = start; at < text.length; at++) {
    if (text[at] === ESCAPE) at++;
    else if (text[at] === QUOTE) return at;
  }
  return undefined;
}

/** Where a value without quotes ends; undefined where one begins within it. */
function endOfPlain(text: string, start: number): number | undefined {
  const separator = text.indexOf(SEPARATOR, start);
  const end = separator < 0 ? text.length : separator;
  return text.slice(start, end).includes(QUOTE) ? undefined : end;
}

/**
 * Only a quote and a backslash are escaped by a backslash: browsers write none otherwise, and mean it. They
 * and fetch write three characters percent-encoded, as the HTML standard says; all else is literal.
 */
function unquote(quoted: string): string {
  return quoted.replace(/\\(["\\])|%(?:22|0D|0A)/gi, (encoded, literal?: string) => {
    return literal ?? decodeURIComponent(encoded);
  });
}
