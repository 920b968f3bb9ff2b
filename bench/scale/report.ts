/** A prediction in words. */
import { formatNumber } from '../numbers.js';
import type { Machines, Prediction, Workload } from './model.js';

/** Less does not matter. */
const LEAST_SHARE = 0.01;

const gigabits = (bits: number) => `${formatNumber(bits / 1e9)} Gbit/s`;
const whole = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ' ');

function machines(name: string, found: Machines | undefined): string {
  if (found === undefined) return `no number of ${name} would do`;
  const shares = Object.entries(found.shares)
    .filter(([, share]) => share >= LEAST_SHARE)
    .sort(([, one], [, other]) => other - one)
    .map(([limit, share]) => `${limit} ${Math.round(share * 100)} %`);
  return `${name}: ${whole(found.count)} (${shares.join(', ')})`;
}

export function titleOf({ cameras, rate, bytes, followers, followRate, routing }: Workload): string {
  const sent = followRate === undefined ? '' : ` that are sent ${followRate}/s`;
  const how = routing === 'any' ? 'any gateway' : 'the gateway of their stream';
  return `${whole(cameras)} × ${rate}/s × ${whole(bytes)} B, ${whole(followers)} followers${sent} at ${how}`;
}

export function describe(workload: Workload, prediction: Prediction): string {
  const { gateways, shards, bitsFromProducers, bitsToFollowers, bitsFromShards } = prediction;
  return [
    titleOf(workload),
    `  ${machines('gateways', gateways)}`,
    `  ${machines('shards', gateways && shards)}`,
    `  ${gigabits(bitsFromProducers)} from producers and to shards, ${gigabits(bitsFromShards)} from shards, ` +
      `${gigabits(bitsToFollowers)} to followers`,
    '',
  ].join('\n');
}
