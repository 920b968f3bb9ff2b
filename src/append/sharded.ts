/**
 * The way of entries into a cluster: a pipe for each shard, and each stream's entries in order, also while the stream
 * goes from one shard to another.
 *
 *     table says shard 1          entries of a stream → pipe 1
 *     MOVED, ASK, or a new table  what pipe 1 gives back, then what comes since, wait
 *     pipe 1 owes no answer       all that waits → pipe 2, and the stream's entries go there from now on
 *
 * Nothing that waits was carried out by anybody, so nothing is stored twice; and nothing goes to the new shard before
 * the old one has answered all, so the order stays. Other streams do not wait. Where nobody serves a stream, its
 * entries wait for as long as they would for a Redis that is away, and are refused then.
 */
import { Failure } from '../protocol/errors.js';
import { notServed } from '../redis/cluster/follow-redirects.js';
import { type Redirect, readRedirect } from '../redis/cluster/redirect.js';
import { ShardedReads } from '../redis/cluster/sharded-reads.js';
import { slotOf } from '../redis/cluster/slot.js';
import { NO_SHARD, type SlotTable } from '../redis/cluster/slot-table.js';
import { askOwner } from './ask-owner.js';
import type { Receipt, Unanswered } from './batch.js';
import { overloaded } from './budget.js';
import type { AppendStream } from './command.js';
import { AppendPipe, type AppendPipeOptions, type ShardRole } from './pipe.js';
import { ReplicatedPipe } from './replicated.js';
import { StreamMove, type StreamTarget } from './stream-move.js';
import type { StreamPlace } from './stream-place.js';
import { AppendStreams } from './streams.js';

/** A shard's pipe, and where its entries are given. */
interface ShardPipe {
  readonly base: AppendPipe;
  /** Where its master was when that was looked at last. */
  at: string;
  readonly entries: AppendPipe | ReplicatedPipe;
}

export class ShardedPipe {
  readonly streams: AppendStreams;
  readonly #options: AppendPipeOptions;
  readonly #table: SlotTable;
  readonly #minReplicas: number;
  readonly #pipes = new Map<number, ShardPipe>();
  /** Of shards that have left the cluster, until nothing waits for an answer there. */
  readonly #leaving = new Map<number, ShardPipe>();
  readonly #reads: ShardedReads;
  readonly #role: ShardRole;
  /** Streams of which entries wait. */
  readonly #moving = new Map<AppendStream, StreamMove>();
  #whenIdle: (() => void)[] = [];
  #isClosed = false;

  /** @param minReplicas how many replicas must have an entry before it is told to be stored */
  constructor(options: AppendPipeOptions, table: SlotTable, minReplicas: number) {
    this.#options = options;
    this.#table = table;
    this.#minReplicas = minReplicas;
    this.streams = new AppendStreams(options.maxLength);
    this.#reads = new ShardedReads(options.target, table, 'append-search');
    this.#role = {
      streams: this.streams,
      elsewhere: (entry, error) => this.#redirected(entry, error),
      askingOf: (key, asking) => askOwner(key, asking, this.#reads),
    };
    this.review();
  }

