/**
 * A client's WebSocket, so that nothing is sent on a closed one, dropped, or queued without bound.
 *
 * A message goes out whole where the socket takes it; a large one goes as fragments of one frame, each
 * once the socket has room, so that a slow client holds up one fragment and not the message.
 */
import type { WebSocket } from 'uWebSockets.js';
import { closeReason } from '../../protocol/close-reason.js';
import { FAILURES, Failure } from '../../protocol/errors.js';
import type { PullMessage } from '../../protocol/pull-message.js';
import type { EntryTrace } from '../../system/entry-trace.js';
import { libraryText } from '../library-text.js';
import { pauseReading, resumeReading } from './reading.js';

/** The library's answer to a send that went out whole. */
const SENT = 1;
/** A socket with so much waiting is full: it is sent nothing more until it drained. */
const FULL_BYTES = 64 * 1024;
/** Measured on loopback: 2.3 GB/s at 256 KiB, 1.8 at 64 KiB, 2.6 at 1 MiB, 2.0 unfragmented. */
const FRAGMENT_BYTES = 256 * 1024;
/** Many times what honest clients send, which ping every few seconds. */
const MAX_UNREAD_PONGS = 1000;

/** The fragment methods, which the library has and its types leave out. */
interface FragmentSocket {
  sendFirstFragment(message: Uint8Array, isBinary: boolean): number;
  sendFragment(message: Uint8Array, compress: boolean): number;
  sendLastFragment(message: Uint8Array, compress: boolean): number;
}

type Socket = Pick<WebSocket<unknown>, 'send' | 'cork' | 'end' | 'close' | 'getBufferedAmount'> &
  FragmentSocket;

/** A binary frame that has gone out in part. */
interface Unfinished {
  readonly fragments: readonly Uint8Array[];
  next: number;
}

/** A message; its text as UTF-8 where it is sent to many: encoding it takes as long as sending it. */
export interface SocketMessage extends Pick<PullMessage, 'binary'> {
  readonly text: string | Uint8Array | undefined;
}

/** Who has opened a socket hears of it. */
export interface SocketListener {
  /** A full socket has room again. */
  onRoom(): void;
  /** It is being closed for a failure. @param isSlow since its client did not read what it was sent */
  onEnd(failure: Failure, isSlow: boolean): void;
  onClosed(): void;
}

export class ClientSocket {
  readonly #listener: SocketListener;
  readonly trace: EntryTrace | undefined;
  #ws: Socket | undefined;
  #unfinished: Unfinished | undefined;
  /** The last send did not go out whole, so what waits must be asked for. */
  #isBackedUp = false;
  #drainTimer: NodeJS.Immediate | undefined;
  /** Found full since it last had room: the sweep looks after it, should the library forget to. */
  #isStuck = false;
  /** What was unread at the last look at it; infinite where the client has read on since. */
  #lastUnread = Number.POSITIVE_INFINITY;
  /** Looks in a row at which it had read nothing. */
  #stalledLooks = 0;
  /** Pings that came since everything was read. */
  #unreadPongs = 0;
  #isShuttingDown = false;

  /** @param trace of the entries that it carries */
  constructor(ws: WebSocket<unknown>, listener: SocketListener, trace?: EntryTrace) {
    this.#ws = ws as unknown as Socket;
    this.#listener = listener;
    this.trace = trace;
  }

