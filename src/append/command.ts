/**
 * The XADD of one entry, as bytes:
 *
 *     *8 XADD key MAXLEN ~ 1000 | *            d $n\r\n | payload | \r\n
 *     `------- head(key) -------´ `- id, field and length -´
 *
 * All up to the payload's length is the same for every entry of a stream with Redis' own clock, so it is
 * made once a stream and copied.
 */
import { compareEntryIds } from '../protocol/entry-id.js';
import { AUTO_ID } from '../protocol/push-message.js';
import { PAYLOAD_FIELD } from '../redis/keys.js';
import { bulk, type ReplyCursor } from '../redis/resp.js';
import type { StreamCount } from './stream-count.js';
import type { StreamPlace } from './stream-place.js';
import { StreamProof } from './stream-proof.js';

const FIELD = `$${Buffer.byteLength(PAYLOAD_FIELD)}\r\n${PAYLOAD_FIELD}\r\n$`;
/** Where id and payload stand among the words of the command. */
const ID_WORD = 5;
const PAYLOAD_WORD = 7;
/** Two numbers of 64 bits and a dash. */
const MAX_ID_BYTES = 41;
const LF = 10;

/**
 * A stream that one pipe writes to: what its XADDs have in common, the last id that Redis answered, and what shows
 * after a lost connection whether others write to it.
 */
export class AppendStream {
  readonly key: string;
  readonly #head: string;
  readonly #autoHead: Buffer;
  readonly #lastId = Buffer.alloc(MAX_ID_BYTES);
  #lastIdBytes = 0;
  #isProven = false;
  /** Entries that Redis answered since `counted`, or since the beginning. */
  #stored = 0;
  #storedBefore = 0;
  /** How the stream stood before those. Without it, it is taken to have been empty. */
  #counted: StreamCount | undefined;
  /** Whether its count was asked for, or need not be. */
  isCountAsked = false;
  /** Whether others were seen to write to it. */
  isShared = false;
  /** Another stands for the stream now. */
  isForgotten = false;
  readonly proof: StreamProof;
  /** Where it is stored in a cluster. */
  place: StreamPlace | undefined;

  constructor(key: string, maxLength: number) {
    this.key = key;
    this.proof = new StreamProof(key);
    this.#head = `*8\r\n${bulk('XADD')}${bulk(key)}${bulk('MAXLEN')}${bulk('~')}${bulk(String(maxLength))}`;
    this.#autoHead = Buffer.from(this.#head + bulk(AUTO_ID) + FIELD);
  }

  /** Whether Redis has stored an entry of it, and refused none since because of the stream. */
  get isProven(): boolean {
    return this.#isProven;
  }

  /** The bytes before the digits of the payload's length. @param id as XADD takes it */
  head(id: string): Buffer {
    return id === AUTO_ID ? this.#autoHead : Buffer.from(this.#head + bulk(id) + FIELD);
  }

  /** Notes the id in Redis' answer: copied, which takes a tenth of the time of making it a text. */
  answered(reply: ReplyCursor): void {
    this.#lastIdBytes = reply.copyShort(this.#lastId);
    this.#stored++;
    this.#isProven = true;
    if (this.place !== undefined) this.place.isDown = false;
  }

  /** Redis refuses to have it in a transaction. */
  refused(): void {
    this.#isProven = false;
    this.proof.refused();
  }

  /** Notes the id of an entry that was found stored. */
  found(id: ReplyCursor): void {
    this.#lastIdBytes = id.copyShort(this.#lastId);
  }

  /** The stream's count at a point where all entries of ours before it are answered, and none after it. */
  count(counted: StreamCount | undefined): void {
    this.isCountAsked = true;
    this.#counted = counted;
    this.#storedBefore += this.#stored;
    this.#stored = 0;
  }

  /** Asks for the count again before the next entry: what is known of it may be wrong. */
  forgetCount(): void {
    this.isCountAsked = false;
  }

  /** How many entries Redis has answered in all. */
  get totalStored(): number {
    return this.#storedBefore + this.#stored;
  }

  /** How many entries the stream would have got if nobody else wrote and nothing were unanswered. */
  get expectedCount(): number {
    return (this.#counted?.added ?? 0) + this.#stored;
  }

  /** The id behind which unanswered entries are; undefined where neither an answer nor the count is known. */
  get knownEnd(): string | undefined {
    const { lastId } = this;
    const counted = this.#counted?.lastId;
    if (lastId === undefined || counted === undefined) return lastId ?? counted;
    return compareEntryIds(lastId, counted) < 0 ? counted : lastId;
  }

  /** The id of the newest entry that Redis answered; undefined before the first. */
  get lastId(): string | undefined {
    return this.#lastIdBytes === 0 ? undefined : this.#lastId.toString('latin1', 0, this.#lastIdBytes);
  }
}

/** Where in a slab the parts of a command are that differ from entry to entry. */
export interface AppendParts {
  readonly id: string;
  readonly payloadAt: number;
  readonly payloadBytes: number;
}

/** Reads the XADD at `at` again; its payload may be elsewhere. */
export function readAppend(slab: Buffer, at: number): AppendParts {
  let id = '';
  let position = slab.indexOf(LF, at) + 1;
  for (let word = 0; ; word++) {
    const end = slab.indexOf(LF, position);
    const length = Number(slab.toString('latin1', position + 1, end - 1));
    if (word === PAYLOAD_WORD) return { id, payloadAt: end + 1, payloadBytes: length };
    if (word === ID_WORD) id = slab.toString('latin1', end + 1, end + 1 + length);
    position = end + 1 + length + 2;
  }
}
