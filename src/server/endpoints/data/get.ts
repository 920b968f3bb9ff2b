/** `GET /data/{sid}`: entries after a cursor, waiting for some where there are none yet. */
import type { Grant } from '../../../access/grant.js';
import type { Rights } from '../../../access/rights.js';
import { checkTable, type TableForm, tableCount } from '../../../protocol/head-table.js';
import {
  type PullParameters,
  parsePullParameters,
  Query,
  type StreamSelection,
} from '../../../protocol/parameters.js';
import type { GrantedHandler } from '../../admission/authorize.js';
import type { GatewayContext } from '../../context.js';
import type { HttpExchange } from '../../http/http-exchange.js';
import { answerEntries, tableForm } from './entries-answer.js';
import { Plans } from './plans.js';
import { readForExchange } from './read-for-exchange.js';
import { checkSelected, readSelection, selectedKeys, shownSids } from './selected-keys.js';

/** What an address asks for. */
interface GetPlan {
  readonly selection: StreamSelection;
  readonly parameters: PullParameters;
  readonly keys: readonly string[];
  /** For the requests of one client after another it is the same. */
  fitted?: FittedRead;
}

/** What was found to fit into the head of an answer. */
interface FittedRead {
  readonly sids: readonly string[];
  readonly form: TableForm;
  /** Those of the plan, of no more entries than fit. */
  readonly parameters: PullParameters;
}

export function getData(context: GatewayContext): GrantedHandler {
  const plans = new Plans<GetPlan>(context.config);
  return (exchange, grant, encodedSid) => {
    const { rights } = grant;
    const known = plans.find(rights, encodedSid, exchange);
    if (known !== undefined) checkSelected(rights, 'read', known.selection, known.keys);
    const plan =
      known ?? plans.keep(rights, encodedSid, exchange, planGet(context, exchange, rights, encodedSid));
    return answerGet(context, exchange, grant, plan);
  };
}

/** @throws Failure */
function planGet(
  context: GatewayContext,
  exchange: HttpExchange,
  rights: Rights,
  encodedSid: string,
): GetPlan {
  const query = new Query(exchange.query);
  const selection = readSelection(rights, encodedSid, query);
  const parameters = parsePullParameters(query, selection, 'rest');
  return { selection, parameters, keys: selectedKeys(context.config, rights, 'read', selection) };
}

async function answerGet(
  context: GatewayContext,
  exchange: HttpExchange,
  grant: Grant,
  plan: GetPlan,
): Promise<void> {
  const { selection, keys } = plan;
  const sids = shownSids(grant.rights, selection, keys, plan.parameters.keepDevicePrefix);
  const form = tableForm(exchange, plan.parameters);
  const parameters = fitTable(plan, sids, form);
  const { wanted, batches } = await readForExchange(context, exchange, grant, keys, parameters);
  const read = keys.map((_, index) => ({
    cursor: wanted.cursors[index]!,
    resetAt: wanted.resetAt[index],
    isResumed: parameters.resumes[index]!,
    batch: batches[index],
  }));
  answerEntries(context, exchange, sids, read, form);
}

/** @throws Failure `bad_parameter` where the head of the answer has no room for the table */
function fitTable(plan: GetPlan, sids: readonly string[], form: TableForm): PullParameters {
  const { fitted, parameters } = plan;
  if (fitted?.sids === sids && fitted.form.room === form.room && fitted.form.rows === form.rows) {
    return fitted.parameters;
  }
  checkTable(sids, parameters.cursors, form);
  const count = Math.min(parameters.count, tableCount(sids, form));
  plan.fitted = { sids, form, parameters: { ...parameters, count } };
  return plan.fitted.parameters;
}