  /** Those of all shards. */
  get pipes(): readonly AppendPipe[] {
    return [...this.#pipes.values(), ...this.#leaving.values()].map(({ base }) => base);
  }

  /** Like that of `AppendPipe`. */
  append(stream: AppendStream, id: string, payload: Uint8Array, receipt: Receipt, token: number): void {
    const current = this.streams.current(stream);
    const place = this.#placeOf(current);
    if (place.version !== this.#table.version) this.#follow(current, place);
    const pipe = place.isMoving ? undefined : this.#pipes.get(place.shard);
    if (pipe !== undefined) pipe.entries.append(current, id, payload, receipt, token);
    else this.#hold(current, place, id, payload, receipt, token);
  }

  /** The table has changed: pipes of new shards are opened, and of those that are gone closed once they are idle. */
  review(): void {
    if (this.#isClosed) return;
    for (const shard of this.#table.shards) if (!this.#pipes.has(shard)) this.#open(shard);
    for (const [shard, pipe] of this.#pipes) {
      const at = this.#table.placeOf(shard);
      if (at === '') this.#leave(shard, pipe);
      else if (at !== pipe.at) {
        pipe.at = at;
        pipe.base.serverMoved();
      }
    }
  }

  #leave(shard: number, pipe: ShardPipe): void {
    this.#pipes.delete(shard);
    this.#leaving.set(shard, pipe);
    void pipe.base.idle().then(() => {
      // Unless it has come back.
      if (this.#leaving.get(shard) !== pipe) return;
      this.#leaving.delete(shard);
      pipe.base.close();
    });
  }

  /** Resolves once every entry taken so far is stored or given up. */
  async idle(): Promise<void> {
    do {
      await Promise.all(this.pipes.map((pipe) => pipe.idle()));
      if (this.#moving.size > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
    } while (this.#moving.size > 0);
    await Promise.all(this.pipes.map((pipe) => pipe.idle()));
  }

  close(): void {
    this.#isClosed = true;
    for (const pipe of this.pipes) pipe.close();
    const failure = new Failure('shutting_down', 'the gateway is going down');
    for (const stream of [...this.#moving.keys()]) this.#refuseAll(stream, failure);
    this.#reads.close();
  }

  #open(shard: number): void {
    const leaving = this.#leaving.get(shard);
    if (leaving !== undefined) {
      this.#leaving.delete(shard);
      this.#pipes.set(shard, leaving);
      return;
    }
    const base = new AppendPipe({
      ...this.#options,
      target: { ...this.#options.target, shard: { table: this.#table, number: shard } },
      shard: this.#role,
    });
    const entries = this.#minReplicas === 0 ? base : new ReplicatedPipe(base, this.#minReplicas);
    const pipe = { base, entries, at: this.#table.placeOf(shard) };
    this.#pipes.set(shard, pipe);
  }

  #placeOf(stream: AppendStream): StreamPlace {
    const known = stream.place;
    if (known !== undefined) return known;
    const slot = slotOf(stream.key);
    const { version } = this.#table;
    const shard = this.#table.shardOf(slot);
    const place = { slot, shard, asks: false, version, isMoving: false, isDown: false };
    stream.place = place;
    return place;
  }

  /** The table has changed since the stream was looked at. */
  #follow(stream: AppendStream, place: StreamPlace): void {
    place.version = this.#table.version;
    const shard = this.#table.shardOf(place.slot);
    if (shard === place.shard) place.asks = false;
    // While it asks, the slot is still another's.
    else if (!place.asks && !place.isMoving) this.#beginMove(stream, place, undefined);
  }

  #hold(
    stream: AppendStream,
    place: StreamPlace,
    id: string,
    payload: Uint8Array,
    receipt: Receipt,
    token: number,
  ): void {
    const refusal = this.#refusal(place, payload);
    if (refusal !== undefined) {
      receipt.refused(token, refusal);
      return;
    }
    const move = this.#moving.get(stream) ?? this.#beginMove(stream, place, undefined);
    move.hold(id, payload, receipt, token);
  }

  #refusal({ isDown, isMoving }: StreamPlace, payload: Uint8Array): Failure | undefined {
    if (isDown && !isMoving) {
      this.#table.wish();
      return notServed();
    }
    return overloaded(this.#options.budget, StreamMove.bytesOf(payload));
  }

  /** A server did not take an entry. */
  #redirected(entry: Unanswered, error: string): void {
    const { stream } = entry;
    const place = this.#placeOf(stream);
    const redirect = readRedirect(error);
    this.#table.wish();
    const target = redirect && this.#targetOf(redirect, place.shard);
    const move = this.#moving.get(stream) ?? this.#beginMove(stream, place, target);
    move.target = target;
    move.takeBack(entry);
  }

  #targetOf(redirect: Redirect, asked: number): StreamTarget | undefined {
    const shard = this.#table.shardOfRedirect(redirect, asked);
    return shard === undefined ? undefined : { shard, asks: redirect.kind === 'ask' };
  }

  #beginMove(stream: AppendStream, place: StreamPlace, target: StreamTarget | undefined): StreamMove {
    const move = new StreamMove(stream, this.#options.budget, target);
    place.isMoving = true;
    this.#moving.set(stream, move);
    this.#settleOld(stream, place, move);
    return move;
  }

  /** Goes on once the shard that the stream's entries went to owes no answer to any. */
  #settleOld(stream: AppendStream, place: StreamPlace, move: StreamMove): void {
    const old = this.#pipes.get(place.shard) ?? this.#leaving.get(place.shard);
    const settled = () => {
      if (this.#moving.get(stream) !== move) return;
      const { pauseMs } = move;
      if (pauseMs === 0 || this.#isElsewhereNow(place)) this.#moveOn(stream, place, move);
      else move.timer = setTimeout(() => this.#moveOn(stream, place, move), pauseMs);
    };
    // Never at once: what came with the entry that began it is still being taken.
    setImmediate(() => (old === undefined ? settled() : old.base.whenAnswered(settled)));
  }

  /** The table says that another shard has it. */
  #isElsewhereNow({ slot, shard }: StreamPlace): boolean {
    const now = this.#table.shardOf(slot);
    return now !== NO_SHARD && now !== shard;
  }

  #moveOn(stream: AppendStream, place: StreamPlace, move: StreamMove): void {
    if (this.#moving.get(stream) !== move) return;
    const target = move.target ?? { shard: this.#table.shardOf(place.slot), asks: false };
    const pipe = this.#pipes.get(target.shard);
    const isOver = place.isDown || move.waitedMs > this.#options.maxOutageMs;
    if (isOver && (pipe === undefined || move.isHard)) {
      place.isDown = true;
      this.#refuseAll(stream, notServed());
      return;
    }
    move.beginRound();
    if (pipe !== undefined) {
      this.#send(stream, place, move, target, pipe);
      return;
    }
    this.#table.wish();
    move.target = undefined;
    this.#settleOld(stream, place, move);
  }

  #send(
    stream: AppendStream,
    place: StreamPlace,
    move: StreamMove,
    { shard, asks }: StreamTarget,
    pipe: ShardPipe,
  ): void {
    Object.assign(place, { shard, asks, version: this.#table.version });
    move.target = undefined;
    for (const { receipt, token } of move.takeOvertaken()) receipt.refused(token, notServed());
    giveTo(pipe, move.takeAll());
    // What comes meanwhile waits until it is known whether these were taken.
    pipe.base.whenAnswered(() => {
      if (this.#moving.get(stream) !== move) return;
      if (move.isRedirected) {
        this.#settleOld(stream, place, move);
        return;
      }
      this.#ended(stream, place);
      giveTo(pipe, move.takeAll());
    });
  }

  #refuseAll(stream: AppendStream, failure: Failure): void {
    const move = this.#moving.get(stream)!;
    clearTimeout(move.timer);
    this.#ended(stream, stream.place!);
    for (const { receipt, token } of move.takeAll()) receipt.refused(token, failure);
  }

  #ended(stream: AppendStream, place: StreamPlace): void {
    place.isMoving = false;
    this.#moving.delete(stream);
    if (this.#moving.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

function giveTo({ entries: pipe }: ShardPipe, entries: readonly Unanswered[]): void {
  for (const { stream, id, payload, receipt, token } of entries) {
    pipe.adopt(stream, id, payload, receipt, token);
  }
}
