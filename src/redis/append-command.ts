/**
 * The XADD of one entry, as bytes:
 *
 *     *8 XADD key MAXLEN ~ 1000 | *            d $n\r\n | payload | \r\n
 *     `------- head(key) -------´ `- id, field and length -´
 *
 * All up to the payload's length is the same for every entry of a stream with Redis' own clock, so it is
 * made once a stream and copied.
 */
import { AUTO_ID } from '../wire/push-message.js';
import { PAYLOAD_FIELD } from './keys.js';

const FIELD = `$${Buffer.byteLength(PAYLOAD_FIELD)}\r\n${PAYLOAD_FIELD}\r\n$`;
const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

/** A stream that is written to, with what every XADD to it has in common. */
export class AppendStream {
  readonly key: string;
  readonly #head: string;
  readonly #autoHead: Buffer;

  constructor(key: string, maxLength: number) {
    this.key = key;
    this.#head = `*8\r\n${bulk('XADD')}${bulk(key)}${bulk('MAXLEN')}${bulk('~')}${bulk(String(maxLength))}`;
    this.#autoHead = Buffer.from(this.#head + bulk(AUTO_ID) + FIELD);
  }

  /** The bytes before the digits of the payload's length. @param id as XADD takes it */
  head(id: string): Buffer {
    return id === AUTO_ID ? this.#autoHead : Buffer.from(this.#head + bulk(id) + FIELD);
  }
}
