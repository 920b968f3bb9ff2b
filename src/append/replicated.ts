/**
 * A pipe whose entries are told to be stored once so many replicas have them, too.
 *
 *     XADD a  XADD b  WAIT 1  XADD c  XADD d …  WAIT 1 …      on a connection of its own
 *     `------ a group -----´  `---- the next ----´
 *
 * One WAIT stands for all entries before it. While Redis waits it carries out nothing else of that
 * connection, so other pipes are not held up, and entries that come meanwhile are the next group. What
 * fewer replicas have when the time is over is told as such, and stays stored.
 */
import type { Failure } from '../protocol/errors.js';
import { bulkReply, encodeCommand, type ReplyCursor } from '../redis/resp.js';
import type { Receipt } from './batch.js';
import type { AppendStream } from './command.js';
import { NotReplicated } from './not-replicated.js';
import type { AppendPipe } from './pipe.js';
import type { AppendStreams } from './streams.js';

/** How long replicas may take. docs/guarantees.md says so too; a pipe takes longer silence for a dead connection. */
const REPLICAS_TIMEOUT_MS = 1000;

export class ReplicatedPipe {
  readonly #pipe: AppendPipe;
  readonly #replicas: number;
  readonly #wait: Buffer;
  /** Entries behind the last WAIT. */
  #group: Group | undefined;
  /** Whether a WAIT is on its way, or will be at the end of the turn. */
  #isWaiting = false;

  /** @param pipe that nobody else writes to */
  constructor(pipe: AppendPipe, replicas: number) {
    this.#pipe = pipe;
    this.#replicas = replicas;
    this.#wait = encodeCommand(['WAIT', replicas, REPLICAS_TIMEOUT_MS]);
  }

  get streams(): AppendStreams {
    return this.#pipe.streams;
  }

  /** The pipes that entries are written by. */
  get pipes(): readonly AppendPipe[] {
    return [this.#pipe];
  }

  /** Like that of the pipe. */
  idle(): Promise<void> {
    return this.#pipe.idle();
  }

  /** Like that of the pipe. */
  close(): void {
    this.#pipe.close();
  }

  /** Like that of the pipe. */
  append(stream: AppendStream, id: string, payload: Uint8Array, receipt: Receipt, token: number): void {
    const group = this.#next();
    this.#pipe.append(stream, id, payload, group, group.add(receipt, token));
  }

  /** Like that of the pipe. */
  adopt(stream: AppendStream, id: string, payload: Uint8Array, receipt: Receipt, token: number): void {
    const group = this.#next();
    this.#pipe.adopt(stream, id, payload, group, group.add(receipt, token));
  }

  /** The group of the next entry. */
  #next(): Group {
    this.#group ??= new Group(this.#replicas, this.#pipe.disconnects);
    if (!this.#isWaiting) {
      this.#isWaiting = true;
      setImmediate(this.#commit);
    }
    return this.#group;
  }

  readonly #commit = (): void => {
    const group = this.#group;
    this.#group = undefined;
    this.#isWaiting = group !== undefined;
    if (group === undefined) return;
    const done = (replicas: number) => {
      // A WAIT says nothing of what was written on another connection.
      group.commit(group.connection === this.#pipe.disconnects ? replicas : 0);
      this.#commit();
    };
    this.#pipe.command(this.#wait, { stored: (_, reply) => done(reply.number()), refused: () => done(0) }, 0);
  };
}

/** Entries that one WAIT stands for: their ids are kept until it is answered. */
class Group implements Receipt {
  readonly #wanted: number;
  /** Which of the pipe's connections they are sent on, by a count of those lost before. */
  readonly connection: number;
  readonly #receipts: Receipt[] = [];
  readonly #tokens: number[] = [];
  /** Of those that are stored. */
  readonly #ids: (string | undefined)[] = [];
  #unanswered = 0;
  #replicas: number | undefined;

  constructor(wanted: number, connection: number) {
    this.#wanted = wanted;
    this.connection = connection;
  }

  add(receipt: Receipt, token: number): number {
    this.#receipts.push(receipt);
    this.#unanswered++;
    return this.#tokens.push(token) - 1;
  }

  stored(index: number, reply: ReplyCursor): void {
    this.#ids[index] = reply.text();
    this.#unanswered--;
    this.#tell();
  }

  refused(index: number, failure: Failure): void {
    this.#receipts[index]!.refused(this.#tokens[index]!, failure);
    this.#unanswered--;
    this.#tell();
  }

  /** The entry was not stored here, and is another's now. */
  leave(index: number): { readonly receipt: Receipt; readonly token: number } {
    this.#unanswered--;
    this.#tell();
    return { receipt: this.#receipts[index]!, token: this.#tokens[index]! };
  }

  commit(replicas: number): void {
    this.#replicas = replicas;
    this.#tell();
  }

  #tell(): void {
    const replicas = this.#replicas;
    if (replicas === undefined || this.#unanswered > 0) return;
    const shortage = replicas < this.#wanted ? new NotReplicated(this.#wanted, replicas) : undefined;
    this.#receipts.forEach((receipt, index) => {
      const id = this.#ids[index];
      if (id !== undefined) receipt.stored(this.#tokens[index]!, bulkReply(id), shortage);
    });
  }
}
