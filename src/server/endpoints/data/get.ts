/** `GET /data/{sid}`: entries after a cursor, waiting for some where there are none yet. */
import type { Grant } from '../../../access/grant.js';
import { checkTable, tableCount } from '../../../protocol/head-table.js';
import { parsePullParameters, Query } from '../../../protocol/parameters.js';
import type { GatewayContext } from '../../context.js';
import type { HttpExchange } from '../../http/http-exchange.js';
import { answerEntries, tableForm } from './entries-answer.js';
import { readForExchange } from './read-for-exchange.js';
import { readSelection, selectedKeys, shownSids } from './selected-keys.js';

export async function getData(
  context: GatewayContext,
  exchange: HttpExchange,
  grant: Grant,
  encodedSid: string,
): Promise<void> {
  const { rights } = grant;
  const query = new Query(exchange.query);
  const selection = readSelection(rights, encodedSid, query);
  const parameters = parsePullParameters(query, selection, 'rest');
  const keys = selectedKeys(context.config, rights, 'read', selection);
  const sids = shownSids(rights, selection, keys, parameters.keepDevicePrefix);

  const form = tableForm(exchange, parameters);
  checkTable(sids, parameters.cursors, form);

  const count = Math.min(parameters.count, tableCount(sids, form));
  const { wanted, batches } = await readForExchange(context, exchange, grant, keys, { ...parameters, count });
  const read = keys.map((_, index) => ({
    cursor: wanted.cursors[index]!,
    resetAt: wanted.resetAt[index],
    isResumed: parameters.resumes[index]!,
    batch: batches[index],
  }));
  answerEntries(context, exchange, sids, read, form);
}
