/**
 * Entries on their way to the gateway: those that wait to be sent, then those sent and not answered, a message
 * each, in order. Knows what the loss of a connection means for each of them.
 */
import { GatewayError } from './gateway-error.js';
import { encodeEntries, type NewEntry, parseAcks } from './push-message.js';

export interface OutgoingEntry extends NewEntry {
  readonly resolve: (id: string) => void;
  readonly reject: (error: unknown) => void;
  /** It was sent before, on a connection that was lost: it may be stored already. */
  readonly maybeStored?: boolean;
}

/** A message holds entries up to this, so that its acks come soon and a refused one is few. */
const MESSAGE_ENTRIES = 1024;
const MESSAGE_BYTES = 256 * 1024;
/** What an entry costs besides its payload. */
const ENTRY_BYTES = 64;

/** Smaller entries are rarely over the limit of a gateway. */
const LARGE_BYTES = 1024 * 1024;

const bytesOf = ({ data }: NewEntry) => data.length + ENTRY_BYTES;
const bytesOfAll = (entries: readonly NewEntry[]) => entries.reduce((sum, entry) => sum + bytesOf(entry), 0);

/** An entry with an id of its own cannot be stored twice, so that it may be sent again. */
const hasOwnId = ({ time }: NewEntry) => time?.includes('-') ?? false;

export class Outbox {
  #waiting: OutgoingEntry[] = [];
  #sent: (readonly OutgoingEntry[])[] = [];
  #bytes = 0;

  /** Bytes of all entries that are not answered. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#sent.length === 0;
  }

  get hasUnanswered(): boolean {
    return this.#sent.length > 0;
  }

  add(entry: OutgoingEntry): void {
    this.#waiting.push(entry);
    this.#bytes += bytesOf(entry);
  }

  /** The next message, from now on counted as sent; undefined where nothing waits. */
  take(): Uint8Array<ArrayBuffer> | undefined {
    let count = 0;
    for (let bytes = 0; count < Math.min(this.#waiting.length, MESSAGE_ENTRIES); count++) {
      bytes += bytesOf(this.#waiting[count]!);
      if (bytes > MESSAGE_BYTES && count > 0) break;
    }
    if (count === 0) return undefined;
    const entries = this.#waiting.splice(0, count);
    this.#sent.push(entries);
    return encodeEntries(entries);
  }

  /** The answer to the oldest message sent. @throws GatewayError `bad_answer` */
  answer(text: string): void {
    const entries = this.#sent[0] ?? [];
    const acks = parseAcks(text, entries.length);
    this.#sent.shift();
    this.#bytes -= bytesOfAll(entries);
    for (const [index, entry] of entries.entries()) settle(entry, acks[index]!);
  }

  /**
   * The connection is lost. What may be sent again waits once more; the rest is told that its outcome is unknown.
   * @param resend also what would then perhaps be stored twice
   */
  lose(error: GatewayError, resend: boolean): void {
    const messages = this.#sent;
    this.#sent = [];
    const culprit = error.code === 'payload_too_large' ? largest(messages) : Number.NaN;
    const again: OutgoingEntry[] = [];
    for (const [index, entries] of messages.entries()) {
      // The gateway takes nothing after a message that is too large, or once it goes down in order.
      const wasTaken = !error.isGoingAway && !(index > culprit);
      for (const entry of entries) {
        if (index === culprit) this.#refuse(entry, error);
        else if (!wasTaken) again.push(entry);
        else if (resend || hasOwnId(entry)) again.push({ ...entry, maybeStored: true });
        else this.#refuse(entry, unknownOutcome(error, error.isBrokenOff ? entry.data.length : 0));
      }
    }
    this.#waiting = [...again, ...this.#waiting];
  }

  /** Nothing will be sent any more. */
  abandon(error: unknown): void {
    const sent = this.#sent.flat();
    const waiting = this.#waiting;
    this.#sent = [];
    this.#waiting = [];
    for (const entry of sent) this.#refuse(entry, unknownOutcome(error));
    for (const entry of waiting) this.#refuse(entry, error);
  }

  #refuse(entry: OutgoingEntry, error: unknown): void {
    this.#bytes -= bytesOf(entry);
    entry.reject(error);
  }
}

function largest(messages: readonly (readonly OutgoingEntry[])[]): number {
  const sizes = messages.map(bytesOfAll);
  return sizes.indexOf(Math.max(...sizes));
}

function settle(entry: OutgoingEntry, ack: string | GatewayError): void {
  if (typeof ack === 'string') entry.resolve(ack);
  // It is not after the newest entry, since it is that, or one before.
  else if (ack.code === 'id_not_increasing' && entry.maybeStored && hasOwnId(entry))
    entry.resolve(entry.time!);
  else entry.reject(ack);
}

function unknownOutcome(cause: unknown, bytes = 0): GatewayError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const hint = bytes > LARGE_BYTES ? `; its ${bytes} bytes may be over MAX_PAYLOAD_BYTES` : '';
  return new GatewayError(
    'unknown_outcome',
    `the connection was lost before the entry was acknowledged, and it may be stored or not: ${reason}${hint}`,
    { cause },
  );
}
