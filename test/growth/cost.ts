/** Whether work grows in proportion to its input: measured by this process's own time, whatever else runs. */

/** What one measurement takes at least, so that the clock's steps do not count. */
const LEAST_MS = 4;
const TRIALS = 5;
const ROUNDS = 4;

/** How long this process works for one call, in ms: the least of some trials. */
function costOf(work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let trial = 0; trial < TRIALS; trial++) {
    let runs = 0;
    const begun = process.cpuUsage();
    let spent = 0;
    do {
      work();
      runs++;
      const { user, system } = process.cpuUsage(begun);
      spent = (user + system) / 1000;
    } while (spent < LEAST_MS);
    least = Math.min(least, spent / runs);
  }
  return least;
}

/**
 * How many times as long twice the input takes: 2 for linear work, 4 for quadratic work. A measurement may be
 * disturbed, so the best of some rounds counts once one is below `enough`.
 */
export function growthOf(make: (size: number) => () => void, size: number, enough: number): number {
  const [small, large] = [make(size), make(2 * size)];
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS && least >= enough; round++) {
    // Compiled before it is measured.
    small();
    large();
    least = Math.min(least, costOf(large) / costOf(small));
  }
  return least;
}
