/** Figures for people: three digits that count, thousands apart. */
import type { Spread } from './results.js';

const COUNTING_DIGITS = 3;
/** Which does not break a line. */
const SPACE = '\u00a0';

/** @returns such as `0.0123`, `4.56`, `321`, `412 000` */
export function formatNumber(value: number): string {
  if (value === 0) return '0';
  const rounded = Number(value.toPrecision(COUNTING_DIGITS));
  const digits = Math.max(0, COUNTING_DIGITS - 1 - Math.floor(Math.log10(Math.abs(rounded))));
  const [whole, fraction] = rounded.toFixed(digits).split('.');
  const grouped = whole!.replace(/\B(?=(\d{3})+$)/g, SPACE);
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** @returns such as `0.71–0.84`; nothing where one round was all */
export function formatSpread({ least, greatest }: Spread): string {
  return least === greatest ? '' : `${formatNumber(least)}–${formatNumber(greatest)}`;
}

/** A target as it is to be read: at least, or at most. */
export function formatTarget(target: number | undefined, better: 'more' | 'less'): string {
  if (target === undefined) return '';
  return `${better === 'more' ? '≥' : '≤'} ${target}`;
}
