/**
 * Frames one after the other, each in place of the one before: `multipart/x-mixed-replace`, as cameras send it
 * and `<img>` plays it.
 *
 *     --BOUNDARY␍␊                  at the start, and then at once behind each frame
 *     Content-Type: image/jpeg␍␊
 *     Content-Length: …␍␊
 *     X-Entry-Id: …␍␊
 *     ␍␊
 *     the frame's bytes␍␊
 *
 * Browsers show a frame once they have seen the head of the next one, so they are sent that head at once, too, which
 * can say neither the length nor the id of a frame that has not come.
 * Source: RFC 2046 §5.1; the type itself is what browsers make of it.
 */

/** Of each process its own, lest a producer put it into a frame. */
const BOUNDARY = `frame-${crypto.randomUUID()}`;
const DELIMITER = `--${BOUNDARY}\r\n`;
/** Before any frame has come. */
const LIKELY_TYPE = 'image/jpeg';

export const FRAME_PARTS = `multipart/x-mixed-replace; boundary=${BOUNDARY}`;

type Part = readonly (string | Uint8Array)[];

/** How parts are written. */
export interface PartWriting {
  readonly opening: string;
  /** Without a meaning between two frames; '' where there can be none. */
  readonly filler: string;
  /** A frame as a part. @param type its media type */
  part(type: string, id: string, frame: Uint8Array): Part;
}

/** For programs: a part's head says all of it. */
export const WHOLE_PARTS: PartWriting = {
  opening: DELIMITER,
  // A header field of the next part's, for nobody.
  filler: 'X-Filler: 0\r\n',
  part: (type, id, frame) => {
    const head = `Content-Type: ${type}\r\nContent-Length: ${frame.length}\r\nX-Entry-Id: ${id}\r\n\r\n`;
    return [head, frame, `\r\n${DELIMITER}`];
  },
};

const headAhead = (type: string) => `${DELIMITER}Content-Type: ${type}\r\n\r\n`;

/** For browsers: the head of the next part comes with the frame, under the type that this one has. */
export const SHOWN_PARTS: PartWriting = {
  opening: headAhead(LIKELY_TYPE),
  filler: '',
  part: (type, _id, frame) => [frame, `\r\n${headAhead(type)}`],
};
