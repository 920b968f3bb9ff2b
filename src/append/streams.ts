/** The streams that one pipe writes to, each with its prepared command, shared by all producers. */
import { AppendStream } from './command.js';

/** Beyond so many, those that came first are prepared anew: they are quickly made. */
const MAX_STREAMS = 16_384;

export class AppendStreams {
  readonly #maxLength: number;
  readonly #streams = new Map<string, AppendStream>();

  /** @param maxLength about how many entries every append leaves its stream */
  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  get(key: string): AppendStream {
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = new AppendStream(key, this.#maxLength);
      if (this.#streams.size >= MAX_STREAMS) {
        this.#forgetFirst();
        // Where so many take turns, asking each time would double the work of Redis.
        stream.isCountAsked = true;
      }
      this.#streams.set(key, stream);
    }
    return stream;
  }

  #forgetFirst(): void {
    for (const key of this.#streams.keys()) {
      this.#streams.delete(key);
      return;
    }
  }
}
