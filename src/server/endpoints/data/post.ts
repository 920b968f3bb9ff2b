/** `POST /data/{sid}`: a form's parts or the raw body become entries; answers their ids. */

import type { Rights } from '../../../access/rights.js';
import type { Receipt } from '../../../append/batch.js';
import type { AppendStream } from '../../../append/command.js';
import type { NotReplicated } from '../../../append/not-replicated.js';
import type { EntryPipe } from '../../../append/pipes.js';
import { tracePipe } from '../../../append/traced-pipe.js';
import { asFailure, Failure, type FailureBody, isOutOfMemory } from '../../../protocol/errors.js';
import { checkStreamId, checkWritable } from '../../../protocol/names.js';
import {
  NAMED_BY_ENTRY,
  parseMinReplicas,
  Query,
  type StreamSelection,
} from '../../../protocol/parameters.js';
import { AUTO_ID } from '../../../protocol/push-message.js';
import type { ReplyCursor } from '../../../redis/resp.js';
import { EntryTrace } from '../../../system/entry-trace.js';
import type { BodyHandler } from '../../admission/authorize.js';
import type { Share } from '../../admission/client-shares.js';
import type { GatewayContext } from '../../context.js';
import { AnswerHead } from '../../http/answer-head.js';
import type { HttpExchange } from '../../http/http-exchange.js';
import { type FormEntry, isForm, parseForm } from './form.js';
import { Plans } from './plans.js';
import { readSelection, selectedKey } from './selected-keys.js';

/** What an address asks for. */
interface PostPlan {
  readonly selection: StreamSelection;
  readonly sid: string;
  /** Of the stream; undefined where each entry names its own. */
  readonly key: string | undefined;
  readonly minReplicas: number;
}

const JSON_HEAD = new AnswerHead('application/json');
/** In the log. */
const ABOUT = { endpoint: 'post' };

export function postData(context: GatewayContext): BodyHandler {
  const plans = new Plans<PostPlan>(context.config);
  return {
    limit: context.config.MAX_PAYLOAD_BYTES,
    prepare: (exchange, { rights }, encodedSid) => {
      const known = plans.find(rights, encodedSid, exchange);
      if (known !== undefined) checkRights(rights, known);
      const plan =
        known ?? plans.keep(rights, encodedSid, exchange, planPost(context, exchange, rights, encodedSid));
      const contentType = exchange.header('content-type');
      return (body) => {
        if (isForm(contentType)) {
          storeEntries(context, exchange, rights, plan, parseForm(contentType, body));
        } else storeEntries(context, exchange, rights, plan, [{ filename: '', payload: body }]);
      };
    },
  };
}

/** @throws Failure `forbidden` */
function checkRights(rights: Rights, { selection, sid, key }: PostPlan): void {
  rights.checkWall(selection.device);
  if (key === undefined) rights.checkSome('write', selection.device);
  else rights.check('write', key, sid);
}

/** @throws Failure */
function planPost(
  context: GatewayContext,
  exchange: HttpExchange,
  rights: Rights,
  encodedSid: string,
): PostPlan {
  const query = new Query(exchange.query);
  const selection = readSelection(rights, encodedSid, query);
  if (selection.sids.length !== 1) {
    throw new Failure(
      'bad_parameter',
      "a POST needs exactly one stream, or '*' and a form whose parts name theirs",
    );
  }
  const sid = selection.sids[0]!;
  checkWritable(sid);
  let key: string | undefined;
  if (sid === NAMED_BY_ENTRY) rights.checkSome('write', selection.device);
  else key = selectedKey(context.config, rights, 'write', selection, sid);
  return { selection, sid, key, minReplicas: parseMinReplicas(query) };
}

