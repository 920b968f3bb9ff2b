/** Acks as they come over a raw socket: counted, and looked at only as far as to tell a refusal. */

const TEXT_FRAME = 0x81;
const LONGEST_SHORT = 125;
const MIDDLE = 126;
/** What begins a refusal, which is an object; ids are texts. */
const BRACE = 123;

/**
 * Counts text frames of less than 64 KiB, which is what acks are: one for each message.
 *
 *     | 0x81 | length | ["1795336103800-0", …] |
 *
 * @returns how many frames the next bytes complete. @throws Error on any other frame, and on an ack that
 *   has a refusal
 */
export function ackCounter(): (chunk: Buffer) => number {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const refused = bytes.indexOf(BRACE);
    let count = 0;
    let at = 0;
    while (bytes.length >= at + 2) {
      const length = bytes[at + 1]!;
      if (bytes[at] !== TEXT_FRAME || length > MIDDLE) {
        throw new Error(`instead of an ack came ${bytes.subarray(at, at + 200).toString('latin1')}`);
      }
      const start = at + (length > LONGEST_SHORT ? 4 : 2);
      if (bytes.length < start) break;
      const end = start + (length > LONGEST_SHORT ? bytes.readUInt16BE(at + 2) : length);
      if (bytes.length < end) break;
      if (refused >= start && refused < end) {
        throw new Error(`an entry was not stored: ${bytes.toString('latin1', start, end)}`);
      }
      count++;
      at = end;
    }
    rest = Buffer.from(bytes.subarray(at));
    return count;
  };
}
