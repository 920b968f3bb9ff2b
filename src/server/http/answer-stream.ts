/**
 * An answer that is written message by message, for as long as its client stays.
 *
 * A message goes out whole where the socket takes it; a large one in pieces, each once the socket has room. So
 * a slow client holds up one piece in the library's buffer, and of the message what it may share with others.
 */
import type { HttpResponse } from 'uWebSockets.js';
import type { Client } from '../admission/client-shares.js';
import type { HeldBytes } from '../admission/held-bytes.js';
import { libraryText } from '../library-text.js';
import type { Underway } from '../underway.js';

/** What a socket is given at a time, copied where it does not take it. */
const PIECE_BYTES = 256 * 1024;
/** Something is written so often, lest proxies take the answer for dead, or a client that is gone for silent. */
const KEEP_ALIVE_MS = 12_000;
/** How long a client may take to read what waits for it once the answer ends. */
const READ_ON_MS = 2000;

type Bytes = string | Uint8Array;

/** Who has opened a stream hears of it. */
export interface StreamListener {
  /** A full socket has room again. */
  onRoom(): void;
  /** The client reads too slowly for what there is room for; its connection is closed. */
  onSlow(): void;
}

export interface StreamParts {
  readonly res: HttpResponse;
  /** Written where there is nothing to say, without a meaning between two messages; '' where nothing can be. */
  readonly filler: string;
  /** Who reads it. */
  readonly client: Client;
  /** What clients have not read is held here. */
  readonly unread: HeldBytes;
  /** What is being ended, and read to its end, is under way. */
  readonly underway: Underway;
  /** Its connection is free, or gone. */
  readonly onLeft: () => void;
}

export class AnswerStream {
  readonly #parts: StreamParts;
  readonly #listener: StreamListener;
  readonly #keepAlive: NodeJS.Timeout;
  /** What has not been handed to the library. */
  #pieces: Bytes[] = [];
  /** The library has not got rid of what it was handed last. */
  #isFull = false;
  #isHeld = false;
  #isEnding = false;
  #giveUp: NodeJS.Timeout | undefined;
  #isGone = false;

  /** To be opened by `HttpExchange`, once the head of the answer is written. */
  constructor(parts: StreamParts, listener: StreamListener) {
    this.#parts = parts;
    this.#listener = listener;
    this.#keepAlive = setInterval(() => {
      if (this.isWritable) this.write(parts.filler);
    }, KEEP_ALIVE_MS);
    parts.res.onWritable(() => {
      // Not within the library's callback, for the reason that `ClientSocket.drained` gives.
      setImmediate(() => this.#resume());
      return true;
    });
  }

  /** Whether a message would go out now rather than wait. */
  get isWritable(): boolean {
    return !this.#isFull && this.#pieces.length === 0 && !this.#isEnding && !this.#isGone;
  }

  /** Runs `send` so that small messages leave together. */
  cork(send: () => void): void {
    if (!this.#isGone) this.#parts.res.cork(send);
  }

  /** Writes one message, given in parts. Nothing happens where the client is gone. @returns `isWritable` */
  write(...message: readonly Bytes[]): boolean {
    if (this.#isGone || this.#isEnding) return false;
    for (const part of message) this.#pieces.push(...cut(part));
    this.#flush();
    return this.isWritable;
  }

  /** Ends the answer, once what was written has gone out. */
  end(): void {
    if (this.#isGone || this.#isEnding) return;
    this.#isEnding = true;
    this.#parts.underway.begin();
    if (this.#pieces.length === 0) this.#finish();
    else this.#giveUp = setTimeout(() => this.#parts.res.close(), READ_ON_MS);
  }

  /** The client has left: the response must not be touched again. */
  gone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    clearInterval(this.#keepAlive);
    clearTimeout(this.#giveUp);
    this.#parts.unread.release(this);
    this.#pieces = [];
    if (this.#isEnding) this.#parts.underway.end();
  }

  #flush(): void {
    let given = 0;
    let lastBytes = 0;
    while (!this.#isFull && given < this.#pieces.length) {
      const piece = this.#pieces[given++]!;
      lastBytes = piece.length;
      this.#isFull = !this.#give(piece);
    }
    this.#pieces.splice(0, given);
    if (this.#isFull) this.#hold(lastBytes);
  }

  /** @returns whether the socket has room for more */
  #give(piece: Bytes): boolean {
    const { res } = this.#parts;
    let hasRoom = false;
    res.cork(() => {
      hasRoom = res.write(typeof piece === 'string' ? libraryText(piece) : piece);
    });
    return hasRoom;
  }

  /** @param buffered what the library was handed last, and may have buffered */
  #hold(buffered: number): void {
    if (this.#isHeld) return;
    const bytes = this.#pieces.reduce((sum, piece) => sum + piece.length, buffered);
    const close = () => {
      if (this.#isGone) return;
      this.#listener.onSlow();
      this.#parts.res.close();
    };
    this.#isHeld = true;
    // Not at once: who writes is to be done with that before the connection may close.
    if (!this.#parts.unread.hold(this, this.#parts.client, bytes, close)) setImmediate(close);
  }

  #resume(): void {
    if (this.#isGone) return;
    this.#isFull = false;
    const [next] = this.#pieces;
    if (next === undefined) {
      // The library sends what waits only along with something new, or when a cork is drawn.
      this.#parts.res.cork(() => {});
    } else {
      // There may be room for little: a byte tells.
      if (next.length > 1) this.#pieces.splice(0, 1, ...split(next, 1));
      this.#flush();
    }
    if (this.#isFull) return;
    this.#parts.unread.release(this);
    this.#isHeld = false;
    if (this.#isEnding) this.#finish();
    else this.#listener.onRoom();
  }

  #finish(): void {
    const { res, onLeft } = this.#parts;
    res.cork(() => res.end());
    this.gone();
    onLeft();
  }
}

function split(part: Bytes, at: number): [Bytes, Bytes] {
  const bytes = typeof part === 'string' ? Buffer.from(part) : part;
  return [bytes.subarray(0, at), bytes.subarray(at)];
}

function cut(part: Bytes): readonly Bytes[] {
  if (part.length <= PIECE_BYTES) return [part];
  const bytes = typeof part === 'string' ? Buffer.from(part) : part;
  const pieces: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) pieces.push(bytes.subarray(at, at + PIECE_BYTES));
  return pieces;
}
