/**
 * A subscription's entries: a follower of the hub.
 *
 * Where its selection is compiled, results go from here to the client's connection as their JSON, for as long as that
 * has room; what is taken of the iterator is only why there are no more. Otherwise the iterator gives one entry at a
 * time. Either way nothing is held for a client that does not read on.
 */

import { decodeEntry, type EntryForm } from '../../workers/stream-description.js';
import type { FollowerStream } from '../follow/followed-stream.js';
import { Follower, type FollowerOutlet } from '../follow/follower.js';
import type { Run } from '../follow/run.js';
import { AnswerBudget } from '../protocol/answer-budget.js';
import type { Failure } from '../protocol/errors.js';
import { EntryTrace } from '../system/entry-trace.js';
import { decode } from '../threads/decoding.js';
import type { Threads } from '../threads/threads.js';
import type { GraphqlContext, OpenSubscription } from './context.js';
import type { EventSink } from './event-sink.js';
import type { EventWriter } from './event-writer.js';

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

/** How results are written, and where they go. */
export interface ResultOutlet {
  readonly writer: EventWriter;
  readonly sink: EventSink;
}

/** A client can have so many results at once, where they are small. */
const MOST_RESULTS = 1000;

/** @throws Failure `payload_too_large` */
function checkBudget(payload: Uint8Array, { forms, copies }: RequestedEntryFields): void {
  new AnswerBudget().spend(payload.length * forms.length, copies);
}

async function describeEntry(
  threads: Threads,
  streamId: string,
  { batch, from }: Run,
  wants: RequestedEntryFields,
): Promise<EntryPayload> {
  const payload = batch.payload(from);
  checkBudget(payload, wants);
  return { streamId, time: batch.ids[from]!, ...(await decode(threads, payload, wants.forms)) };
}

export class EntrySubscription implements FollowerOutlet, AsyncIterableIterator<EntryEvent> {
  readonly #threads: Threads;
  readonly #subscriptions: Set<OpenSubscription>;
  readonly #ids: readonly string[];
  readonly #wants: RequestedEntryFields;
  readonly #follower: Follower;
  readonly #trace: EntryTrace | undefined;
  readonly #grant: GraphqlContext['grant'];
  readonly #outlet: ResultOutlet | undefined;
  /** Of each stream the name of results that equal subscribers share, and its id as JSON. */
  readonly #shared: readonly { readonly variant: string; readonly streamId: string }[];
  readonly mostMessages: number;
  /** A result is being made elsewhere, or waits for the client to have room: those after it come later. */
  #isUnderway = false;
  /** The one who waits for the next entry; while there is none, none is taken from the follower. */
  #waiting: ((event: EntryEvent | Promise<EntryEvent> | undefined) => void) | undefined;
  #failure: Failure | undefined;
  #isOver = false;

  /**
   * @param ids how the client names the streams, in their order
   * @param outlet where results are sent; undefined where each entry is taken from the iterator
   */
  constructor(
    context: GraphqlContext,
    streams: readonly FollowerStream[],
    ids: readonly string[],
    latest: boolean,
    wants: RequestedEntryFields,
    outlet?: ResultOutlet,
  ) {
    this.#grant = context.grant;
    this.#outlet = outlet;
    this.#shared = outlet === undefined ? [] : ids.map((id) => sharedBy(outlet.writer, id));
    this.mostMessages = outlet === undefined ? 1 : MOST_RESULTS;
    this.#threads = context.threads;
    this.#subscriptions = context.subscriptions;
    this.#trace = EntryTrace.start(context.logger, { endpoint: 'graphql' });
    this.#ids = ids;
    this.#wants = wants;
    const parameters = { latest, count: 1, block: 0, ack: false, maxFps: 0 };
    this.#follower = new Follower(context, streams, parameters, this);
    this.#subscriptions.add(this);
    outlet?.sink.open(() => this.#follower.pump());
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
    this.#outlet?.sink.close();
    this.#settle(undefined);
    return { value: undefined, done: true };
  }

  isWritable(): boolean {
    if (this.#waiting === undefined) return false;
    return this.#outlet === undefined || (!this.#isUnderway && this.#outlet.sink.isWritable());
  }

  cork(send: () => void): void {
    if (this.#outlet === undefined) send();
    else this.#outlet.sink.cork(send);
  }

  send(run: Run): number {
    const { batch, from, to } = run;
    this.#trace?.sent(batch, from, to);
    if (this.#outlet === undefined) {
      this.#settle(describeEntry(this.#threads, this.#ids[run.index]!, run, this.#wants));
    } else {
      try {
        this.#sendResults(this.#outlet, run);
      } catch (error) {
        this.#settle(Promise.reject(error));
      }
    }
    return batch.start(to) - batch.start(from);
  }

  #sendResults({ writer, sink }: ResultOutlet, { batch, index, from, to, isShared }: Run): void {
    const { variant, streamId } = this.#shared[index]!;
    this.#grant.check();
    for (let at = from; at < to; at++) {
      const payload = batch.payload(at);
      checkBudget(payload, this.#wants);
      const make = () => {
        // Several at once are all small.
        const entry =
          to - from > 1
            ? decodeEntry(payload, this.#wants.forms)
            : decode(this.#threads, payload, this.#wants.forms);
        const time = batch.ids[at]!;
        if (!(entry instanceof Promise)) return writer.write(streamId, time, entry);
        return entry.then((decoded) => writer.write(streamId, time, decoded));
      };
      const text = isShared ? batch.message<string | Promise<string>>(variant, at, make) : make();
      if (typeof text === 'string') sink.send(text);
      else void this.#sendLater(sink, text);
    }
  }

  async #sendLater(sink: EventSink, text: Promise<string>): Promise<void> {
    this.#isUnderway = true;
    try {
      const result = await text;
      if (!this.#isOver) await sink.sendInTurn(result);
    } catch (error) {
      this.#settle(Promise.reject(error));
    } finally {
      this.#isUnderway = false;
    }
    if (this.#failure === undefined) this.#follower.pump();
    else this.end(this.#failure);
  }

  sendHeartbeat(): boolean {
    return false;
  }

  end(failure: Failure): void {
    this.#failure = failure;
    // What is under way comes first.
    if (this.#waiting === undefined || this.#isUnderway) return;
    this.#settle(failure);
    void this.return();
  }

  #settle(event: EntryEvent | Promise<EntryEvent> | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) waiting(event);
    // It is over for another reason.
    else if (event instanceof Promise) event.catch(() => {});
  }
}

function sharedBy(writer: EventWriter, id: string) {
  const streamId = JSON.stringify(id);
  return { variant: `graphql ${streamId} ${writer.name}`, streamId };
}
