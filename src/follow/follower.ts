/**
 * One client that follows streams: decides what it is sent next, and when.
 *
 * For each of its streams a follower is *catching up* (the pool reads from its cursor), *live* (fed from
 * the hub's batches) or *behind* (its socket is full: nothing is queued for it, and on drain it goes on
 * from the hub, or catches up where the hub has let its place go).
 *
 * Promises: every entry after the cursor that Redis still holds, in order, each once; with `latest` the
 * newest only, never one older than one sent. With `speed` each entry once it is due. It holds few batches of its own, however many streams it
 * follows, each of a size that it has shown to take, and none once its client has stopped reading. What it
 * does for a message does not depend on how many streams it follows.
 */

import { entryTime } from '../protocol/entry-id.js';
import type { Failure } from '../protocol/errors.js';
import { ReadSlots } from './catch-up/read-slots.js';
import { FollowedStream, type FollowerStream, type StreamFollower } from './followed-stream.js';
import type { FollowerContext, FollowerState } from './follower-context.js';
import { Heartbeat } from './heartbeat.js';
import { ReplayClock } from './replay/clock.js';
import { ReplayTurns, replayShare } from './replay/replay-turns.js';
import { messagesOf, type Run, runBytes } from './run.js';
import { Turns } from './turns.js';

/** Where a follower's messages go: its client's connection, in its client's framing. */
export interface FollowerOutlet {
  /** Whether a message would go out now rather than wait. */
  isWritable(): boolean;
  /**
   * Sends a run as one message, or as several where it has more than `count` entries.
   * @returns the bytes of all
   */
  send(run: Run): number;
  /** It takes runs of so many small messages; without it of one. */
  readonly mostMessages?: number;
  /** Runs `send` so that small messages leave together. */
  cork(send: () => void): void;
  /** Says that there is nothing new. @returns whether this framing has a word for it */
  sendHeartbeat(): boolean;
  /** The follower cannot go on. */
  end(failure: Failure): void;
  /** All that was asked for was sent, and taken. Of those without `until` there is no end. */
  complete?(): void;
}

/** Of the pull parameters of docs/protocol.md those that decide what is sent when. */
export interface FollowerParameters {
  readonly latest: boolean;
  /** At most so many entries in a message. */
  readonly count: number;
  /** Ms without data after which a heartbeat is sent; 0: none; -1: at once, whenever caught up. */
  readonly block: number;
  /** Wait for `acknowledge` after each message. */
  readonly ack: boolean;
  /** Messages a second; 0: no limit. */
  readonly maxFps: number;
  /** How many times as fast as they were written entries are sent; 0: as fast as possible. */
  readonly speed?: number;
  /** No entry after this id is sent; once its time has passed and all is sent, the follower is complete. */
  readonly until?: string | undefined;
  /** The outlet reports losses: each is looked for before the entries behind it are sent. */
  readonly gaps?: boolean;
}

/** Messages from this size on are sent uncorked, since corking would copy them. */
const LARGE_BYTES = 16 * 1024;
/** A follower that has sent so much lets others have their turn. */
const TURN_BYTES = 4 * 1024 * 1024;
const TURN_MESSAGES = 2000;
/** The longest time that a timer takes. */
const MAX_TIMER_MS = 0x7fff_ffff;
/** A client whose connection takes nothing for so long is not read for in advance. */
const STALL_MS = 250;

export class Follower implements StreamFollower {
  readonly #context: FollowerContext;
  readonly #parameters: FollowerParameters;
  readonly #outlet: FollowerOutlet;
  readonly #streams: readonly FollowedStream[];
  readonly #replay: ReplayTurns | undefined;
  readonly #turns: Turns | ReplayTurns;
  readonly slots = new ReadSlots();
  readonly #heartbeat: Heartbeat;
  /** How many messages may be sent without a look at what comes next. */
  readonly #messages: number;
  #isPumping = false;
  #isEnded = false;
  #awaitsAck = false;
  #nextFrameAt = 0;
  #frameTimer: NodeJS.Timeout | undefined;
  #stallTimer: NodeJS.Timeout | undefined;
  #turnTimer: NodeJS.Immediate | undefined;
  #untilTimer: NodeJS.Timeout | undefined;
  /** Found too large to be corked with those before it: sent next. */
  #largeRun: Run | undefined;

