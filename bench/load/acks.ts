/** Acks as they come over a raw socket: counted, and looked at only as far as to tell a refusal. */

const SHORT_FRAME = 0x81;
const LONGEST_SHORT = 125;

/**
 * Counts text frames of at most 125 bytes, which is what acks of a message of one entry are.
 *
 *     | 0x81 | length | ["1795336103800-0"] |
 *
 * @returns how many frames the next bytes complete. @throws Error on any other frame, and on an ack that
 *   is a refusal
 */
export function ackCounter(): (chunk: Buffer) => number {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let count = 0;
    let at = 0;
    while (bytes.length >= at + 2) {
      const length = bytes[at + 1]!;
      if (bytes[at] !== SHORT_FRAME || length > LONGEST_SHORT) {
        throw new Error(`instead of an ack came ${bytes.subarray(at, at + 200).toString('latin1')}`);
      }
      const end = at + 2 + length;
      if (bytes.length < end) break;
      const text = bytes.toString('latin1', at + 2, end);
      if (!text.startsWith('["')) throw new Error(`an entry was not stored: ${text}`);
      count++;
      at = end;
    }
    rest = Buffer.from(bytes.subarray(at));
    return count;
  };
}
