/**
 * `GET /data/{sid}/latest`: one entry's bytes under their own media type, so that a picture has an address: the
 * newest, the newest up to a moment, or the newest after an id once there is one.
 */

import type { Grant } from '../../../access/grant.js';
import type { Rights } from '../../../access/rights.js';
import { readStreamMediaType } from '../../../catalog/metadata.js';
import type { EntryBatch } from '../../../protocol/batch.js';
import { type EntityTags, matchesTag, readTags } from '../../../protocol/entity-tags.js';
import { BEFORE_FIRST, entryTime } from '../../../protocol/entry-id.js';
import { Failure } from '../../../protocol/errors.js';
import { detectMediaType } from '../../../protocol/media-type.js';
import {
  type PullParameters,
  parseCursor,
  parsePullParameters,
  parseTime,
  Query,
  type StreamSelection,
} from '../../../protocol/parameters.js';
import { controlFailure } from '../../../redis/control.js';
import { EntryTrace } from '../../../system/entry-trace.js';
import type { GrantedHandler } from '../../admission/authorize.js';
import type { GatewayContext } from '../../context.js';
import type { Header } from '../../http/answer-head.js';
import type { HttpExchange } from '../../http/http-exchange.js';
import { Plans } from './plans.js';
import { readForExchange } from './read-for-exchange.js';
import { checkSelected, readSelection, selectedKeys } from './selected-keys.js';
import { viewHeaders } from './view-headers.js';

/**
 * An entry never changes, but which one is the newest does, and what is deleted must be gone: whoever keeps it
 * asks each time whether it holds, which moves no frame.
 */
const ASK_AGAIN: Header = ['cache-control', 'no-cache'];
/** The last moment that the form of dates in headers has room for. */
const LAST_DATE = Date.UTC(9999, 11, 31, 23, 59, 59);

/** What an address asks for. */
interface LatestPlan {
  readonly selection: StreamSelection;
  readonly parameters: PullParameters;
  readonly at: string | undefined;
  readonly until: string | undefined;
  readonly after: string | undefined;
  readonly keys: readonly string[];
}

export function getLatest(context: GatewayContext): GrantedHandler {
  const plans = new Plans<LatestPlan>(context.config);
  return (exchange, grant, encodedSid) => {
    const { rights } = grant;
    const known = plans.find(rights, encodedSid, exchange);
    if (known !== undefined) checkSelected(rights, 'read', known.selection, known.keys);
    const plan =
      known ?? plans.keep(rights, encodedSid, exchange, planLatest(context, exchange, rights, encodedSid));
    return answerLatest(context, exchange, grant, plan);
  };
}

/** @throws Failure */
function planLatest(
  context: GatewayContext,
  exchange: HttpExchange,
  rights: Rights,
  encodedSid: string,
): LatestPlan {
  const query = new Query(exchange.query);
  const selection = readSelection(rights, encodedSid, query);
  const at = query.text('at');
  const after = query.text('after');
  if (selection.sids.length > 1)
    throw new Failure('bad_parameter', `latest needs exactly one stream, not ${selection.sids.length}`);
  if (at !== undefined && after !== undefined) {
    throw new Failure('bad_parameter', 'at and after ask for different entries: give one of them');
  }
  if (after !== undefined) parseCursor('after', after);
  // All forms are checked, whether they matter here or not.
  const parameters = parsePullParameters(
    after === undefined ? query : query.resumedAfter(after),
    selection,
    'rest',
  );
  const until = at === undefined ? undefined : parseTime('at', at).last;
  const keys = selectedKeys(context.config, rights, 'read', selection);
  return { selection, parameters, at, until, after, keys };
}

