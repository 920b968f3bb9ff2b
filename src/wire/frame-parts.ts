/**
 * Frames one after the other, each in place of the one before: `multipart/x-mixed-replace`, as cameras send it
 * and `<img>` plays it.
 *
 *     --BOUNDARY␍␊                  written at the start, and then with the end of each frame
 *     Content-Type: image/jpeg␍␊
 *     Content-Length: …␍␊
 *     X-Entry-Id: …␍␊␍␊
 *     the frame's bytes␍␊
 *     --BOUNDARY␍␊                  at once: browsers show a frame when they have seen where it ends
 *
 * Between two frames a part has begun, so that header fields without a meaning may follow at any time.
 * Source: RFC 2046 §5.1; the type itself is what browsers make of it.
 */

/** Of each process its own, lest a producer put it into a frame. */
const BOUNDARY = `frame-${crypto.randomUUID()}`;

export const FRAME_PARTS = `multipart/x-mixed-replace; boundary=${BOUNDARY}`;
export const OPENING = `--${BOUNDARY}\r\n`;
/** A header field of the next part's, for nobody. */
export const FILLER = 'X-Filler: 0\r\n';
const CLOSING = `\r\n${OPENING}`;

/** A frame as a part, to be written piece by piece. @param type its media type */
export function framePart(type: string, id: string, frame: Uint8Array): readonly (string | Uint8Array)[] {
  const head = `Content-Type: ${type}\r\nContent-Length: ${frame.length}\r\nX-Entry-Id: ${id}\r\n\r\n`;
  return [head, frame, CLOSING];
}
