/** Where two costs cross as the size grows. */

export interface Costs {
  readonly size: number;
  readonly inline: number;
  readonly pool: number;
}

/**
 * The pool is worth it where main has this share of the cost left, or less: handing over makes the one who
 * asked wait longer, and takes all cores together more.
 */
const WORTH = 0.8;

/** By how much the pool is the better place; below 0 it is main. Costs grow by factors, hence the logarithm. */
const advantage = ({ inline, pool }: Costs) => Math.log((WORTH * inline) / pool);

/** What is lost where sizes from index `split` on go to the pool. */
const regret = (costs: readonly Costs[], split: number) =>
  costs.reduce((sum, cost, index) => {
    const lost = index < split ? advantage(cost) : -advantage(cost);
    return sum + Math.max(0, lost);
  }, 0);

/**
 * The size from which the pool is the better place. A single cost that was measured badly does not move it
 * far.
 * @param costs by ascending size
 * @returns a size between two that were measured; the first where it is always the pool, the last where
 *   never
 */
export function crossover(costs: readonly Costs[]): number {
  const splits = [...costs.keys(), costs.length];
  const best = splits.reduce((least, split) => (regret(costs, split) < regret(costs, least) ? split : least));
  const below = costs[best - 1];
  const above = costs[best];
  if (below === undefined || above === undefined) return (below ?? above)!.size;
  const [from, to] = [advantage(below), advantage(above)];
  // Between the two the curves are taken for straight.
  const share = from < 0 && to > 0 ? from / (from - to) : 0.5;
  return below.size * (above.size / below.size) ** share;
}
