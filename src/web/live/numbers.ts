/** The numbers in a payload that can be plotted. */

/** More curves than these nobody can tell apart. */
export const MOST_SERIES = 8;
/** A JSON text longer than this is no reading of a sensor. */
const MOST_BYTES = 64 * 1024;
/** Objects within objects are looked into so far. */
const DEEPEST = 4;
/** What a number alone is called. */
const ALONE = 'value';

/**
 * A number, or the numbers in an object or array, each by its path, such as `imu.x` or `[0]`; at most
 * `MOST_SERIES`, the first ones. Empty where there are none.
 */
export function numbersIn(data: Uint8Array): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  if (data.length === 0 || data.length > MOST_BYTES) return found;
  try {
    collect(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data)), '', 0, found);
  } catch {
    // Not JSON, so there are none.
  }
  return found;
}

function collect(value: unknown, path: string, depth: number, found: Map<string, number>): void {
  if (found.size >= MOST_SERIES) return;
  if (typeof value === 'number') {
    if (Number.isFinite(value)) found.set(path === '' ? ALONE : path, value);
    return;
  }
  if (typeof value !== 'object' || value === null || depth >= DEEPEST) return;
  if (Array.isArray(value)) {
    value.slice(0, MOST_SERIES).forEach((item, index) => {
      collect(item, `${path}[${index}]`, depth + 1, found);
    });
    return;
  }
  for (const [name, item] of Object.entries(value)) {
    collect(item, path === '' ? name : `${path}.${name}`, depth + 1, found);
  }
}

/** Whether a series says when rather than how much: seconds or more since 1970 would flatten all others. */
export function isTimestamp(name: string, value: number): boolean {
  return /(?:^|[._])(?:t|ts|time|timestamp|date)(?:_?(?:s|ms|us|ns))?$/i.test(name) && value > 1e8;
}
