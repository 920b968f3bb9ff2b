/**
 * A reader's connection to Redis, made anew whenever it was lost.
 *
 * Promises: `ready` once Redis has told the connection's id, by which a blocked read can be interrupted;
 * replies go to who asked, in the order of the commands; with the connection all that was asked is
 * forgotten, which `lost` tells once.
 */
import { BackOff } from '../src/protocol/back-off.js';
import { RedisConnection } from '../src/redis/connection.js';
import { encodeCommand, type ReplyCursor } from '../src/redis/resp.js';
import { SilenceWatch } from '../src/redis/silence-watch.js';
import type { RedisTarget } from '../src/redis/target.js';

const FIRST_RECONNECT_MS = 20;
const LAST_RECONNECT_MS = 500;

export type TakeReply = (reply: ReplyCursor) => void;

export interface ReaderLinkHandler {
  ready(): void;
  /** @param wasReady whether the connection that was lost had ever been of use */
  lost(cause: Error, wasReady: boolean): void;
}

export class ReaderLink {
  readonly #target: RedisTarget;
  readonly #silenceMs: number;
  readonly #handler: ReaderLinkHandler;
  /** Who takes the next replies. */
  readonly #expected: TakeReply[] = [];
  #connection: RedisConnection | undefined;
  #watch: SilenceWatch | undefined;
  #reconnectTimer: NodeJS.Timeout | undefined;
  readonly #backOff = new BackOff(FIRST_RECONNECT_MS, LAST_RECONNECT_MS);
  #isClosed = false;
  /** By which Redis knows the connection; undefined while there is none. */
  clientId: number | undefined;
  /** How many connections there were, this one included. */
  connections = 0;

  /** @param silenceMs a connection that owes an answer and says nothing for so long is given up */
  constructor(target: RedisTarget, silenceMs: number, handler: ReaderLinkHandler) {
    this.#target = target;
    this.#silenceMs = silenceMs;
    this.#handler = handler;
  }

  connect(): void {
    const connection = new RedisConnection(this.#target, 'reader', {
      ready: () => this.#ready(),
      reply: (cursor) => this.#reply(cursor),
      closed: (cause) => this.#lost(cause),
    });
    this.#connection = connection;
    this.#watch = new SilenceWatch(connection, this.#silenceMs, () => this.#expected.length > 0);
  }

  /** Says who takes the reply to the next command that is written. */
  expect(take: TakeReply): void {
    this.#expected.push(take);
  }

  write(...parts: readonly Uint8Array[]): void {
    this.#connection?.write(...parts);
  }

  ask(command: Buffer, take: TakeReply): void {
    this.expect(take);
    this.write(command);
  }

  /** Ends the connection, and makes another. */
  renew(cause: Error): void {
    this.#connection?.destroy(cause);
  }

  /** Ends the connection for good. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#reconnectTimer);
    this.#connection?.destroy();
  }

  /** The connection is of use: should it be lost, the next is made soon. */
  proven(): void {
    this.#backOff.reset();
  }

  #ready(): void {
    this.ask(encodeCommand(['CLIENT', 'ID']), (reply) => {
      this.clientId = reply.number();
      this.connections++;
      this.#handler.ready();
    });
  }

  #reply(cursor: ReplyCursor): void {
    const take = this.#expected.shift();
    if (take === undefined) throw new Error('Redis answered more than it was asked');
    take(cursor);
  }

  #lost(cause: Error): void {
    this.#watch?.stop();
    if (this.#isClosed) return;
    const wasReady = this.clientId !== undefined;
    this.clientId = undefined;
    this.#expected.length = 0;
    this.#handler.lost(cause, wasReady);
    this.#reconnectTimer = setTimeout(() => this.connect(), this.#backOff.next());
  }
}
