/** Whether a browser shows the answer itself, in an `<img>` or a tab, or a program reads it. */

/** What the browser does with the answer. Source: https://fetch.spec.whatwg.org/#concept-request-destination */
const SHOWN: ReadonlySet<string> = new Set(['image', 'document', 'iframe', 'frame', 'embed', 'object']);
/** Every browser's User-Agent begins so; those of curl, Python, Java, ffmpeg and the like do not. */
const BROWSER = /^mozilla\//i;
/**
 * What browsers accept for an `<img>` (`image/webp`, `image/avif`, or any image) and for a tab (XHTML). Programs that
 * call themselves a browser rarely send these; Java's default names `image/gif` and `image/jpeg`.
 */
const SHOWN_TYPES = /image\/(?:webp|avif|\*)|application\/xhtml\+xml/i;

/**
 * By what only browsers send: `Sec-Fetch-Dest`, which is also how a page's `fetch` differs from its `<img>`. They
 * leave it out for http:// addresses other than localhost, and older ones do always: there by two headers together.
 * @param header a request header's value by its name in lower case; '' where there is none
 */
export function isShownByBrowser(header: (name: string) => string): boolean {
  const destination = header('sec-fetch-dest');
  if (destination !== '') return SHOWN.has(destination);
  return BROWSER.test(header('user-agent')) && SHOWN_TYPES.test(header('accept'));
}
