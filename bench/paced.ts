/** Measurements that last about so long on any machine: how much they do follows from what they did before. */

/** So short a measurement tells too little, while warming up, to go by its rate. */
const LEAST_SHARE = 1 / 3;
const GROWTH = 4;

/**
 * Warms up with ever more work, until it lasts.
 * @param attempt does so many units of work and returns at least how many it did a second
 * @param seconds how long a measurement is to last
 * @param start units to begin with
 * @returns does as much as should last that long
 */
export async function paced<T extends { readonly rate: number }>(
  attempt: (units: number) => Promise<T>,
  seconds: number,
  start: number,
): Promise<() => Promise<T>> {
  let units = start;
  let { rate } = await attempt(units);
  while (units / rate < seconds * LEAST_SHARE) {
    units = Math.round(Math.max(GROWTH * units, (rate * seconds) / 2));
    ({ rate } = await attempt(units));
  }
  return async () => {
    const measured = await attempt(Math.max(start, Math.round(rate * seconds)));
    rate = measured.rate;
    return measured;
  };
}
