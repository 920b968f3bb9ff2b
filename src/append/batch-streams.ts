/**
 * Whose entries a batch holds, and which may be in it together.
 *
 * A batch with entries that followers here are to have goes out as a transaction (`transaction.ts`). Redis carries out
 * nothing of a transaction in which it refuses one command, so these are not together with entries of a stream that may
 * be refused, and not with other commands.
 */
import type { AppendStream } from './command.js';

interface FollowedStreams {
  readonly wanted: readonly AppendStream[];
  readonly apart: readonly AppendStream[];
}

const NONE_FOLLOWED: FollowedStreams = { wanted: [], apart: [] };

export class BatchStreams {
  /** The stream of each command; undefined for one that is no XADD. */
  readonly #streams: (AppendStream | undefined)[] = [];
  #mayBeTransaction = true;
  #hasFollowed = false;
  #hasEntries = false;
  /** Of the last command. */
  #last: AppendStream | undefined;
  /** Redis has stored entries of each stream before. */
  #isProven = true;

  /** @param stream undefined: the command is no XADD */
  add(stream: AppendStream | undefined): void {
    // Mostly it is the same again, and this is done for each entry.
    if (stream !== this.#last || stream === undefined) this.#change(stream);
    this.#streams.push(stream);
  }

  #change(stream: AppendStream | undefined): void {
    this.#last = stream;
    this.#isProven &&= stream?.isProven === true;
    if (stream === undefined) {
      this.#mayBeTransaction = false;
      return;
    }
    this.#hasEntries = true;
    if (stream.proof.feed !== undefined) this.#hasFollowed = true;
  }

  of(index: number): AppendStream | undefined {
    return this.#streams[index];
  }

  /** Whether there are entries, and not other commands alone. */
  get hasEntries(): boolean {
    return this.#hasEntries;
  }

  get all(): readonly (AppendStream | undefined)[] {
    return this.#streams;
  }

  /** Whether an entry of the stream may be added. */
  mayHold(stream: AppendStream): boolean {
    return stream === this.#last || this.#mayJoin(stream);
  }

  #mayJoin(stream: AppendStream): boolean {
    if (!this.#hasFollowed && stream.proof.feed === undefined) return true;
    if (!this.#mayBeTransaction) return !stream.proof.isWanted;
    return stream.isProven && this.#isProven;
  }

  /** Whether commands that are no entries may be added. */
  get mayHoldCommands(): boolean {
    return !this.#hasFollowed;
  }

  /** The batch goes out as it is. */
  keepPlain(): void {
    this.#mayBeTransaction = false;
  }

  /**
   * Those that followers here are to have entries of: as soon as they are stored, and others.
   * @param tellsChanges whether Redis tells of changes by others
   */
  followed(tellsChanges: boolean): FollowedStreams {
    if (!this.#hasFollowed) return NONE_FOLLOWED;
    const isTransaction = tellsChanges && this.#mayBeTransaction;
    const followed = new Set<AppendStream>();
    let last: AppendStream | undefined;
    for (const stream of this.#streams) {
      if (stream === last) continue;
      last = stream;
      if (stream?.proof.feed !== undefined) followed.add(stream);
    }
    const wanted: AppendStream[] = [];
    const apart: AppendStream[] = [];
    for (const stream of followed) (isTransaction && stream.proof.isWanted ? wanted : apart).push(stream);
    return { wanted, apart };
  }
}
