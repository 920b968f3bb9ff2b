/** The numbers in a payload that can be plotted. */

/** More curves than these nobody can tell apart: others are drawn when they are chosen. */
export const MOST_SHOWN = 8;
/** More than these cannot be chosen either. */
export const MOST_SERIES = 64;
/** A JSON text longer than this is no reading of a sensor. */
const MOST_BYTES = 64 * 1024;
/** Objects within objects are looked into so far. */
const DEEPEST = 4;
/** What a number alone is called. */
const ALONE = 'value';

export interface Numbers {
  /** By their paths, such as `imu.x` or `[0]`; at most `MOST_SERIES`, the first ones. */
  readonly values: ReadonlyMap<string, number>;
  /** Numbers besides those. */
  readonly omitted: number;
}

/** A number, or the numbers in an object or array. */
export function numbersIn(data: Uint8Array): Numbers {
  const found = { values: new Map<string, number>(), omitted: 0 };
  if (data.length === 0 || data.length > MOST_BYTES) return found;
  try {
    collect(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data)), '', 0, found);
  } catch {
    // Not JSON, so there are none.
  }
  return found;
}

function collect(
  value: unknown,
  path: string,
  depth: number,
  found: { readonly values: Map<string, number>; omitted: number },
): void {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return;
    if (found.values.size < MOST_SERIES) found.values.set(path === '' ? ALONE : path, value);
    else found.omitted++;
    return;
  }
  if (typeof value !== 'object' || value === null || depth >= DEEPEST) return;
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
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
