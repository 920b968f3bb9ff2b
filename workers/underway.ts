/** Bytes of entries that are on their way to main from all connections of a thread. */

const MAX_UNDERWAY_BYTES = 32 * 1024 * 1024;

export class Underway {
  bytes = 0;

  /** No more is to be read for now. */
  get isFull(): boolean {
    return this.bytes > MAX_UNDERWAY_BYTES;
  }
}
