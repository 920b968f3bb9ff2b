/** Numbers as people read them. */

const NOTHING = '–';
const THIN_SPACE = '\u202f';

/** `0.3`, `4.2`, `58`, `12.3k`, `4M`: about three digits. */
function short(value: number): string {
  for (const [unit, letter] of [
    [1e6, 'M'],
    [1e4, 'k'],
  ] as const) {
    if (value >= unit) return `${trimmed(value / (unit === 1e4 ? 1e3 : unit))}${letter}`;
  }
  return trimmed(value);
}

function trimmed(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, '');
}

/** Entries per second; a dash where there are none worth a digit. */
export function formatRate(perSecond: number | undefined): string {
  if (perSecond === undefined || perSecond < 0.05) return NOTHING;
  return `${short(perSecond)}/s`;
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** In decimal units, as networks and the settings count. */
export function formatBytes(bytes: number): string {
  const power = Math.min(Math.max(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 0), BYTE_UNITS.length - 1);
  return `${trimmed(bytes / 1000 ** power)}${THIN_SPACE}${BYTE_UNITS[power]}`;
}

export function formatByteRate(perSecond: number | undefined): string {
  return perSecond === undefined || perSecond < 0.5 ? NOTHING : `${formatBytes(perSecond)}/s`;
}

const AGES: readonly (readonly [seconds: number, unit: string])[] = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
];

/** How long ago something was; clocks that differ a little make nothing come from the future. */
export function formatAge(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < -1) return 'ahead';
  if (seconds < 1.5) return 'now';
  const [size, unit] = AGES.find(([size]) => seconds >= size)!;
  return `${Math.floor(seconds / size)}${THIN_SPACE}${unit}`;
}

/** How long something takes: `40 ms`, `1.5 s`, `10 min`. */
export function formatInterval(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}${THIN_SPACE}ms`;
  return ms < 10_000 ? `${trimmed(ms / 1000)}${THIN_SPACE}s` : formatAge(ms);
}

const two = (value: number) => String(value).padStart(2, '0');

/** The time of day here, with milliseconds. */
export function formatTime(ms: number): string {
  const time = new Date(ms);
  if (Number.isNaN(time.getTime())) return NOTHING;
  const fraction = String(time.getMilliseconds()).padStart(3, '0');
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${fraction}`;
}

/** Day and time here, in the form that `<input type="datetime-local">` takes. */
export function formatLocal(ms: number): string {
  const time = new Date(ms);
  if (Number.isNaN(time.getTime())) return '';
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}T${formatTime(ms)}`;
}

/** A measured value: six digits tell one reading from the next. */
export function formatValue(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
}

export function countOf(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}
