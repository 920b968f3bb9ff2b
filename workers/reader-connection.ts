/**
 * A reader's connection to Redis, made again whenever it was lost: who takes which reply, and by which id Redis
 * knows it.
 *
 * Promises: `ready` once Redis has told the connection's id, by which a blocked read can be interrupted;
 * replies go to who asked, in the order of the commands; with the connection all that was asked is
 * forgotten, which `lost` tells once.
 */
import { ReconnectingConnection } from '../src/redis/reconnecting-connection.js';
import { encodeCommand, type ReplyCursor } from '../src/redis/resp.js';
import type { RedisTarget } from '../src/redis/target.js';

export type TakeReply = (reply: ReplyCursor) => void;

export interface ReaderConnectionHandler {
  ready(): void;
  /** Redis has sent something unasked. */
  push(cursor: ReplyCursor): void;
  /** @param wasReady whether the connection that was lost had ever been of use */
  lost(cause: Error, wasReady: boolean): void;
}

export class ReaderConnection {
  readonly #connection: ReconnectingConnection;
  readonly #handler: ReaderConnectionHandler;
  /** Who takes the next replies. */
  readonly #expected: TakeReply[] = [];
  /** By which Redis knows the connection; undefined while there is none. */
  clientId: number | undefined;
  /** How many connections there were, this one included. */
  connections = 0;

  /** @param silenceMs a connection that owes an answer and says nothing for so long is given up */
  constructor(target: RedisTarget, silenceMs: number, handler: ReaderConnectionHandler) {
    this.#handler = handler;
    this.#connection = new ReconnectingConnection(
      { target, role: () => 'reader', silenceMs },
      {
        ready: () => this.#ready(),
        reply: (cursor) => this.#reply(cursor),
        push: (cursor) => handler.push(cursor),
        owesAnswer: () => this.#expected.length > 0,
        lost: ({ cause }) => this.#lost(cause),
      },
    );
  }

  connect(): void {
    this.#connection.connect();
  }

  /** Says who takes the reply to the next command that is written. */
  expect(take: TakeReply): void {
    this.#expected.push(take);
  }

  write(parts: readonly Uint8Array[]): void {
    this.#connection.write(parts);
  }

  ask(command: Buffer, take: TakeReply): void {
    this.expect(take);
    this.write([command]);
  }

  /** Ends the connection, and makes another. */
  renew(cause: Error): void {
    this.#connection.drop(cause);
  }

  /** Ends the connection for good. */
  close(): void {
    this.#connection.close();
  }

  /** The connection is of use: should it be lost, the next is made soon. */
  proven(): void {
    this.#connection.proven();
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
    if (this.#connection.isClosed) return;
    const wasReady = this.clientId !== undefined;
    this.clientId = undefined;
    this.#expected.length = 0;
    this.#handler.lost(cause, wasReady);
  }
}