  /** Whether a message would go out now rather than wait. */
  isWritable(): boolean {
    if (this.#ws === undefined || this.#isShuttingDown) return false;
    if (!this.#isBackedUp && this.#unfinished === undefined) return true;
    const isFull = this.#unfinished !== undefined || this.#ws.getBufferedAmount() > FULL_BYTES;
    this.#isStuck = isFull;
    return !isFull;
  }

  /** Bytes that wait in this process for the client to read on. */
  get waitingBytes(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  /** The same, asked of the library only where something was left to wait: cheap enough for every sweep. */
  get knownWaitingBytes(): number {
    return this.#isBackedUp ? this.waitingBytes : 0;
  }

  /** Bytes that are held for the client: those that wait, and the rest of a message that went out in part. */
  get unreadBytes(): number {
    if (!this.#isBackedUp && this.#unfinished === undefined) return 0;
    let bytes = this.waitingBytes;
    const { fragments, next } = this.#unfinished ?? { fragments: [], next: 0 };
    for (let index = next; index < fragments.length; index++) bytes += fragments[index]!.length;
    return bytes;
  }

  /** Looks whether the client has read on since the last look. @returns at how many in a row it had not */
  lookForStall(): number {
    const unread = this.unreadBytes;
    const hasStalled = unread > 0 && unread >= this.#lastUnread;
    this.#stalledLooks = hasStalled ? this.#stalledLooks + 1 : 0;
    this.#lastUnread = unread || Number.POSITIVE_INFINITY;
    return this.#stalledLooks;
  }

  /** To be called for each ping: the library answers by itself, whatever waits already. */
  pinged(): void {
    if (this.waitingBytes === 0) this.#unreadPongs = 0;
    else if (++this.#unreadPongs > MAX_UNREAD_PONGS) {
      this.endSlow(new Failure('pongs_unread', 'the pongs of earlier pings are not read'));
    }
  }

  cork(send: () => void): void {
    if (this.#ws === undefined) return;
    this.#ws.cork(send);
    // A send into the cork says nothing of what became of it when the cork was drawn; `send` may close the socket.
    if (this.waitingBytes > 0) this.#isBackedUp = true;
  }

  /** One text frame, whatever waits already: who calls it bounds `waitingBytes`. */
  sendText(text: string | Uint8Array): void {
    if (this.#ws === undefined) return;
    const sent = this.#ws.send(typeof text === 'string' ? libraryText(text) : text, false);
    if (sent !== SENT) this.#isBackedUp = true;
  }

  /** Only while `isWritable`. */
  send({ text, binary }: SocketMessage): void {
    if (this.#ws === undefined) return;
    if (text !== undefined) this.sendText(text);
    if (binary.length === 1) {
      this.sendBinary(binary[0]!);
    } else {
      this.#unfinished = { fragments: binary.flatMap(cutFragments), next: 0 };
      this.#sendFragments();
    }
  }

  /** One binary frame. Only while `isWritable`. */
  sendBinary(payload: Uint8Array): void {
    if (payload.length > FRAGMENT_BYTES) {
      this.#unfinished = { fragments: cutFragments(payload), next: 0 };
      this.#sendFragments();
    } else if (this.#ws !== undefined && this.#ws.send(payload, true) !== SENT) {
      this.#isBackedUp = true;
    }
  }

  /** To be called when the library says that the socket drained, be it in part. */
  drained(): void {
    // As much may wait again at the next look: of another message.
    this.#lastUnread = Number.POSITIVE_INFINITY;
    // Not within the library's callback: a large send that fills the socket again there is never
    // followed by another drain, since the library stops polling for room when the callback returns.
    this.#drainTimer ??= setImmediate(() => {
      this.#drainTimer = undefined;
      this.resume();
    });
  }

  /** Goes on if there is room. */
  resume(): void {
    if (this.#ws === undefined) return;
    this.#isBackedUp = this.#ws.getBufferedAmount() > 0;
    this.#sendFragments();
    if (this.isWritable()) this.#listener.onRoom();
  }

  /** Goes on where the library forgot to say that the socket drained. */
  resumeIfStuck(): void {
    if (this.#isStuck) this.resume();
  }

  /** Reads nothing more from the client, for a moment. */
  pauseReading(): void {
    if (this.#ws !== undefined) pauseReading(this.#ws as unknown as WebSocket<unknown>);
  }

  resumeReading(): void {
    if (this.#ws !== undefined) resumeReading(this.#ws as unknown as WebSocket<unknown>);
  }

  /** Closes it without a goodbye, so that what the library holds for it is free at once. */
  drop(failure: Failure): void {
    if (this.#ws === undefined) return;
    this.#listener.onEnd(failure, false);
    this.#ws.close();
  }

  end(failure: Failure, isSlow = false): void {
    if (this.#ws === undefined) return;
    this.#listener.onEnd(failure, isSlow);
    this.close(failure.kind.close, failure.message);
  }

  /** Ends it since its client does not read what it is sent. */
  endSlow(failure: Failure): void {
    this.end(failure, true);
  }

  /** Lets what waits go out, and no more; says goodbye then. To be called until it has closed. */
  shutDown(): void {
    this.#isShuttingDown = true;
    this.#sendFragments();
    if (this.#unfinished === undefined && this.waitingBytes === 0) this.shutDownNow();
  }

  shutDownNow(): void {
    this.close(FAILURES.shutting_down.close, 'the gateway is going down');
  }

  close(code: number, reason: string): void {
    this.#ws?.end(code, libraryText(closeReason(reason)));
  }

  /** The library says that the socket is closed: it must not be touched again. */
  closed(): void {
    this.#ws = undefined;
    this.#unfinished = undefined;
    clearImmediate(this.#drainTimer);
    this.#listener.onClosed();
  }

  #sendFragments(): void {
    const ws = this.#ws;
    const unfinished = this.#unfinished;
    if (ws === undefined || unfinished === undefined) return;
    const { fragments } = unfinished;
    this.#isBackedUp = true;
    while (ws.getBufferedAmount() <= FULL_BYTES) {
      const fragment = fragments[unfinished.next]!;
      const isLast = unfinished.next === fragments.length - 1;
      if (unfinished.next === 0) ws.sendFirstFragment(fragment, true);
      else if (isLast) ws.sendLastFragment(fragment, false);
      else ws.sendFragment(fragment, false);
      unfinished.next++;
      if (isLast) {
        this.#unfinished = undefined;
        return;
      }
    }
  }
}

function cutFragments(part: Uint8Array): Uint8Array[] {
  if (part.length <= FRAGMENT_BYTES) return [part];
  const fragments: Uint8Array[] = [];
  for (let at = 0; at < part.length; at += FRAGMENT_BYTES) {
    fragments.push(part.subarray(at, at + FRAGMENT_BYTES));
  }
  return fragments;
}
