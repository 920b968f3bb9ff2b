/**
 * One producer's WebSocket: its frames as entries, in order, and what it is told of them.
 *
 *     header=1        text (header) → binary (payload) → text → binary …
 *     header=0        every frame is an entry
 *     header=msgpack  every binary frame is a message
 *
 * With acks each message is answered by one text frame and the connection goes on, whatever happened.
 * Without, the first entry that cannot be stored closes it.
 */

import type { Rights } from '../../../access/rights.js';
import type { Receipt } from '../../../append/batch.js';
import type { AppendStream } from '../../../append/command.js';
import type { NotReplicated } from '../../../append/not-replicated.js';
import type { EntryPipe } from '../../../append/pipes.js';
import { tracePipe } from '../../../append/traced-pipe.js';
import { asFailure, Failure, isOutOfMemory } from '../../../protocol/errors.js';
import { checkStreamId, checkWritable } from '../../../protocol/names.js';
import { NAMED_BY_ENTRY, type PushParameters, type StreamSelection } from '../../../protocol/parameters.js';
import {
  AUTO_ID,
  countEntries,
  MAX_HEADER_BYTES,
  type PushEntry,
  type PushRules,
  splitPayload,
  unpackEntries,
} from '../../../protocol/push-message.js';
import type { ReplyCursor } from '../../../redis/resp.js';
import type { EntryTrace } from '../../../system/entry-trace.js';
import type { Share } from '../../admission/client-shares.js';
import type { GatewayContext } from '../../context.js';
import type { Traffic } from '../../counters.js';
import { type AckResult, PushAcks } from './push-acks.js';
import { selectedKey } from './selected-keys.js';

/** Streams whose names are kept checked; a producer that names more starts anew. */
const MAX_KNOWN_STREAMS = 4096;

/** What a producer needs of its connection. */
export interface ProducerTransport {
  /** Sends text frames, together where there are several. */
  send(texts: readonly string[]): void;
  end(failure: Failure): void;
}

export class PushClient implements Receipt {
  readonly #context: GatewayContext;
  readonly #rights: Rights;
  readonly #selection: StreamSelection;
  readonly #parameters: PushParameters;
  readonly #transport: ProducerTransport;
  readonly #pipe: EntryPipe;
  /** What all producers have stored, for the metrics. */
  readonly #traffic: Traffic;
  readonly #streams = new Map<string, AppendStream>();
  /** The stream of every frame in raw framing. */
  readonly #rawStream: AppendStream | undefined;
  #header: string | undefined;
  readonly #acks: PushAcks;
  /** Counts the bytes that wait for Redis. */
  readonly #share: Share;
  #isEnded = false;
  /** Without acks nobody hears of an entry that may be stored: it is stored at least once. */
  readonly sendsAgain = true;

  /** What is wrong with the streams of the path, before the connection opens. @throws Failure */
  static checkStreams(context: GatewayContext, rights: Rights, selection: StreamSelection): void {
    for (const sid of selection.sids) {
      checkWritable(sid);
      if (sid === NAMED_BY_ENTRY) rights.checkSome('write', selection.device);
      else selectedKey(context.config, rights, 'write', selection, sid);
    }
  }