async function answerLatest(
  context: GatewayContext,
  exchange: HttpExchange,
  grant: Grant,
  { selection, parameters, at, until, after, keys }: LatestPlan,
): Promise<void> {
  const [key] = keys as [string];
  const [sid] = selection.sids as [string];
  const tags = readTags(exchange.header('if-none-match'));
  if (after === undefined) {
    // The id alone is worth a round trip of its own only where the entry is not small.
    const known =
      tags && !context.ranges.isNewestSmall(key)
        ? await readNewestId(context.control, key, until)
        : undefined;
    grant.check();
    if (tags && known && matchesTag(tags, known)) {
      exchange.answer({ status: 304, headers: entryHeaders(known) });
      return;
    }
    const naming = readStreamMediaType(context.ranges, key);
    // Where the client has the entry, it does not matter what the metadata says.
    naming.catch(() => {});
    const batch = await readNewest(context, key, until);
    grant.check();
    if (tags && batch.length > 0 && matchesTag(tags, batch.lastId)) {
      exchange.answer({ status: 304, headers: entryHeaders(batch.lastId) });
      return;
    }
    const named = await naming;
    grant.check();
    if (batch.length === 0) throw nothingThere(sid, at);
    answerEntry(context, exchange, batch, named, tags);
    return;
  }
  const [named, { wanted, batches }] = await Promise.all([
    readStreamMediaType(context.ranges, key),
    readForExchange(context, exchange, grant, [key], { ...parameters, latest: true, gaps: false }),
  ]);
  const [batch] = batches;
  if (batch === undefined || batch.length === 0) {
    exchange.answer({ status: 204, headers: [['x-last-entry-id', wanted.cursors[0]!], ASK_AGAIN] });
    return;
  }
  answerEntry(context, exchange, batch, named, tags);
}

/** @returns undefined where there is none, or where Redis runs no scripts for us: the entry itself tells then */
async function readNewestId(
  control: GatewayContext['control'],
  key: string,
  until: string | undefined,
): Promise<string | undefined> {
  try {
    return (await control.of(key, (redis) => redis.newestEntryId(key, until ?? '+'))) || undefined;
  } catch (error) {
    const failure = controlFailure(error);
    if (failure.code === 'redis_denied' || failure.code === 'redis_error') return undefined;
    throw failure;
  }
}

async function readNewest(
  context: GatewayContext,
  key: string,
  until: string | undefined,
): Promise<EntryBatch> {
  const streams = [{ key, after: BEFORE_FIRST }];
  const [batch] = await context.ranges.read({ streams, count: 1, latest: true, until, maxBytes: 1 });
  return batch!;
}

function answerEntry(
  context: GatewayContext,
  exchange: HttpExchange,
  batch: EntryBatch,
  named: string | undefined,
  tags: EntityTags | undefined,
): void {
  const index = batch.length - 1;
  const id = batch.ids[index]!;
  const body = batch.payload(index);
  if (tags && matchesTag(tags, id)) {
    exchange.answer({ status: 304, headers: entryHeaders(id) });
    return;
  }
  EntryTrace.start(context.logger, { endpoint: 'latest' })?.sent(batch, index, index + 1);
  context.counters.out.latest.entries++;
  context.counters.out.latest.bytes += body.length;
  exchange.answer({
    type: named ?? typeOf(batch, index),
    headers: [...entryHeaders(id), ...viewHeaders(context)],
    body,
  });
}

/** Found once for all who are given the same batch. */
function typeOf(batch: EntryBatch, index: number): string {
  return batch.message('media type', index, () => detectMediaType(batch.payload(index)));
}

/** Those who poll ask for the same entry again and again. */
let lastHeaders: { readonly id: string; readonly headers: readonly Header[] } | undefined;

function entryHeaders(id: string): readonly Header[] {
  if (lastHeaders?.id !== id) lastHeaders = { id, headers: makeEntryHeaders(id) };
  return lastHeaders.headers;
}

function makeEntryHeaders(id: string): Header[] {
  const time = entryTime(id);
  return [
    ['etag', `"${id}"`],
    ['x-last-entry-id', id],
    ...(time <= LAST_DATE ? [['last-modified', new Date(time).toUTCString()] as const] : []),
    ASK_AGAIN,
  ];
}

function nothingThere(sid: string, at: string | undefined): Failure {
  return new Failure(
    'not_found',
    `the stream '${sid}' has no entry${at === undefined ? '' : ' at that time'}`,
  );
}
