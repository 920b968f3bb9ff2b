/**
 * The strategy by which a reader reads: blocking reads of few streams, tracked reads of many. At a node of a cluster,
 * where one read can wait for streams of one slot only, it is tracked reads, and polling where these are refused.
 */
import { mayMove, type RedisTarget } from '../src/redis/target.js';
import { BlockingReads } from './blocking-reads.js';
import type { Ask, Followed } from './followed.js';
import { PolledReads } from './polled-reads.js';
import type { ReadStrategy } from './read-strategy.js';
import { type ReadServer, TrackedReads, type TrackedReadsHandler } from './tracked-reads.js';
import { type TrackingLimits, TrackingSwitch } from './tracking-switch.js';

/** As soon as there are streams, and for good. */
const ALWAYS: TrackingLimits = { onAbove: 0, offBelow: 0 };

export class StrategyChoice {
  readonly #followed: ReadonlyMap<string, Followed>;
  readonly #tracking: TrackingSwitch;
  readonly #untracked: BlockingReads | PolledReads;
  readonly #tracked: TrackedReads;
  /** What the connection reads by. */
  current: ReadStrategy;

  constructor(
    followed: ReadonlyMap<string, Followed>,
    ask: Ask,
    target: RedisTarget,
    handler: TrackedReadsHandler,
  ) {
    this.#followed = followed;
    const server: ReadServer = { mayMove: mayMove(target), isShard: target.shard !== undefined };
    this.#tracking = server.isShard ? new TrackingSwitch(ask, ALWAYS) : new TrackingSwitch(ask);
    this.#untracked = server.isShard ? new PolledReads(followed) : new BlockingReads(followed, target);
    this.#tracked = new TrackedReads(followed, ask, server, handler);
    this.current = this.#untracked;
  }

  /** The stream is followed, perhaps anew, or is not any more. */
  changed(key: string): void {
    this.#untracked.changed();
    this.#tracked.changed(key);
  }

  /** Redis tells of changes of the streams. */
  get isTold(): boolean {
    return this.current === this.#tracked;
  }

  /** Redis is asked whether the other strategy will do: nothing may be read until then. */
  get isChanging(): boolean {
    return this.#tracking.isTurning;
  }

  /** Changes the strategy where the number of streams asks for it. To be called between two reads. @param changed is called once `isChanging` has ended */
  review(changed: () => void): void {
    if (!this.#tracking.shouldTurn(this.#followed.size)) return;
    if (this.#tracking.isOn) {
      this.#tracking.turnOff();
      this.#settle();
      return;
    }
    this.#tracking.turnOn(() => {
      this.#settle();
      changed();
    });
  }

  /** To be called when the connection is lost. */
  lost(): void {
    this.current.ended();
    this.#tracking.lost();
    this.#settle();
  }

  close(): void {
    this.current.ended();
    this.#untracked.close();
    this.#tracked.close();
  }

  #settle(): void {
    const { isOn } = this.#tracking;
    this.current = isOn ? this.#tracked : this.#untracked;
    if (isOn) this.#tracked.begin();
    else this.#tracked.close();
  }
}
