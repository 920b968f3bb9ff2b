/** Payloads that say whose they are and whether they are whole; no two are the same. */
import { crc32 } from 'node:zlib';

/** What a payload says of itself: its writer, and the how manieth of that writer's it is. */
export interface Stamp {
  readonly writer: string;
  readonly seq: number;
}

const HEAD = /^([^\s#]+)#(\d+) (\d+) ([0-9a-f]{8})\n$/;
const MAX_HEAD_BYTES = 100;

/** Bytes without a period short enough to hide a shift. */
const NOISE = makeNoise(1024 * 1024 + 7);

function makeNoise(bytes: number): Buffer {
  const noise = Buffer.allocUnsafe(bytes);
  let state = 0x2545f491;
  for (let at = 0; at < bytes; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    noise[at] = state;
  }
  return noise;
}

/**
 * A payload of `bytes` bytes, or of its head alone where that is more.
 *
 *     writer#seq length crc\n | noise of that length, begun at a place of its own |
 */
export function stampedFrame(writer: string, seq: number, bytes = 0): Buffer {
  const label = `${writer}#${seq}`;
  const bodyBytes = Math.max(0, bytes - label.length - ` ${bytes} 01234567\n`.length);
  const frame = Buffer.allocUnsafe(MAX_HEAD_BYTES + bodyBytes);
  const body = frame.subarray(MAX_HEAD_BYTES);
  let from = crc32(label) % NOISE.length;
  for (let at = 0; at < bodyBytes; ) {
    const copied = NOISE.copy(body, at, from);
    at += copied;
    from = 0;
  }
  const sum = crc32(body, crc32(label)).toString(16).padStart(8, '0');
  const head = `${label} ${bodyBytes} ${sum}\n`;
  frame.write(head, MAX_HEAD_BYTES - head.length, 'latin1');
  return frame.subarray(MAX_HEAD_BYTES - head.length);
}

/** @throws Error where the payload is not one of `stampedFrame`, whole and unchanged */
export function readStamp(frame: Uint8Array): Stamp {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const end = bytes.subarray(0, MAX_HEAD_BYTES).indexOf(10) + 1;
  const match = HEAD.exec(bytes.toString('latin1', 0, end));
  if (match === null) throw new Error(`not a stamped frame: ${bytes.toString('latin1', 0, 60)}`);
  const [, writer, seq, length, sum] = match;
  const body = bytes.subarray(end);
  if (body.length !== Number(length)) {
    throw new Error(`${writer}#${seq} has ${body.length} bytes instead of ${length}`);
  }
  if (crc32(body, crc32(`${writer}#${seq}`)) !== Number.parseInt(sum!, 16)) {
    throw new Error(`${writer}#${seq} is not what was sent`);
  }
  return { writer: writer!, seq: Number(seq) };
}

export function stampOf(frame: Uint8Array): string {
  const { writer, seq } = readStamp(frame);
  return `${writer}#${seq}`;
}
