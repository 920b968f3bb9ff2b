/**
 * One connection to Redis of our own, for commands that move frames: the append pipe, the readers'
 * blocking reads, the pool's range reads. All else goes through ioredis (`control.ts`).
 *
 * Promises: `ready` comes once the server has logged us in and takes commands; then one `reply` for each
 * command, in the order written; at last `closed`, once, whatever the reason. Nothing is sent twice and
 * nothing is queued here: `ReconnectingConnection` makes the next one.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Failure } from '../protocol/errors.js';
import type { RedisAddress } from './address.js';
import { failureFromRedis } from './error-replies.js';
import { encodeCommand, ReplyBuffer, ReplyCursor } from './resp.js';
import { enlargeSendBuffer } from './send-buffer.js';
import { findMaster } from './sentinel.js';
import { SocketWriter } from './socket-writer.js';
import { mayMove, type RedisTarget, tlsOptions } from './target.js';

/** How long connecting and logging in may take in all, apart from a server that is loading its data. */
const CONNECT_TIMEOUT_MS = 5000;
/** How often a server that is not ready to serve yet is asked again. */
const RETRY_PING_MS = 50;
/** Of the replies to the login, counted from the last: PING, CLIENT SETNAME, ROLE. */
const NAME_REPLY = 2;
const ROLE_REPLY = 3;
/** Error replies to PING that pass by themselves. */
const NOT_YET = /^(LOADING|BUSY)/;
/** Error replies to the login commands after which the connection is of no use. */
const NOT_LOGGED_IN = /^(NOAUTH|WRONGPASS|NOPERM|DENIED|ERR (AUTH|invalid password|DB index|max number))/;

export interface ConnectionHandler {
  ready(): void;
  /** One reply; the cursor and its views are valid during the call only. */
  reply(cursor: ReplyCursor): void;
  /** What Redis sends unasked, where RESP3 was asked for; as for `reply`. */
  push?(cursor: ReplyCursor): void;
  /** The connection is gone, or was never made. */
  closed(cause: Error): void;
}

export interface ConnectionSizes {
  /** What is kept of memory that a large reply took, for the next. */
  readonly keepBytes?: number | undefined;
  /** What the kernel is to hold of what is written, where it is a Unix socket. */
  readonly sendBufferBytes?: number | undefined;
}

export class RedisConnection {
  /** There are none while the master is looked for. */
  #socket: Socket | undefined;
  #writer: SocketWriter | undefined;
  readonly #target: RedisTarget;
  readonly #role: string;
  readonly #handler: ConnectionHandler;
  readonly #sendBufferBytes: number | undefined;
  readonly #replies: ReplyBuffer;
  readonly #cursor = new ReplyCursor();
  readonly #connectTimer: NodeJS.Timeout;
  #pingTimer: NodeJS.Timeout | undefined;
  /** Replies to the login commands that are still to come; 0 once the connection is ready. */
  #handshake = 0;
  #isClosed = false;
  /** Bytes that came so far: the sign that Redis is there. */
  receivedBytes = 0;

