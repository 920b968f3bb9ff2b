/**
 * Runs of pipelined XADDs with ids of our own and fixed width, so that all that comes of an entry (replies,
 * headers, ranges) has a length known in advance and can be counted instead of parsed.
 *
 *     *7 XADD key MAXLEN ~ n 1000000000000-0 d $payload       | the same with the next id | …
 *                            `- only this changes -´
 */
import { bulk } from '../../src/redis/resp.js';

const FIRST_ID = 1_000_000_000_000;
const ID_DIGITS = 13;
const ZERO = 48;
export const ID_BYTES = ID_DIGITS + '-0'.length;
/** `$15 id` as Redis answers an XADD. */
export const XADD_REPLY_BYTES = '$15\r\n'.length + ID_BYTES + '\r\n'.length;

/** The id of entry `index`, counted from 0. */
export const fixedId = (index: number) => `${FIRST_ID + index}-0`;

/** The index whose id lies in `bytes` from `at` on. */
export function indexOfId(bytes: Uint8Array, at: number): number {
  let index = 0;
  for (let digit = at + 1; digit < at + ID_DIGITS; digit++) index = index * 10 + bytes[digit]! - ZERO;
  return index;
}

/** `*2 $id *2 $d $payload`: an entry as XRANGE and XREAD answer it, its id after `ENTRY_HEAD`. */
export const ENTRY_HEAD = `*2\r\n$${ID_BYTES}\r\n`;
export const entryReplyBytes = (bytes: number) =>
  Buffer.byteLength(`${ENTRY_HEAD}${fixedId(0)}\r\n*2\r\n${bulk('d')}${bulk('x'.repeat(bytes))}`);

export interface XaddRunSpec {
  readonly key: string;
  /** XADDs in the run. */
  readonly entries: number;
  /** Bytes of each payload. */
  readonly bytes: number;
  /** The stream is trimmed to about so many entries. */
  readonly maxLength: number;
}

export class XaddRun {
  readonly buffer: Buffer;
  readonly #entries: number;
  readonly #commandBytes: number;
  readonly #idAt: number;

  constructor({ key, entries, bytes, maxLength }: XaddRunSpec) {
    const words = ['XADD', key, 'MAXLEN', '~', String(maxLength)];
    const head = `*${words.length + 3}\r\n${words.map(bulk).join('')}$${ID_BYTES}\r\n`;
    const command = Buffer.from(`${head}${fixedId(0)}\r\n${bulk('d')}${bulk('x'.repeat(bytes))}`);
    this.#entries = entries;
    this.#commandBytes = command.length;
    this.#idAt = Buffer.byteLength(head);
    this.buffer = Buffer.alloc(entries * command.length);
    for (let index = 0; index < entries; index++) command.copy(this.buffer, index * command.length);
  }

  /** Numbers the entries from `first` on; not while the buffer is being written. */
  number(first: number): Buffer {
    const { buffer } = this;
    for (let index = 0; index < this.#entries; index++) {
      const start = index * this.#commandBytes + this.#idAt;
      // The first id's digits behind its first are zero: those of the index take their place.
      let rest = (first + index) | 0;
      for (let at = start + ID_DIGITS - 1; at > start; at--) {
        buffer[at] = ZERO + (rest % 10);
        rest = (rest / 10) | 0;
      }
    }
    return buffer;
  }
}
