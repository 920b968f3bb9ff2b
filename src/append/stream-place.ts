/** Where a stream is stored in a cluster. */

export interface StreamPlace {
  readonly slot: number;
  /** The shard that its entries go to. */
  shard: number;
  /** The slot is still on its way there: each entry needs ASKING. */
  asks: boolean;
  /** The version of the slot table that this is by. */
  version: number;
  /** Entries wait: they do not go to the shard at once. */
  isMoving: boolean;
  /** Entries were refused after they had waited, and none was stored since. */
  isDown: boolean;
}