  constructor(
    context: GatewayContext,
    rights: Rights,
    selection: StreamSelection,
    parameters: PushParameters,
    transport: ProducerTransport,
    share: Share,
    trace: EntryTrace | undefined,
  ) {
    this.#context = context;
    this.#rights = rights;
    this.#selection = selection;
    this.#parameters = parameters;
    this.#transport = transport;
    this.#share = share;
    this.#acks = new PushAcks((answers) => {
      transport.send(answers.map((results) => JSON.stringify(results)));
      for (const results of answers) trace?.acknowledged(results);
    });
    this.#pipe = tracePipe(context.pipes.to(parameters.minReplicas), trace);
    this.#traffic = context.counters.in.push;
    if (parameters.header === 'raw') this.#rawStream = this.#stream(selection.sids[0]!);
  }

  /** One frame; `bytes` is valid during the call only. */
  take(bytes: Uint8Array, isBinary: boolean): void {
    // A gateway that is going down closes the socket once all that it took is answered.
    if (this.#isEnded || this.#context.stopping.signal.aborted) return;
    const limit = this.#context.config.MAX_PAYLOAD_BYTES;
    if (bytes.length > limit) {
      this.#end(
        new Failure(
          'payload_too_large',
          `a frame of ${bytes.length} bytes is too large (MAX_PAYLOAD_BYTES=${limit})`,
        ),
      );
    } else if (this.#rawStream !== undefined) {
      this.#takeRaw(this.#rawStream, bytes);
    } else if (this.#parameters.header === 'msgpack') {
      this.#takePacked(bytes, isBinary);
    } else if (isBinary) {
      this.#takePayload(bytes);
    } else {
      this.#takeHeader(bytes);
    }
  }

  close(): void {
    this.#isEnded = true;
    this.#share.close();
    this.#acks.forget();
  }

  /** Without acks; the token is the entry's bytes. */
  stored(bytes: number): void {
    this.#traffic.entries++;
    this.#share.give(bytes);
  }

  refused(bytes: number, failure: Failure): void {
    this.#context.counters.refuse(failure);
    this.#share.give(bytes);
    this.#end(failure);
  }

  /** The shortest way in: nothing to parse, and without acks nothing to keep. */
  #takeRaw(stream: AppendStream, payload: Uint8Array): void {
    if (!this.#parameters.ack) {
      this.#append(stream, AUTO_ID, payload, this, payload.length);
      return;
    }
    this.#append(stream, AUTO_ID, payload, this.#ackReceipt([payload.length]), 0);
  }

  #takeHeader(bytes: Uint8Array): void {
    const forsaken = this.#header;
    // A header beyond the bound is refused by its length alone, so no more of it is kept: a character a byte.
    const isTooLong = bytes.length > MAX_HEADER_BYTES;
    this.#header = Buffer.from(
      bytes.buffer,
      bytes.byteOffset,
      isTooLong ? MAX_HEADER_BYTES + 1 : bytes.length,
    ).toString(isTooLong ? 'latin1' : 'utf8');
    if (forsaken === undefined) return;
    const failure = new Failure(
      'bad_frame',
      'after a header the payload must come, as a binary frame, not a text frame',
    );
    this.#refuseMessage(countEntries(forsaken), failure);
  }

  #takePayload(payload: Uint8Array): void {
    const header = this.#header;
    this.#header = undefined;
    if (header === undefined) {
      this.#refuseMessage(
        1,
        new Failure('bad_frame', 'the header must come first, as a text frame, not a binary frame'),
      );
      return;
    }
    this.#store(
      (rules) => splitPayload(header, payload, rules),
      () => countEntries(header),
    );
  }

  #takePacked(message: Uint8Array, isBinary: boolean): void {
    if (isBinary)
      this.#store(
        (rules) => unpackEntries(message, rules),
        () => 1,
      );
    else
      this.#refuseMessage(
        1,
        new Failure('bad_frame', 'a message must be a binary frame of MessagePack, not a text frame'),
      );
  }

  /** @param owed how many acks a message is owed that is refused as a whole */
  #store(split: (rules: PushRules) => PushEntry[], owed: () => number): void {
    let entries: PushEntry[];
    try {
      entries = split({
        sids: this.#selection.sids,
        latestTime: Date.now() + this.#context.config.MAX_FUTURE_MS,
      });
    } catch (error) {
      this.#refuseMessage(owed(), error as Failure);
      return;
    }
    if (!this.#parameters.ack) {
      for (const entry of entries) this.#appendEntry(entry, this, entry.payload.length);
      return;
    }
    const receipt = this.#ackReceipt(entries.map(({ payload }) => payload.length));
    entries.forEach((entry, index) => this.#appendEntry(entry, receipt, index));
  }

  #appendEntry({ sid, id, payload }: PushEntry, receipt: Receipt, token: number): void {
    if (this.#isEnded) return;
    let stream: AppendStream;
    try {
      stream = this.#stream(sid);
    } catch (error) {
      // A receipt takes back the bytes of what is refused.
      this.#share.take(payload.length);
      receipt.refused(token, error as Failure);
      return;
    }
    this.#append(stream, id, payload, receipt, token);
  }

  #append(stream: AppendStream, id: string, payload: Uint8Array, receipt: Receipt, token: number): void {
    const bytes = payload.length;
    const refusal = this.#share.hasRoom(bytes) ? undefined : this.#share.refusal(bytes);
    this.#share.take(bytes);
    if (refusal !== undefined) {
      receipt.refused(token, refusal);
      return;
    }
    this.#traffic.bytes += payload.length;
    try {
      this.#pipe.append(stream, id, payload, receipt, token);
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      receipt.refused(token, asFailure(error));
    }
  }

  /** For a message whose entries have these sizes; the token is the entry's place in it. */
  #ackReceipt(sizes: readonly number[]): Receipt {
    const ack = this.#acks.begin(sizes.length);
    const settle = (index: number, result: AckResult) => {
      this.#share.give(sizes[index]!);
      this.#acks.settle(ack, index, result);
    };
    return {
      stored: (index: number, reply: ReplyCursor, shortage?: NotReplicated) => {
        this.#traffic.entries++;
        const id = reply.text();
        settle(index, shortage === undefined ? id : shortage.bodyOf(id));
      },
      refused: (index: number, failure: Failure) => {
        this.#context.counters.refuse(failure);
        settle(index, failure.body);
      },
    };
  }

  #refuseMessage(entries: number, failure: Failure): void {
    this.#context.counters.refuse(failure, entries);
    if (!this.#parameters.ack) {
      this.#end(failure);
      return;
    }
    this.#acks.refuse(entries, failure.body);
  }

  #stream(sid: string): AppendStream {
    let stream = this.#streams.get(sid);
    if (stream === undefined) {
      checkStreamId(sid);
      checkWritable(sid);
      if (this.#streams.size >= MAX_KNOWN_STREAMS) this.#streams.clear();
      const key = selectedKey(this.#context.config, this.#rights, 'write', this.#selection, sid);
      stream = this.#pipe.streams.get(key);
      this.#streams.set(sid, stream);
    }
    return stream;
  }

  #end(failure: Failure): void {
    if (this.#isEnded) return;
    this.#acks.flush();
    this.#isEnded = true;
    this.#transport.end(failure);
  }
}
