/** The payloads of a server's WebSocket frames (RFC 6455 §5.2; not masked) as one flow of bytes. */
import type { TakeBytes } from './received.js';

const CLOSE = 8;
const PING = 9;
const LONGEST_HEAD = 10;
/** Without payload, which these servers' pings have none of either. */
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** @param answer writes to the server: the answer to its pings */
export function framePayloads(take: TakeBytes, answer: (bytes: Buffer) => void): TakeBytes {
  const head = new Uint8Array(LONGEST_HEAD);
  const view = new DataView(head.buffer);
  let headLength = 0;
  /** Bytes of the present frame's payload that are still to come. */
  let rest = 0;
  const headSize = () => 2 + (head[1]! < 126 ? 0 : head[1] === 126 ? 2 : 8);
  const takeHead = () => {
    rest = head[1]! < 126 ? head[1]! : head[1] === 126 ? view.getUint16(2) : Number(view.getBigUint64(2));
    headLength = 0;
    const opcode = head[0]! & 0x0f;
    if (opcode === CLOSE) throw new Error('the server closes the socket');
    if (opcode === PING) answer(PONG);
  };
  return (buffer, from, to) => {
    for (let at = from; at < to; ) {
      if (rest > 0) {
        const end = Math.min(to, at + rest);
        take(buffer, at, end);
        rest -= end - at;
        at = end;
      } else {
        head[headLength++] = buffer[at++]!;
        if (headLength >= 2 && headLength === headSize()) takeHead();
      }
    }
  };
}
