/**
 * A subscription's entries: a follower of the hub, asked for one entry at a time, so that nothing is held
 * for a client that does not read on.
 */

import type { EntryForm } from '../../workers/stream-description.js';
import type { FollowerStream } from '../follow/followed-stream.js';
import { Follower, type FollowerOutlet } from '../follow/follower.js';
import type { Run } from '../follow/run.js';
import { AnswerBudget } from '../protocol/answer-budget.js';
import type { Failure } from '../protocol/errors.js';
import { EntryTrace } from '../system/entry-trace.js';
import { decode } from '../threads/decoding.js';
import type { Threads } from '../threads/threads.js';
import type { GraphqlContext, OpenSubscription } from './context.js';

/** One entry, under the schema's names. */
export interface EntryPayload {
  readonly streamId: string;
  readonly time: string;
  readonly data?: string;
  readonly string?: string | null;
  readonly json?: unknown;
}

/** An entry, or what the client is told in place of one that there cannot be: the last event. */
export type EntryEvent = EntryPayload | Error;

/** What is asked for of each entry. */
export interface RequestedEntryFields {
  readonly forms: readonly EntryForm[];
  /** Under how many names the client has the same form, at most. */
  readonly copies: number;
}

async function describeEntry(
  threads: Threads,
  streamId: string,
  { batch, from }: Run,
  { forms, copies }: RequestedEntryFields,
): Promise<EntryPayload> {
  const payload = batch.payload(from);
  new AnswerBudget().spend(payload.length * forms.length, copies);
  const time = batch.ids[from]!;
  return { streamId, time, ...(await decode(threads, payload, forms)) };
}

export class EntrySubscription implements FollowerOutlet, AsyncIterableIterator<EntryEvent> {
  readonly #threads: Threads;
  readonly #subscriptions: Set<OpenSubscription>;
  readonly #ids: readonly string[];
  readonly #wants: RequestedEntryFields;
  readonly #follower: Follower;
  readonly #trace: EntryTrace | undefined;
  /** The one who waits for the next entry; while there is none, none is taken from the follower. */
  #waiting: ((event: EntryEvent | Promise<EntryEvent> | undefined) => void) | undefined;
  #failure: Failure | undefined;
  #isOver = false;

  /** @param ids how the client names the streams, in their order */
  constructor(
    context: GraphqlContext,
    streams: readonly FollowerStream[],
    ids: readonly string[],
    latest: boolean,
    wants: RequestedEntryFields,
  ) {
    this.#threads = context.threads;
    this.#subscriptions = context.subscriptions;
    this.#trace = EntryTrace.start(context.logger, { endpoint: 'graphql' });
    this.#ids = ids;
    this.#wants = wants;
    const parameters = { latest, count: 1, block: 0, ack: false, maxFps: 0 };
    this.#follower = new Follower(context, streams, parameters, this);
    this.#subscriptions.add(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<EntryEvent, undefined>> {
    if (this.#failure !== undefined && !this.#isOver) {
      await this.return();
      return { value: this.#failure, done: false };
    }
    if (this.#isOver) return { value: undefined, done: true };
    const event = await new Promise<EntryEvent | undefined>((resolve) => {
      this.#waiting = resolve;
      this.#follower.pump();
    }).catch(async (error: Error) => {
      // With an entry missing there is no going on.
      await this.return();
      return error;
    });
    return event === undefined ? { value: undefined, done: true } : { value: event, done: false };
  }

  async return(): Promise<IteratorResult<EntryEvent, undefined>> {
    this.#isOver = true;
    this.#subscriptions.delete(this);
    this.#follower.close();
    this.#settle(undefined);
    return { value: undefined, done: true };
  }

  isWritable(): boolean {
    return this.#waiting !== undefined;
  }

  cork(send: () => void): void {
    send();
  }

  send(run: Run): number {
    this.#trace?.sent(run.batch, run.from, run.from + 1);
    this.#settle(describeEntry(this.#threads, this.#ids[run.index]!, run, this.#wants));
    return run.batch.payload(run.from).length;
  }

  sendHeartbeat(): boolean {
    return false;
  }

  end(failure: Failure): void {
    this.#failure = failure;
    if (this.#waiting === undefined) return;
    this.#settle(failure);
    void this.return();
  }

  #settle(event: EntryEvent | Promise<EntryEvent> | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(event);
  }
}
