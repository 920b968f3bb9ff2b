/** What one more of each thing costs, as it was measured: the model's input, kept in bench/results/scale.json. */
import { readFileSync } from 'node:fs';

export const COSTS_FILE = 'bench/results/scale.json';

/** CPU time of an entry of one size, in microseconds. Other threads are the reader, the pool and those of Node.js. */
export interface EntryCosts {
  readonly bytes: number;
  /** To take an entry from a producer and have it stored. */
  readonly pushMain: number;
  readonly pushOthers: number;
  /** To read an entry, once for all its followers at a gateway. */
  readonly readMain: number;
  readonly readOthers: number;
  /** To send it to one follower. */
  readonly deliverMain: number;
  readonly redisWrite: number;
  /** For each gateway that reads it. */
  readonly redisRead: number;
}

/** What there is without any entry. */
export interface RestCosts {
  /** CPU time in microseconds a second. */
  readonly gateway: number;
  readonly redis: number;
  /** Of one follower more to which nothing is sent. */
  readonly follower: number;
  readonly followerBytes: number;
  /** Resident memory of a gateway without clients. */
  readonly gatewayBytes: number;
}

export interface Costs {
  /** Machine and versions, in words. */
  readonly measuredOn: string;
  /** Two sizes: between and beyond them, costs are taken to grow evenly with the size. */
  readonly entries: readonly [small: EntryCosts, large: EntryCosts];
  readonly rest: RestCosts;
}

export const readCosts = (file = COSTS_FILE) => JSON.parse(readFileSync(file, 'utf8')) as Costs;

/** The costs of an entry of that size. */
export function costsOf({ entries: [small, large] }: Costs, bytes: number): EntryCosts {
  const share = (bytes - small.bytes) / (large.bytes - small.bytes);
  const between = (name: keyof EntryCosts) => Math.max(0, small[name] + share * (large[name] - small[name]));
  return {
    bytes,
    pushMain: between('pushMain'),
    pushOthers: between('pushOthers'),
    readMain: between('readMain'),
    readOthers: between('readOthers'),
    deliverMain: between('deliverMain'),
    redisWrite: between('redisWrite'),
    redisRead: between('redisRead'),
  };
}
