/**
 * One connection of a pipe, from first to last: it introduces itself, may be asked things before entries
 * are written to it, and is remembered after it was lost, since Redis may still hold commands of it.
 */
import { randomBytes } from 'node:crypto';
import { type ConnectionHandler, RedisConnection } from '../redis/connection.js';
import { encodeCommand, type ReplyCursor } from '../redis/resp.js';
import type { RedisTarget } from '../redis/target.js';

/** How long Redis may take over all that is asked before entries are written. */
const PREPARE_MS = 5000;

interface Question {
  take(reply: ReplyCursor): void;
  reject(cause: Error): void;
}

export class AppendSession {
  /** No other connection has this name, also not on another server or after a restart. */
  readonly #role = `append-${randomBytes(6).toString('hex')}`;
  readonly #connection: RedisConnection;
  readonly #handler: ConnectionHandler;
  readonly #questions: Question[] = [];
  #prepareTimer: NodeJS.Timeout | undefined;
  #bytesBefore = 0;
  isClosed = false;
  /** Redis' number for this connection; undefined where it does not tell, or not under our name. */
  clientId: string | undefined;
  /** Of the server's process: another one after a restart. Undefined where Redis does not tell. */
  runId: string | undefined;
  /** Redis' clock when the connection began, in ms since 1970, and our own monotonic one before and after that. */
  redisTime: number | undefined;
  askedAt = 0;
  localTime = 0;

  /** `handler.ready` is called once introduced; then `ask` may be called, and at last `open` and `write`. */
  constructor(target: RedisTarget, handler: ConnectionHandler) {
    this.#handler = handler;
    this.#connection = new RedisConnection(target, this.#role, {
      ready: () => {
        this.#prepareTimer = setTimeout(
          () => this.destroy(new Error('Redis did not answer in time')),
          PREPARE_MS,
        );
        this.#introduce().then(
          () => handler.ready(),
          (cause: Error) => this.destroy(cause),
        );
      },
      reply: (cursor) => {
        if (this.#questions.length > 0) this.#questions.shift()!.take(cursor);
        else handler.reply(cursor);
      },
      closed: (cause) => this.#closed(cause),
    });
  }

  /** Bytes of entries that Redis may have read; it has read none beyond. */
  get takenBytes(): number {
    return this.#connection.takenBytes - this.#bytesBefore;
  }

  /** Bytes that went either way: they rise for as long as Redis is there. */
  get movedBytes(): number {
    return this.#connection.movedBytes;
  }

  /**
   * Asks something before `open`; `take` reads the reply, which it must not keep.
   * @throws Error where the connection is lost, and what `take` throws
   */
  ask<T>(command: Buffer, take: (reply: ReplyCursor) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#questions.push({
        take: (reply) => {
          try {
            resolve(take(reply));
          } catch (error) {
            reject(error as Error);
          }
        },
        reject,
      });
      this.#connection.write([command]);
    });
  }

  /** From now on entries are written. */
  open(): void {
    clearTimeout(this.#prepareTimer);
    this.#bytesBefore = this.#connection.takenBytes;
  }

  write(parts: readonly Uint8Array[]): void {
    this.#connection.write(parts);
  }

  destroy(cause?: Error): void {
    this.#connection.destroy(cause);
  }

  /**
   * Sees to it that Redis carries out nothing more of `lost`. What that connection had sent may lie in
   * Redis' socket unread, or in the network: the connection is gone on our side only.
   * @returns whether that is certain; it is not where Redis does not let us look at or end connections
   */
  async fence(lost: AppendSession): Promise<boolean> {
    if (lost.clientId === undefined) return false;
    const line = await this.ask(encodeCommand(['CLIENT', 'LIST', 'ID', lost.clientId]), readText);
    if (line === undefined) return false;
    // The number alone may be another's, on a server that was restarted or took over.
    if (!line.includes(` name=streamgate-${lost.#role} `)) return true;
    const killed = await this.ask(encodeCommand(['CLIENT', 'KILL', 'ID', lost.clientId]), readText);
    return killed !== undefined;
  }

  async #introduce(): Promise<void> {
    this.askedAt = performance.now();
    const [info, server, time] = await Promise.all([
      this.ask(encodeCommand(['CLIENT', 'INFO']), readText),
      this.ask(encodeCommand(['INFO', 'server']), readText),
      this.ask(encodeCommand(['TIME']), readTime),
    ]);
    this.localTime = performance.now();
    this.redisTime = time;
    this.runId = /^run_id:(\w+)/m.exec(server ?? '')?.[1];
    if (info?.includes(` name=streamgate-${this.#role} `)) this.clientId = /^id=(\d+) /.exec(info)?.[1];
  }

  #closed(cause: Error): void {
    this.isClosed = true;
    clearTimeout(this.#prepareTimer);
    for (const { reject } of this.#questions.splice(0)) reject(cause);
    this.#handler.closed(cause);
  }
}

/** A reply's text; undefined where it is an error: not allowed, or not known to the server. */
function readText(reply: ReplyCursor): string | undefined {
  if (!reply.isError) return reply.text();
  reply.skip();
  return undefined;
}

/** TIME's reply in ms; undefined where it is none. */
function readTime(reply: ReplyCursor): number | undefined {
  if (!reply.isArray) {
    reply.skip();
    return undefined;
  }
  reply.array();
  const seconds = reply.number();
  return Math.floor(seconds * 1000 + reply.number() / 1000);
}
