/** `POST /data/{sid}`: a form's parts or the raw body become entries; answers their ids. */
import type { HttpRequest } from 'uWebSockets.js';
import { Failure, type FailureBody } from '../errors.js';
import type { Receipt } from '../redis/append-batch.js';
import type { AppendStream } from '../redis/append-command.js';
import type { ReplyCursor } from '../redis/resp.js';
import { checkStreamId, checkWritable } from '../wire/names.js';
import { NAMED_BY_ENTRY, parseSelection, Query, type StreamSelection } from '../wire/parameters.js';
import { AUTO_ID } from '../wire/push-message.js';
import type { GatewayContext } from './context.js';
import { type FormEntry, isForm, parseForm } from './form.js';
import type { HttpExchange } from './http-exchange.js';
import { selectedKey } from './selected-keys.js';

export function postData(context: GatewayContext, exchange: HttpExchange, req: HttpRequest): void {
  const query = new Query(exchange.query);
  const selection = parseSelection(req.getParameter(0), query);
  if (selection.sids.length !== 1) {
    throw new Failure('bad_parameter', "a POST names one stream, or '*' with a form whose parts name theirs");
  }
  const sid = selection.sids[0]!;
  checkWritable(sid);
  const contentType = exchange.header('content-type');
  exchange.readBody(context.config.MAX_PAYLOAD_BYTES, (body) => {
    const entries = isForm(contentType)
      ? parseForm(contentType, body)
      : [{ filename: '', payload: body } satisfies FormEntry];
    storeEntries(context, exchange, selection, sid, entries);
  });
}

function storeEntries(
  context: GatewayContext,
  exchange: HttpExchange,
  selection: StreamSelection,
  sid: string,
  entries: readonly FormEntry[],
): void {
  // Every name is checked before anything is stored.
  const streams = new Map<string, AppendStream>();
  for (const { filename } of entries) {
    const named = sid === NAMED_BY_ENTRY ? filename : sid;
    if (streams.has(named)) continue;
    checkStreamId(named);
    checkWritable(named);
    streams.set(named, context.appendStreams.get(selectedKey(context.config, selection, named)));
  }
  const receipt = new PostReceipt(context, exchange, entries.length);
  entries.forEach(({ filename, payload }, index) => {
    const stream = streams.get(sid === NAMED_BY_ENTRY ? filename : sid)!;
    context.counters.bytesIn += payload.length;
    context.pipes.shared.append(stream, AUTO_ID, payload, receipt, index);
  });
}

/** Collects what became of a request's entries and answers when all is known. */
class PostReceipt implements Receipt {
  readonly #context: GatewayContext;
  readonly #exchange: HttpExchange;
  readonly #results: (string | FailureBody)[];
  #failure: Failure | undefined;
  #pending: number;

  constructor(context: GatewayContext, exchange: HttpExchange, entries: number) {
    this.#context = context;
    this.#exchange = exchange;
    this.#results = new Array(entries);
    this.#pending = entries;
  }

  stored(index: number, reply: ReplyCursor): void {
    this.#context.counters.entriesIn++;
    this.#settle(index, reply.text());
  }

  refused(index: number, failure: Failure): void {
    this.#context.counters.entriesRefused++;
    this.#failure ??= failure;
    this.#settle(index, failure.body);
  }

  #settle(index: number, result: string | FailureBody): void {
    this.#results[index] = result;
    if (--this.#pending > 0) return;
    if (this.#failure === undefined) {
      this.#exchange.answer({ type: 'application/json', body: JSON.stringify(this.#results) });
    } else {
      // Which were stored and which were not, in the order of the entries.
      this.#exchange.fail(this.#failure, [], { entries: this.#results });
    }
  }
}
