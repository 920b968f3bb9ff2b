/** Which curves share a scale: a counter or a time beside small readings would flatten them. */

/** Curves whose magnitudes differ by no more than this factor are told apart on one scale. */
const FACTOR = 30;

/** A series with the largest absolute value that it holds. */
export interface Magnitude {
  readonly name: string;
  readonly most: number;
}

/**
 * The scale of each series, by its name: 0 for the one that most of them share, and of those that are as large the
 * smaller numbers; then 1, 2 and so on. A series of nothing but zeros is on scale 0.
 */
export function assignScales(series: readonly Magnitude[]): ReadonlyMap<string, number> {
  const groups: Magnitude[][] = [];
  for (const one of series.filter(({ most }) => most > 0).sort((a, b) => a.most - b.most)) {
    const group = groups.at(-1);
    if (group !== undefined && one.most <= group[0]!.most * FACTOR) group.push(one);
    else groups.push([one]);
  }
  groups.sort((a, b) => b.length - a.length);
  const scales = new Map(series.map(({ name }) => [name, 0]));
  groups.forEach((group, scale) => {
    for (const { name } of group) scales.set(name, scale);
  });
  return scales;
}
