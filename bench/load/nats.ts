/**
 * As much of a NATS client as a load needs, over WebSocket: lines are looked at byte by byte, payloads are
 * passed over.
 *
 *     → CONNECT {…} | SUB subject 1 | PUB subject [reply] size ⏎ payload
 *     ← INFO {…} | PONG | MSG subject 1 [reply] size ⏎ payload
 *
 * Protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
import type { Socket } from 'node:net';
import { framePayloads } from './frame-payloads.js';
import { clientFrame, clientFrameHead } from './frames.js';
import { PayloadStart, type TakeMessage } from './payload-starts.js';
import { openReceivingSocket, type TakeBytes } from './received.js';

const NEWLINE = 10;
const SPACE = 32;
const ZERO = 48;
const LONGEST_LINE = 4096;
const END = '\r\n';
const LETTER = { info: 73, message: 77, ping: 80, ok: 43 } as const;
/** `PONG` and `PING` differ in their second letter. */
const LETTER_O = 79;

export interface NatsSocket {
  readonly socket: Socket;
  /** Writes a line, and resolves once the server has dealt with it. */
  settle(line: string): Promise<void>;
}

/** One published message as the bytes of the protocol, not in a frame yet. */
export function natsPublish(subject: string, reply: string | undefined, payload: Uint8Array): Buffer {
  const words = ['PUB', subject, ...(reply === undefined ? [] : [reply]), payload.length];
  return Buffer.concat([Buffer.from(`${words.join(' ')}${END}`), payload, Buffer.from(END)]);
}

/** The same for large payloads, which are not copied: what is written before and after each of them. */
export function natsFrameAround(subject: string, bytes: number): readonly [Buffer, Buffer] {
  const line = Buffer.from(`PUB ${subject} ${bytes}${END}`);
  const end = Buffer.from(END);
  return [Buffer.concat([clientFrameHead(line.length + bytes + end.length), line]), end];
}

const frameOf = (line: string) => clientFrame(Buffer.from(line + END));

/** @param take gets the messages of all subscriptions */
export async function openNats(port: number, take: TakeMessage): Promise<NatsSocket> {
  const waiting: (() => void)[] = [];
  const lines = natsLines(take, {
    pong: () => waiting.shift()?.(),
    ping: () => socket.write(frameOf('PONG')),
  });
  const socket: Socket = await openReceivingSocket(
    port,
    '/',
    framePayloads(lines, (bytes) => socket.write(bytes)),
  );
  const settle = (line: string) =>
    new Promise<void>((resolve) => {
      waiting.push(resolve);
      socket.write(Buffer.concat([frameOf(line), frameOf('PING')]));
    });
  await settle(`CONNECT ${JSON.stringify({ verbose: false, pedantic: false, lang: 'bench', version: '1' })}`);
  return { socket, settle };
}

export interface Signals {
  pong(): void;
  ping(): void;
}

/** @throws Error on a refusal, and on a message with headers: nobody here sends any but the server's errors */
export function natsLines(take: TakeMessage, { pong, ping }: Signals): TakeBytes {
  const line = new Uint8Array(LONGEST_LINE);
  let length = 0;
  /** Bytes of the line end behind a payload that are still to come. */
  let toSkip = 0;
  const payload = new PayloadStart(take);
  const text = () => Buffer.from(line.subarray(0, Math.min(length, LONGEST_LINE))).toString();
  const takeLine = () => {
    const first = line[0];
    if (first === LETTER.message) {
      toSkip = END.length;
      payload.begin(lastNumber(line, length));
    } else if (first === LETTER.ping) {
      if (line[1] === LETTER_O) pong();
      else ping();
    } else if (first !== LETTER.info && first !== LETTER.ok) {
      throw new Error(`NATS says: ${text()}`);
    }
    length = 0;
  };
  return (bytes, from, to) => {
    for (let at = from; at < to; ) {
      if (payload.isUnderway) {
        at = payload.feed(bytes, at, to);
      } else if (toSkip > 0) {
        toSkip--;
        at++;
      } else {
        const byte = bytes[at++]!;
        // The server's INFO may be longer, and is of no interest.
        if (length < LONGEST_LINE) line[length] = byte;
        length++;
        if (byte === NEWLINE) takeLine();
      }
    }
  };
}

/** The number that a line of `length` bytes ends with, its two of the line end included. */
function lastNumber(line: Uint8Array, length: number): number {
  let number = 0;
  let at = length - END.length;
  while (line[at - 1] !== SPACE) at--;
  for (; at < length - END.length; at++) number = number * 10 + line[at]! - ZERO;
  return number;
}

/** `{"stream":…`: an ack of JetStream; a refusal begins with `{"error"` or `{"type"`. */
const LETTER_S = 115;

/** @throws Error where it is a refusal */
export const checkNatsAck: TakeMessage = (bytes, at, length) => {
  if (bytes[at + 2] === LETTER_S) return;
  throw new Error(`an entry was not stored: ${Buffer.from(bytes.subarray(at, at + length)).toString()}`);
};
