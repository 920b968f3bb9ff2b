/** How a GET's answer tells of its entries: their bytes or MessagePack in the body, cursors and a table in the head. */

import type { EntryBatch } from '../../../protocol/batch.js';
import { asciiJson, fitEntries, type TableForm, type TableStream } from '../../../protocol/head-table.js';
import { packEntries } from '../../../protocol/pack-entries.js';
import type { PullParameters } from '../../../protocol/parameters.js';
import { describeGap, entryOffsets, type Gap } from '../../../protocol/pull-message.js';
import { EntryTrace } from '../../../system/entry-trace.js';
import type { GatewayContext } from '../../context.js';
import { AnswerHead, type Header } from '../../http/answer-head.js';
import type { HttpExchange } from '../../http/http-exchange.js';

const MSGPACK = 'application/msgpack';
const NOT_STORED: Header = ['cache-control', 'no-store'];
/** In the log. */
const ABOUT = { endpoint: 'get' };
/** Beside those of the table. */
const TABLE_HEADERS: readonly Header[] = [['content-type', 'application/octet-stream'], NOT_STORED];

/** What was read of a stream. */
export interface ReadStream {
  /** What its entries were read after. */
  readonly cursor: string;
  /** The cursor that it had when it was reset. */
  readonly resetAt: string | undefined;
  /** The client comes back with the id of an entry that it had. */
  readonly isResumed: boolean;
  readonly batch: EntryBatch | undefined;
}

const isPacked = (exchange: HttpExchange) => exchange.header('accept').toLowerCase().includes(MSGPACK);

/** What the head of the answer has room for, and tells. MessagePack names its entries itself. */
export function tableForm(exchange: HttpExchange, { offsets, gaps }: PullParameters): TableForm {
  const rows = isPacked(exchange) ? undefined : offsets;
  return { room: exchange.headRoom(TABLE_HEADERS), rows, gaps };
}

/** An answer that is made, and what it holds. */
interface EntriesAnswer {
  readonly head: AnswerHead;
  readonly body: Uint8Array;
  /** How many entries of each stream. */
  readonly counts: readonly number[];
  readonly entries: number;
  /** Of their payloads. */
  readonly bytes: number;
}

/**
 * Answers with as many entries as the head has room for.
 * @param sids as the client knows the streams
 * @throws Failure `bad_parameter` where there is no room for a single one
 */
export function answerEntries(
  { counters, logger }: GatewayContext,
  exchange: HttpExchange,
  sids: readonly string[],
  read: readonly ReadStream[],
  form: TableForm,
): void {
  const { head, body, counts, entries, bytes } = sharedAnswer(sids, read, form);
  counters.out.get.entries += entries;
  counters.out.get.bytes += bytes;
  const trace = EntryTrace.start(logger, ABOUT);
  if (trace !== undefined) {
    for (const [index, { batch }] of read.entries()) if (batch) trace.sent(batch, 0, counts[index]!);
  }
  exchange.answer({ head, body });
}

/** Clients that ask the same of one stream in the same moment share the read, and so the answer. */
function sharedAnswer(sids: readonly string[], read: readonly ReadStream[], form: TableForm): EntriesAnswer {
  const make = () => makeAnswer(sids, read, form);
  const { batch, cursor, resetAt, isResumed } = read[0]!;
  const isAlone = read.length === 1 && batch !== undefined && batch.after === cursor && resetAt === undefined;
  if (!isAlone) return make();
  const { room, rows, gaps } = form;
  return batch.message(`get ${room} ${rows} ${gaps} ${isResumed} ${sids[0]}`, 0, make);
}

/** @throws Failure `bad_parameter` where there is no room for a single entry */
function makeAnswer(sids: readonly string[], read: readonly ReadStream[], form: TableForm): EntriesAnswer {
  const streams = read.map((stream, index): TableStream => {
    return { sid: sids[index]!, cursor: stream.cursor, batch: stream.batch, gap: gapBefore(stream) };
  });
  const counts = fitEntries(streams, form);
  const runs = streams.flatMap(({ sid, batch }, index) =>
    batch === undefined ? [] : [{ sid, batch, from: 0, to: counts[index]! }],
  );
  const cursors = streams.map(({ cursor, batch }, index) => batch?.ids[counts[index]! - 1] ?? cursor);
  const gaps = streams.flatMap(({ sid, gap }, index) =>
    gap !== undefined && counts[index]! > 0 ? [describeGap(sid, gap)] : [],
  );
  const rows: [string, string, number][] = [];
  let entries = 0;
  let bytes = 0;
  for (const { sid, batch, to } of runs) {
    if (form.rows !== undefined) {
      const offsets = entryOffsets(sid, batch, 0, to, form.rows);
      for (const [name, id, offset] of offsets) rows.push([name, id, bytes + offset]);
    }
    bytes += batch.start(to);
    entries += to;
  }
  const parts =
    form.rows === undefined
      ? packEntries(runs)
      : runs.map(({ batch, to }) => batch.bytes.subarray(0, batch.start(to)));
  const head = new AnswerHead(form.rows === undefined ? MSGPACK : 'application/octet-stream', [
    ['x-last-entry-id', cursors.join('+')],
    ...(form.rows === undefined ? [] : [['x-offsets', asciiJson(rows)] as const]),
    ...(form.gaps ? [['x-gap', asciiJson(gaps)] as const] : []),
    NOT_STORED,
  ]);
  return { head, body: parts.length === 1 ? parts[0]! : Buffer.concat(parts), counts, entries, bytes };
}

/** What a stream lost before the entries that it goes on with. */
function gapBefore({ batch, resetAt, isResumed }: ReadStream): Gap | undefined {
  if (batch === undefined || batch.length === 0) return undefined;
  const resumedAt = batch.trimmed ? batch.resumedAt! : batch.ids[0]!;
  if (resetAt !== undefined) return { after: resetAt, resumedAt, reason: 'deleted' };
  return batch.trimmed && isResumed ? { after: batch.after, resumedAt, reason: 'trimmed' } : undefined;
}