  /** @param role what CLIENT LIST shows behind `streamgate-` */
  constructor(target: RedisTarget, role: string, handler: ConnectionHandler, sizes: ConnectionSizes = {}) {
    this.#target = target;
    this.#role = role;
    this.#handler = handler;
    this.#sendBufferBytes = sizes.sendBufferBytes;
    this.#replies = new ReplyBuffer(sizes.keepBytes);
    this.#connectTimer = setTimeout(
      () => this.#close(new Error('Redis did not answer in time')),
      CONNECT_TIMEOUT_MS,
    );
    if (!mayMove(target)) {
      this.#begin(target);
      return;
    }
    findAddress(target).then(
      (address) => this.#isClosed || this.#begin({ ...target, ...address }),
      (error: Error) => this.#close(error),
    );
  }

  /** Bytes given to `write` of which Redis may have read some; it has read none beyond. */
  get takenBytes(): number {
    return this.#writer?.takenBytes ?? 0;
  }

  /** Bytes given to `write` that have left this process. */
  get sentBytes(): number {
    return this.#writer?.sentBytes ?? 0;
  }

  /** Bytes that went either way: they rise for as long as Redis is there. */
  get movedBytes(): number {
    return this.sentBytes + this.receivedBytes;
  }

  /** Sends bytes that must not change until their reply came. Only once ready. */
  write(parts: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    this.#writer?.write(parts);
  }

  /** Ends the connection at once; `closed` is called with `cause`. */
  destroy(cause: Error = new Error('the connection was closed')): void {
    this.#close(cause);
  }

  #begin(target: RedisTarget): void {
    const socket = this.#open(target);
    this.#socket = socket;
    this.#writer = new SocketWriter(socket, !target.tls);
    socket.setNoDelay(true);
    socket.on('error', (error) => this.#close(error));
    socket.on('close', () => this.#close(new Error('Redis closed the connection')));
    const bytes = this.#sendBufferBytes;
    if (bytes !== undefined && target.path !== undefined) {
      socket.once('connect', () => enlargeSendBuffer(socket, bytes));
    }
    const login = loginCommands(target, this.#role);
    this.#handshake = login.length;
    socket.write(Buffer.concat(login));
  }

  #open(target: RedisTarget): Socket {
    const address =
      target.path === undefined ? { host: target.host, port: target.port } : { path: target.path };
    if (target.tls) {
      const socket = connectTls({ host: target.host, port: target.port, ...tlsOptions(target.host) });
      socket.on('data', (chunk: Buffer) => {
        this.receivedBytes += chunk.length;
        this.#replies.append(chunk);
        this.#readReplies();
      });
      return socket;
    }
    // The socket reads straight into the reply buffer: no buffer for each chunk, and no copy.
    return connectTcp({
      ...address,
      onread: {
        buffer: () => this.#replies.room(),
        callback: (bytes: number) => {
          this.receivedBytes += bytes;
          this.#replies.received(bytes);
          this.#readReplies();
          return !this.#isClosed;
        },
      },
    });
  }

  #readReplies(): void {
    try {
      while (!this.#isClosed && this.#replies.next(this.#cursor)) {
        if (this.#handshake > 0) this.#readLoginReply(this.#cursor);
        else if (this.#cursor.isPush) this.#handler.push?.(this.#cursor);
        else this.#handler.reply(this.#cursor);
      }
    } catch (error) {
      // After a reply that does not parse, nothing that follows can be trusted.
      this.#close(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** The last login command is a PING, asked again for as long as the server is loading its data. */
  #readLoginReply(cursor: ReplyCursor): void {
    const isLast = this.#handshake === 1;
    if (this.#handshake === ROLE_REPLY && mayMove(this.#target)) {
      this.#checkRole(cursor);
      return;
    }
    const error = cursor.isError ? cursor.text() : undefined;
    if (error !== undefined && NOT_YET.test(error)) {
      // It is there, if not ready: each question has the time anew.
      this.#connectTimer.refresh();
      if (isLast) this.#pingTimer = setTimeout(() => this.write([encodeCommand(['PING'])]), RETRY_PING_MS);
      else this.#handshake--;
      return;
    }
    // CLIENT SETNAME may be unknown to a proxy or not allowed to the user, and MISCONF answers even PING,
    // yet reads still work.
    const isName = this.#handshake === NAME_REPLY;
    if (error !== undefined && !isName && NOT_LOGGED_IN.test(error)) {
      this.#close(new Failure('redis_denied', failureFromRedis(error).message));
      return;
    }
    this.#handshake--;
    if (!isLast) return;
    clearTimeout(this.#connectTimer);
    this.#handler.ready();
  }

  /** Sentinels, and nodes of a cluster, may name a master for a while that is none any more. */
  #checkRole(cursor: ReplyCursor): void {
    // An array whose first element is the role.
    if (!cursor.isError) cursor.array();
    const role = cursor.text();
    if (role === 'master') this.#handshake--;
    else this.#close(new Error(`the server that is said to be the master is none: its ROLE is ${role}`));
  }

  #close(cause: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // The shard may have another master by now.
    this.#target.shard?.table.wish();
    clearTimeout(this.#connectTimer);
    clearTimeout(this.#pingTimer);
    this.#writer?.close();
    this.#socket?.destroy();
    this.#handler.closed(cause);
  }
}

/** Where the master is now. @throws Error where nobody knows */
async function findAddress({ sentinel, shard, tls }: RedisTarget): Promise<RedisAddress> {
  if (sentinel !== undefined) return findMaster(sentinel, tls);
  const address = shard?.table.addressOf(shard.number);
  if (address === undefined) throw new Error('the cluster does not say where this part of it is');
  return address;
}

function loginCommands(target: RedisTarget, role: string): Buffer[] {
  const commands: Buffer[] = [];
  if (target.password !== undefined) {
    const user = target.username === undefined ? [] : [target.username];
    commands.push(encodeCommand(['AUTH', ...user, target.password]));
  }
  if (target.database !== 0) commands.push(encodeCommand(['SELECT', target.database]));
  if (mayMove(target)) commands.push(encodeCommand(['ROLE']));
  commands.push(encodeCommand(['CLIENT', 'SETNAME', `streamgate-${role}`]));
  commands.push(encodeCommand(['PING']));
  return commands;
}
