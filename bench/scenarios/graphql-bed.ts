/** What GraphQL is measured on: one Redis, and in front of it a gateway that is asked by one client. */
import { Redis } from 'ioredis';
import { type GatewayProcess, startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis, type TestRedis } from '../../test/support/redis-server.js';
import { openHttpClient } from '../load/http-client.js';
import { opening } from '../opening.js';
import { cpuSeconds } from '../programs.js';
import type { Round, Scenario } from '../scenario.js';

/** What all rounds of a scenario share. */
export interface Bed {
  readonly redis: TestRedis;
  readonly gateway: GatewayProcess;
  /** A connection that is compared with the gateway. */
  readonly peer: Redis;
  /** Asks the gateway a query. @throws Error where it answers one */
  ask(query: string): Promise<string>;
}

export interface GraphqlCase {
  readonly name: string;
  readonly unit: string;
  readonly ceiling: string;
  readonly target: number;
  prepare(redis: Redis, scale: number): Promise<void>;
  round(bed: Bed, scale: number): Promise<Round>;
}

export function graphqlScenario({ name, unit, ceiling, target, prepare, round }: GraphqlCase): Scenario {
  return {
    scope: 'graphql',
    figures: [{ name, unit, better: 'more', rivals: [{ label: ceiling, kind: 'ceiling', target }] }],
    open: ({ scale, main }) =>
      opening(async (started) => {
        const redis = started.add(await startRedis());
        const gateway = started.add(await startGatewayProcess({ REDIS_URL: redis.url }, [], main));
        const peer = new Redis({ path: redis.path });
        started.add({ stop: async () => peer.disconnect() });
        const http = started.add(openHttpClient(gateway.port));
        const ask = async (query: string) => {
          const answer = await http.post('/graphql', 'application/json', JSON.stringify({ query }));
          if (answer.includes('"errors"')) throw new Error(answer.slice(0, 300));
          return answer;
        };
        await prepare(redis.client, scale);
        return async () => [await round({ redis, gateway, peer, ask }, scale)];
      }),
  };
}

/** Runs both in turns, so that what else the machine does falls on both. @returns times a second of each */
export async function inTurns(
  { gateway, redis }: Pick<Bed, 'gateway' | 'redis'>,
  turns: number,
  ours: () => Promise<unknown>,
  ceiling: () => Promise<unknown>,
): Promise<Round> {
  await ours();
  await ceiling();
  const pid = gateway.process.pid!;
  const store = redis.process.pid!;
  const spent = { ours: 0, oursRedis: 0, oursGateway: 0, ceiling: 0, ceilingRedis: 0 };
  for (let turn = 0; turn < turns; turn++) {
    const gatewayBefore = await cpuSeconds(pid);
    const redisBefore = await cpuSeconds(store);
    let start = performance.now();
    await ours();
    spent.ours += (performance.now() - start) / 1000;
    const redisBetween = await cpuSeconds(store);
    spent.oursGateway += (await cpuSeconds(pid)) - gatewayBefore;
    spent.oursRedis += redisBetween - redisBefore;
    start = performance.now();
    await ceiling();
    spent.ceiling += (performance.now() - start) / 1000;
    spent.ceilingRedis += (await cpuSeconds(store)) - redisBetween;
  }
  const each = 1e6 / turns;
  return {
    ours: turns / spent.ours,
    rivals: [turns / spent.ceiling],
    cpuMicroseconds: spent.oursGateway * each,
    sides: {
      ours: (spent.oursGateway + spent.oursRedis) * each,
      rivals: [spent.ceilingRedis * each],
    },
  };
}
