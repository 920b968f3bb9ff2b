/**
 * Asks the shard that has a key: first where the slot table says, then where it is sent from there. While a slot has no
 * master, or the cluster changes, it waits a little.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '../../protocol/errors.js';
import { NOT_SERVED } from '../error-replies.js';
import type { NotServed, Redirect } from './redirect.js';
import { slotOf } from './slot.js';
import { NO_SHARD, type SlotTable } from './slot-table.js';

/** How long a question may be sent on and wait in all. */
const PATIENCE_MS = 2000;
/** How long it waits where nobody serves the slot now. */
const AGAIN_MS = 50;
/** So many redirects are followed at once; further ones wait. */
const MAX_REDIRECTS = 5;

/** What a shard answered: a result, or that it does not serve the key now. */
export type ShardAnswer<T> = NotServed | { readonly result: T };

export const notServed = () => new Failure('redis_unavailable', NOT_SERVED);

/**
 * @param ask a shard that the table has; `asks` where ASKING must come before the command, `until` when all must be
 *   over, by `performance.now`
 * @throws Failure `redis_unavailable` where nobody serves the key in time; what `ask` throws
 */
export async function followRedirects<T>(
  table: SlotTable,
  key: string,
  ask: (shard: number, asks: boolean, until: number) => Promise<ShardAnswer<T>>,
): Promise<T> {
  const slot = slotOf(key);
  const until = performance.now() + PATIENCE_MS;
  let shard = table.shardOf(slot);
  let asks = false;
  for (let redirects = 0; ; redirects++) {
    const answer: ShardAnswer<T> = shard === NO_SHARD ? 'passing' : await ask(shard, asks, until);
    if (typeof answer === 'object' && 'result' in answer) return answer.result;
    if (performance.now() > until) throw notServed();
    const redirect: Redirect | undefined = answer === 'passing' ? undefined : answer;
    const next: number | undefined = redirect && table.shardOfRedirect(redirect, shard);
    table.wish();
    asks = next !== undefined && redirect?.kind === 'ask';
    if (next === undefined || redirects >= MAX_REDIRECTS) await delay(AGAIN_MS);
    shard = next ?? table.shardOf(slot);
  }
}