  constructor(
    context: FollowerContext,
    streams: readonly FollowerStream[],
    parameters: FollowerParameters,
    outlet: FollowerOutlet,
  ) {
    this.#context = context;
    this.#parameters = parameters;
    this.#outlet = outlet;
    const { latest, speed = 0, until, gaps = false } = parameters;
    const share = speed > 0 ? replayShare(streams.length) : undefined;
    if (share !== undefined) {
      this.#replay = new ReplayTurns(new ReplayClock(speed), share, () => this.pump());
    }
    this.#turns = this.#replay ?? new Turns();
    // All others look after each message, be it for the time or for another stream's turn.
    const isPlain = streams.length === 1 && !parameters.ack && parameters.maxFps === 0 && share === undefined;
    this.#messages = isPlain ? (outlet.mostMessages ?? 1) : 1;
    const wants = { latest, until, share, gaps };
    this.#streams = streams.map((stream, index) => new FollowedStream(context, this, index, stream, wants));
    for (const stream of this.#streams) this.#turns.add(stream);
    this.#heartbeat = new Heartbeat(parameters.block, () => this.#sendHeartbeat());
    this.#watchUntil();
    context.counters.followers.add(this);
  }

  get state(): FollowerState {
    if (this.#awaitsAck || !this.#outlet.isWritable()) return 'behind';
    return this.#streams.some((stream) => stream.isCatchingUp) ? 'catching_up' : 'live';
  }

  onReady(stream: FollowedStream): void {
    this.#turns.add(stream);
    this.pump();
  }

  onFailed(failure: Failure): void {
    this.#outlet.end(failure);
  }

  /** The client acknowledged a message. */
  acknowledge(): void {
    this.#awaitsAck = false;
    this.#heartbeat.isOwed = true;
    this.pump();
  }

  /** Sends what there is to send, as far as the client can take it. */
  pump(): void {
    if (this.#isPumping || this.#isEnded) return;
    this.#isPumping = true;
    try {
      this.#sendTurn();
    } finally {
      this.#isPumping = false;
    }
  }

  /** Lets go of everything; nothing is sent any more. */
  close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#context.counters.followers.delete(this);
    clearTimeout(this.#frameTimer);
    this.#heartbeat.close();
    clearTimeout(this.#stallTimer);
    clearImmediate(this.#turnTimer);
    clearTimeout(this.#untilTimer);
    this.#replay?.close();
    for (const stream of this.#streams) stream.close();
  }

  #sendTurn(): void {
    let bytes = 0;
    let messages = 0;
    const { count, until } = this.#parameters;
    // Once a turn is exact enough for heartbeats, and asking for the time costs as much as a small send.
    const sentAt = performance.now();
    const mayGoOn = () => bytes < TURN_BYTES && messages < TURN_MESSAGES;
    const sendSmall = () => {
      while (mayGoOn() && this.#maySend()) {
        const run = this.#turns.next(count, until, this.#messages);
        if (run === undefined) return;
        if (runBytes(run) >= LARGE_BYTES) {
          this.#largeRun = run;
          return;
        }
        bytes += this.#send(run);
        messages += messagesOf(run, count);
      }
    };
    for (;;) {
      if (messages > 0) this.#heartbeat.lastSentAt = sentAt;
      if (!mayGoOn()) {
        this.#turnTimer ??= setImmediate(() => {
          this.#turnTimer = undefined;
          this.pump();
        });
        return;
      }
      if (!this.#maySend()) {
        this.#watchForStall();
        return;
      }
      const run = this.#turns.next(count, until, this.#messages);
      if (run === undefined) {
        this.#caughtUp();
        return;
      }
      if (runBytes(run) >= LARGE_BYTES) {
        bytes += this.#send(run);
        messages++;
      } else {
        this.#outlet.cork(() => {
          bytes += this.#send(run);
          messages += messagesOf(run, count);
          sendSmall();
        });
        const large = this.#largeRun;
        this.#largeRun = undefined;
        if (large !== undefined) {
          bytes += this.#send(large);
          messages++;
        }
      }
    }
  }

  #maySend(): boolean {
    if (this.#isEnded || this.#awaitsAck || !this.#outlet.isWritable()) return false;
    if (this.#parameters.maxFps === 0) return true;
    const wait = this.#nextFrameAt - performance.now();
    if (wait <= 0) return true;
    this.#frameTimer ??= setTimeout(() => {
      this.#frameTimer = undefined;
      this.pump();
    }, Math.ceil(wait));
    return false;
  }

  /** Sends a run and moves its stream past it. @returns the bytes sent */
  #send(run: Run): number {
    const { maxFps, ack } = this.#parameters;
    const bytes = this.#outlet.send(run);
    this.#context.counters.bytes += bytes;
    this.#streams[run.index]!.sent(run);
    this.#heartbeat.isOwed = true;
    this.#awaitsAck = ack;
    if (maxFps > 0) this.#nextFrameAt = Math.max(this.#nextFrameAt, performance.now() - 1) + 1000 / maxFps;
    return bytes;
  }

  /**
   * What was read for a client alone is let go where it takes nothing for a while; the cursor finds it
   * again. Not at once: a client that is merely slow would have everything read for it many times.
   */
  #watchForStall(): void {
    if (this.#isEnded || this.#stallTimer !== undefined) return;
    if (this.#awaitsAck || (this.slots.used === 0 && this.#replay === undefined)) return;
    this.#stallTimer = setTimeout(() => {
      this.#stallTimer = undefined;
      if (this.#outlet.isWritable()) return;
      for (const stream of this.#streams) if (stream.giveUp()) this.#turns.add(stream);
    }, STALL_MS);
  }

  #caughtUp(): void {
    if (this.#parameters.until !== undefined && this.#streams.every((stream) => stream.isFinished)) {
      this.#outlet.complete?.();
      return;
    }
    if (!this.#heartbeat.isWantedAtEnd) return;
    if (this.#streams.some((stream) => stream.isBehind)) return;
    this.#heartbeat.beat();
  }

  #sendHeartbeat(): void {
    if (this.#awaitsAck || !this.#outlet.isWritable()) return;
    if (this.#outlet.sendHeartbeat()) this.#awaitsAck = this.#parameters.ack;
  }

  /** Has the streams read to their end once the time of `until` has passed. */
  #watchUntil(): void {
    const { until } = this.#parameters;
    if (until === undefined) return;
    const ms = entryTime(until) + 1 - Date.now();
    if (ms > 0) {
      this.#untilTimer = setTimeout(
        () => {
          this.#watchUntil();
          this.pump();
        },
        Math.min(ms, MAX_TIMER_MS),
      );
      return;
    }
    for (const stream of this.#streams) {
      stream.passUntil();
      this.#turns.add(stream);
    }
  }
}
