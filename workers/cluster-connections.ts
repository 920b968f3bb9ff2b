/** Whether all shards of which streams are read are connected, as main is told of one connection. */
import type { Post } from './thread-reader.js';

export class ClusterConnections {
  readonly #post: Post;
  /** Shards that are not connected, apart from those whose first connection is being made. */
  readonly #lost = new Set<number>();

  constructor(post: Post) {
    this.#post = post;
  }

  /** No shard is needed yet. */
  start(): void {
    this.#post({ type: 'connected' });
  }

  connected(shard: number): void {
    this.#found(shard);
  }

  /** The connection was lost, or could not be made. */
  lost(shard: number, cause: Error): void {
    const wasConnected = this.#lost.size === 0;
    this.#lost.add(shard);
    if (wasConnected) this.#post({ type: 'disconnected', reason: cause.message });
  }

  /** No stream of the shard is read any more. */
  closed(shard: number): void {
    this.#found(shard);
  }

  #found(shard: number): void {
    if (this.#lost.delete(shard) && this.#lost.size === 0) this.#post({ type: 'connected' });
  }
}