function storeEntries(
  context: GatewayContext,
  exchange: HttpExchange,
  rights: Rights,
  plan: PostPlan,
  entries: readonly FormEntry[],
): void {
  const trace = EntryTrace.start(context.logger, ABOUT);
  const pipe = tracePipe(context.pipes.to(plan.minReplicas), trace);
  const named = plan.key === undefined ? namedStreams(context, rights, plan, entries, pipe) : undefined;
  const share = context.appendShares.open(exchange);
  const sizes: number[] = [];
  let bytes = 0;
  for (const { payload } of entries) {
    sizes.push(payload.length);
    bytes += payload.length;
  }
  // One request alone may be of any size: its own limit is MAX_PAYLOAD_BYTES.
  const refusal = share.used === 0 ? undefined : share.refusal(bytes);
  if (refusal !== undefined) {
    share.close();
    context.counters.refuse(refusal, entries.length);
    throw refusal;
  }
  share.take(bytes);
  const receipt = new PostReceipt(context, exchange, sizes, share, trace);
  const only = plan.key === undefined ? undefined : pipe.streams.get(plan.key);
  for (let index = 0; index < entries.length; index++) {
    const { filename, payload } = entries[index]!;
    const stream = only ?? named!.get(filename)!;
    context.counters.in.post.bytes += payload.length;
    try {
      pipe.append(stream, AUTO_ID, payload, receipt, index);
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      receipt.refused(index, asFailure(error));
    }
  }
}

/** The streams that entries name: every name is checked before anything is stored. @throws Failure */
function namedStreams(
  context: GatewayContext,
  rights: Rights,
  { selection }: PostPlan,
  entries: readonly FormEntry[],
  pipe: EntryPipe,
): ReadonlyMap<string, AppendStream> {
  const streams = new Map<string, AppendStream>();
  for (const { filename } of entries) {
    if (streams.has(filename)) continue;
    if (filename === '') throw unnamed();
    checkStreamId(filename);
    checkWritable(filename);
    const key = selectedKey(context.config, rights, 'write', selection, filename);
    streams.set(filename, pipe.streams.get(key));
  }
  return streams;
}

const unnamed = () =>
  new Failure(
    'bad_name',
    "a POST to '*' must be a form with parts named 'entries' whose filenames are stream ids",
  );

/** Collects what became of a request's entries and answers when all is known. */
class PostReceipt implements Receipt {
  readonly #context: GatewayContext;
  readonly #exchange: HttpExchange;
  readonly #results: (string | FailureBody)[];
  readonly #sizes: readonly number[];
  readonly #share: Share;
  readonly #trace: EntryTrace | undefined;
  #failure: Failure | undefined;
  #pending: number;

  /** @param sizes bytes of each entry, which are given back to `share` */
  constructor(
    context: GatewayContext,
    exchange: HttpExchange,
    sizes: readonly number[],
    share: Share,
    trace: EntryTrace | undefined,
  ) {
    this.#trace = trace;
    this.#context = context;
    this.#exchange = exchange;
    this.#results = new Array(sizes.length);
    this.#pending = sizes.length;
    this.#sizes = sizes;
    this.#share = share;
  }

  stored(index: number, reply: ReplyCursor, shortage?: NotReplicated): void {
    this.#context.counters.in.post.entries++;
    const id = reply.text();
    this.#failure ??= shortage;
    this.#settle(index, shortage === undefined ? id : shortage.bodyOf(id));
  }

  refused(index: number, failure: Failure): void {
    this.#context.counters.refuse(failure);
    // That an entry may be stored already must not be hidden behind an error after which to try again.
    if (failure.code === 'unknown_outcome') this.#failure = failure;
    else this.#failure ??= failure;
    this.#settle(index, failure.body);
  }

  #settle(index: number, result: string | FailureBody): void {
    this.#results[index] = result;
    this.#share.give(this.#sizes[index]!);
    if (--this.#pending > 0) return;
    this.#share.close();
    this.#trace?.acknowledged(this.#results);
    if (this.#failure === undefined) {
      this.#exchange.answer({ head: JSON_HEAD, body: printResults(this.#results) });
    } else {
      // Which were stored and which were not, in the order of the entries.
      this.#exchange.fail(this.#failure, [], { entries: this.#results });
    }
  }
}

/** As JSON. Most requests store one entry, whose id is digits and a dash. */
function printResults(results: readonly (string | FailureBody)[]): string {
  const [first] = results;
  return results.length === 1 && typeof first === 'string' ? `["${first}"]` : JSON.stringify(results);
}
